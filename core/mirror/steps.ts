/**
 * The one way in which a mirror finds out what is to be done: the change feed first, then, where it is due, a comparison
 * of everything, with looks at the feed in between, so that what is new never waits for what is old. A run on one machine
 * and the scheduler in the cloud take the same steps; the one copies, the other fills a queue.
 */

import type { CallOptions } from '../call-options.ts';
import type { Clock } from '../clock.ts';
import type { Destination } from '../copy/outcome.ts';
import { isMirrorError, type MirrorError } from '../errors.ts';
import type { Change, ChangeFeed } from '../stores/change-feed.ts';
import { preferring } from '../streams/preferring.ts';
import { Comparison, type ComparisonOptions } from './comparison.ts';
import { cursorAt } from './follow/cursor.ts';
import { cursorAtEnd, type FollowStep, followChanges } from './follow/follow.ts';
import type { PlannedInstance } from './plan.ts';
import { type Progress, withComparison } from './progress.ts';

/** What is to be done, with the progress that holds once it is done or has been taken over for good. */
export type MirrorStep = { readonly progress: Progress } & (
  | { readonly kind: 'begun'; readonly reason: string }
  /** `following`: see {@link FollowStep}. */
  | { readonly kind: 'changes'; readonly changes: readonly Change[]; readonly following: number | undefined }
  | { readonly kind: 'compared'; readonly planned: PlannedInstance; readonly comparison: Comparison }
  /** Everything was compared; what follows from that is the comparison's to say. */
  | { readonly kind: 'listed'; readonly comparison: Comparison }
);

export interface StepOptions extends ComparisonOptions, CallOptions {
  readonly feed?: ChangeFeed | undefined;
  /** See {@link Progress.sourceIdentity}; absent: it is not asked for. */
  readonly sourceIdentity?: (() => Promise<string | null>) | undefined;
  readonly clock: Clock;
  /** While a comparison goes on, the feed is looked at this often; absent: only before it. */
  readonly lookEveryMs?: number | undefined;
  /** So many instances may be compared ahead of the consumer. */
  readonly ahead: number;
  /** A comparison is due this long after the last one began, and half of it after that one ended. */
  readonly compareEveryMs: number;
  /** Whether a schedule allows comparisons now. */
  readonly mayCompare?: boolean | undefined;
  /**
   * A destination ended a comparison with an error, such as one of its listing. @returns whether the others are compared
   * without it, because it is left out of everything, or of the comparison only; `undefined`: the error is thrown
   */
  readonly onUnlisted: (destination: Destination, error: MirrorError) => Promise<'left-out' | 'unlisted' | undefined>;
}

/** A destination that answers and cannot be listed is compared again after this long. */
const relistAfterMs = 3_600_000;

/**
 * Takes the steps that are to be taken now, and ends when nothing is left to do.
 * @param start the progress of the step before; `undefined` at the very beginning
 */
export async function* mirrorSteps(start: Progress | undefined, options: StepOptions): AsyncGenerator<MirrorStep> {
  yield* new Steps(start ?? (await firstProgress(options)), options).all(start === undefined);
}

async function firstProgress({ feed, clock, sourceIdentity, signal }: StepOptions): Promise<Progress> {
  const nowMs = clock.nowMs();
  const cursor = feed === undefined ? cursorAt(0, 0, nowMs) : await cursorAtEnd(feed, { nowMs, signal });
  const identity = (await sourceIdentity?.()) ?? null;
  return { version: 1, sourceIdentity: identity, cursor, comparison: null, comparedAt: null, unlisted: [] };
}

/** Why a comparison must begin now, as far as the progress tells. */
export function dueReason(
  { comparison, comparedAt, comparedFrom, unlisted }: Progress,
  { clock, compareEveryMs, mayCompare = true }: Pick<StepOptions, 'clock' | 'compareEveryMs' | 'mayCompare'>,
): string | undefined {
  if (comparison !== null) return undefined;
  if (comparedAt === null) return 'no comparison was completed yet';
  if (!mayCompare) return undefined;
  const ageMs = clock.nowMs() - Date.parse(comparedAt);
  // Counted from its begin, so that one that takes hours comes as often as any other; but the servers get a rest of half of it.
  const sinceBeginMs = clock.nowMs() - Date.parse(comparedFrom ?? comparedAt);
  if (sinceBeginMs >= compareEveryMs && ageMs >= compareEveryMs / 2) return 'the last comparison is too old';
  const isTimeToRelist = unlisted.length > 0 && ageMs >= relistAfterMs;
  return isTimeToRelist ? `${unlisted.join(', ')} could not be listed in the last comparison` : undefined;
}

/** Why the feed cannot be followed any further. */
interface Reset {
  readonly reason: string;
}

class Steps {
  readonly #options: StepOptions;
  /** Destinations that failed a comparison meanwhile. */
  readonly #leftOut = new Set<Destination>();
  #progress: Progress;

  constructor(start: Progress, options: StepOptions) {
    this.#options = options;
    this.#progress = start;
  }

  async *all(isFirst: boolean): AsyncGenerator<MirrorStep> {
    const other = isFirst ? undefined : await this.#otherSource();
    if (other !== undefined) yield* this.#beginAnew(other);
    const due = isFirst ? 'first run' : dueReason(this.#progress, this.#options);
    if (due !== undefined) yield await this.#begin(due);
    for (;;) {
      let next: Reset | 'again' | undefined = yield* this.#follow();
      if (next === undefined && this.#options.mayCompare !== false) next = yield* this.#compare();
      if (next === undefined) return;
      if (next !== 'again') yield* this.#beginAnew(next);
    }
  }

  async #otherSource(): Promise<Reset | undefined> {
    const identity = await this.#options.sourceIdentity?.();
    if (identity === undefined || identity === this.#progress.sourceIdentity) return undefined;
    return { reason: 'the source is another database than before' };
  }

  /**
   * Begins a comparison. What the feed still has to tell is told all the same, and goes ahead of it. Throws
   * `other-source` if this is not the source that the archive belongs to.
   */
  async #begin(reason: string): Promise<MirrorStep> {
    const { sourceProof, served, signal } = this.#options;
    if (served.some(({ role }) => role === 'archive')) await sourceProof?.verify({ signal });
    this.#progress = withComparison(this.#progress, reason, new Date(this.#options.clock.nowMs()));
    return { kind: 'begun', reason, progress: this.#progress };
  }

  /** Begins a comparison at the present end of a feed that cannot be continued. The position is taken first. */
  async *#beginAnew({ reason }: Reset): AsyncGenerator<MirrorStep> {
    const { comparedAt, comparedFrom } = this.#progress;
    this.#progress = { ...(await firstProgress(this.#options)), comparedAt, comparedFrom };
    yield await this.#begin(reason);
  }

  /** @returns why the feed cannot be followed any further, if that is so */
  async *#follow(): AsyncGenerator<MirrorStep, Reset | undefined> {
    const { feed, clock, signal } = this.#options;
    if (feed === undefined) return undefined;
    for await (const step of followChanges(feed, this.#progress.cursor, { nowMs: clock.nowMs(), signal })) {
      if (step.kind === 'reset') return step;
      yield this.#changed(step);
    }
    return undefined;
  }

  /** Compares, without the destinations that cannot be. @returns whether there is more to be compared */
  async *#compare(): AsyncGenerator<MirrorStep, Reset | 'again' | undefined> {
    for (let from = this.#progress.comparison; from !== null; from = this.#progress.comparison) {
      const served = this.#options.served.filter((one) => !this.#leftOut.has(one));
      const comparison = new Comparison(from, { ...this.#options, served });
      if (comparison.compared.length === 0) {
        if (from.unlisted.length > 0) yield this.#listed(comparison);
        return undefined;
      }
      try {
        const reset = yield* this.#goThrough(comparison);
        return reset ?? (this.#progress.comparison === null ? undefined : 'again');
      } catch (error) {
        await this.#doWithout(comparison, error);
      }
    }
    return undefined;
  }

  /** Leaves out the destination that ended a comparison. Throws the error if none did, or if it is needed. */
  async #doWithout({ compared, progress }: Comparison, error: unknown): Promise<void> {
    if (!isMirrorError(error) || this.#options.signal?.aborted === true) throw error;
    const failed = compared.find(({ store }) => store.name === error.store);
    const decision = failed && (await this.#options.onUnlisted(failed, error));
    if (failed === undefined || decision === undefined) throw error;
    this.#leftOut.add(failed);
    const unlisted = decision === 'unlisted' ? [...progress.unlisted, failed.store.name] : progress.unlisted;
    this.#progress = { ...this.#progress, comparison: { ...progress, unlisted } };
  }

  async *#goThrough(comparison: Comparison): AsyncGenerator<MirrorStep, Reset | undefined> {
    const { ahead, signal } = this.#options;
    await comparison.begin();
    const stop = (ended: AbortSignal) => (signal === undefined ? ended : AbortSignal.any([signal, ended]));
    const found = preferring(
      (ended) => this.#looks(stop(ended)),
      (ended) => comparison.plan({ signal: stop(ended) }),
      ahead,
    );
    for await (const one of found) {
      if (!('kind' in one)) {
        comparison.take(one);
        this.#progress = { ...this.#progress, comparison: comparison.progress };
        yield { kind: 'compared', planned: one, comparison, progress: this.#progress };
      } else if (one.kind === 'changes') yield this.#changed(one);
      else return one;
    }
    signal?.throwIfAborted();
    yield this.#listed(comparison);
    return undefined;
  }

  #changed({ changes, cursor, following }: FollowStep & { kind: 'changes' }): MirrorStep {
    this.#progress = { ...this.#progress, cursor };
    return { kind: 'changes', changes, following, progress: this.#progress };
  }

  #listed(comparison: Comparison): MirrorStep {
    const { clock, served } = this.#options;
    const now = new Date(clock.nowMs());
    const { leftOut, unlisted, startedAt: comparedFrom } = comparison.progress;
    const usable = new Set(served.flatMap((one) => (this.#leftOut.has(one) ? [] : [one.store.name])));
    const again = leftOut.filter((name) => usable.has(name) && !unlisted.includes(name));
    const comparedAt = now.toISOString();
    this.#progress = { ...this.#progress, comparison: null, comparedAt, comparedFrom, unlisted };
    if (again.length > 0) {
      this.#progress = withComparison(this.#progress, `${again.join(', ')} missed a part of the one before`, now);
    }
    return { kind: 'listed', comparison, progress: this.#progress };
  }

  /** Looks at the feed again and again, until the signal aborts. */
  async *#looks(signal: AbortSignal): AsyncGenerator<FollowStep> {
    const { feed, clock, lookEveryMs } = this.#options;
    if (feed === undefined || lookEveryMs === undefined) return;
    for (let { cursor } = this.#progress; ; ) {
      await clock.wait(lookEveryMs, signal);
      if (signal.aborted) return;
      for await (const step of followChanges(feed, cursor, { nowMs: clock.nowMs(), signal })) {
        yield step;
        if (step.kind === 'reset') return;
        cursor = step.cursor;
      }
    }
  }
}
