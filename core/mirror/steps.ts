/**
 * The one way in which a mirror finds out what is to be done: the change feed first, then, where it is due, a comparison
 * of everything, with looks at the feed in between, so that what is new never waits for what is old. A run on one machine
 * and the scheduler in the cloud take the same steps; the one copies, the other fills a queue.
 */
import type { Clock } from '../clock.ts';
import type { PlannedInstance } from '../compare/plan.ts';
import type { Change, ChangeFeed } from '../follow/change-feed.ts';
import { cursorAt } from '../follow/cursor.ts';
import { cursorAtEnd, type FollowStep, followChanges } from '../follow/follow.ts';
import type { CallOptions } from '../stores/store.ts';
import { preferring } from '../streams/preferring.ts';
import { Comparison, type ComparisonOptions } from './comparison.ts';
import { type Progress, withComparison } from './progress.ts';

/** What is to be done, with the progress that holds once it is done or has been taken over for good. */
export type MirrorStep = { readonly progress: Progress } & (
  | { readonly kind: 'begun'; readonly reason: string }
  | { readonly kind: 'changes'; readonly changes: readonly Change[] }
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
  /** A comparison is due this long after the last one. */
  readonly compareEveryMs: number;
  /** Whether a schedule allows comparisons now. */
  readonly mayCompare?: boolean | undefined;
}

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
  return { version: 1, sourceIdentity: identity, cursor, comparison: null, comparedAt: null };
}

/** Why a comparison must begin now, as far as the progress tells. */
export function dueReason(
  { comparison, comparedAt }: Progress,
  { clock, compareEveryMs, mayCompare = true }: Pick<StepOptions, 'clock' | 'compareEveryMs' | 'mayCompare'>,
): string | undefined {
  if (comparison !== null) return undefined;
  if (comparedAt === null) return 'no comparison was completed yet';
  if (!mayCompare) return undefined;
  return clock.nowMs() - Date.parse(comparedAt) >= compareEveryMs ? 'the last comparison is too old' : undefined;
}

/** Why the feed cannot be followed any further. */
interface Reset {
  readonly reason: string;
}

class Steps {
  readonly #options: StepOptions;
  #progress: Progress;

  constructor(start: Progress, options: StepOptions) {
    this.#options = options;
    this.#progress = start;
  }

  async *all(isFirst: boolean): AsyncGenerator<MirrorStep> {
    const other = isFirst ? undefined : await this.#otherSource();
    if (other !== undefined) yield* this.#beginAnew(other);
    const due = isFirst ? 'first run' : dueReason(this.#progress, this.#options);
    if (due !== undefined) yield this.#begin(due);
    for (;;) {
      let reset = yield* this.#follow();
      if (reset === undefined && this.#progress.comparison !== null && this.#options.mayCompare !== false) {
        reset = yield* this.#compare(this.#progress.comparison);
        if (reset === undefined && this.#progress.comparison !== null) continue;
      }
      if (reset === undefined) return;
      yield* this.#beginAnew(reset);
    }
  }

  async #otherSource(): Promise<Reset | undefined> {
    const identity = await this.#options.sourceIdentity?.();
    if (identity === undefined || identity === this.#progress.sourceIdentity) return undefined;
    return { reason: 'the source is another database than before' };
  }

  /** Begins a comparison. What the feed still has to tell is told all the same, and goes ahead of it. */
  #begin(reason: string): MirrorStep {
    this.#progress = withComparison(this.#progress, reason, new Date(this.#options.clock.nowMs()));
    return { kind: 'begun', reason, progress: this.#progress };
  }

  /** Begins a comparison at the present end of a feed that cannot be continued. The position is taken first. */
  async *#beginAnew({ reason }: Reset): AsyncGenerator<MirrorStep> {
    this.#progress = { ...(await firstProgress(this.#options)), comparedAt: this.#progress.comparedAt };
    yield this.#begin(reason);
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

  async *#compare(from: NonNullable<Progress['comparison']>): AsyncGenerator<MirrorStep, Reset | undefined> {
    const { ahead, signal } = this.#options;
    const comparison = new Comparison(from, this.#options);
    await comparison.begin();
    const stop = (ended: AbortSignal) => (signal === undefined ? ended : AbortSignal.any([signal, ended]));
    const found = preferring(
      (ended) => this.#looks(stop(ended)),
      (ended) => comparison.plan({ signal: stop(ended) }),
      ahead,
    );
    for await (const one of found) {
      if (!('kind' in one)) {
        await comparison.take(one);
        this.#progress = { ...this.#progress, comparison: comparison.progress };
        yield { kind: 'compared', planned: one, comparison, progress: this.#progress };
      } else if (one.kind === 'changes') yield this.#changed(one);
      else return one;
    }
    signal?.throwIfAborted();
    yield this.#listed(comparison);
    return undefined;
  }

  #changed({ changes, cursor }: FollowStep & { kind: 'changes' }): MirrorStep {
    this.#progress = { ...this.#progress, cursor };
    return { kind: 'changes', changes, progress: this.#progress };
  }

  #listed(comparison: Comparison): MirrorStep {
    const { clock, served } = this.#options;
    const now = new Date(clock.nowMs());
    const again = comparison.progress.leftOut.filter((name) => served.some(({ store }) => store.name === name));
    this.#progress = { ...this.#progress, comparison: null, comparedAt: now.toISOString() };
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
