/** One machine's mirror run: compare everything, copy what is missing, then follow the change feed. */
import { setTimeout as delay } from 'node:timers/promises';
import { type PlannedInstance, planCopies } from '../compare/plan.ts';
import { defaultBudget } from '../copy/copy-instance.ts';
import { type CopyManyEnd, type CopyManyOptions, copyMany } from '../copy/copy-many.ts';
import { type CopyRequest, decide } from '../copy/decide.ts';
import type { CopyResult, Destination } from '../copy/outcome.ts';
import type { Deletions } from '../deletions/gone-keeper.ts';
import { isMirrorError, type MirrorError } from '../errors.ts';
import type { Change, ChangeFeed } from '../follow/change-feed.ts';
import type { Cursor } from '../follow/cursor.ts';
import { cursorAtEnd, followChanges } from '../follow/follow.ts';
import { type InstanceId, isInstanceId } from '../identifiers.ts';
import { nobody, whyAway } from '../pause/store-away.ts';
import type { MirrorRun, MirrorRunEnd, Pauses } from './mirror-run.ts';
import { Presence } from './presence.ts';
import { readAhead } from './read-ahead.ts';
import { countOf, SummaryCounter } from './summary.ts';

/** Requests that a plan may be ahead of the copies: about 10 MB, and the whole plan of most runs. */
const planAhead = 20_000;
/** Pause of a watch before it asks again for a server that is away. */
const mendMs = 30_000;

/** Node fires timers of more than 2^31 ms at once. */
const longestTimerMs = 3_600_000;

/** Runs a mirror. Outside errors end up in the result; what is thrown is a defect. */
export async function runMirror(run: MirrorRun): Promise<MirrorRunEnd> {
  return new Run(run).toEnd();
}

class Run {
  readonly #run: MirrorRun;
  readonly #counter: SummaryCounter;
  readonly #withdrawn = new Map<Destination, MirrorError>();
  readonly #budget = defaultBudget();
  readonly #presence: Presence;
  #stoppedBy: MirrorError | undefined;
  #mendAtMs = 0;
  #deletions: Deletions | undefined;

  constructor(run: MirrorRun) {
    this.#run = run;
    this.#counter = new SummaryCounter(run.destinations.map(({ store }) => store.name));
    this.#presence = new Presence(run);
  }

  async toEnd(): Promise<MirrorRunEnd> {
    for (;;) {
      if (this.#run.watch !== undefined) await this.#untilOpen();
      await this.#round();
      if (this.#run.watch === undefined || this.#over() || !this.#mayMend()) break;
      await this.#pause(this.#run.mendMs ?? mendMs);
    }
    return {
      summary: this.#counter.summary(),
      stoppedBy: this.#stoppedBy,
      withdrawn: this.#withdrawn,
      interrupted: this.#over(),
      deletions: this.#deletions,
    };
  }

  /** One comparison and what follows it, from a clean slate. */
  async #round(): Promise<void> {
    this.#stoppedBy = undefined;
    this.#withdrawn.clear();
    try {
      await this.#respectPauses();
      if (!this.#done()) await this.#withdrawUnreachable();
      if (!this.#done()) await this.#compareThenFollow();
    } catch (error) {
      if (!isMirrorError(error) && !this.#over()) throw error;
      if (isMirrorError(error)) this.#stoppedBy ??= error;
    }
  }

  /** The pauses lie beside the archive: while that is away, nobody waits for them, and nothing of them changes. */
  async #pauses(): Promise<Pauses | undefined> {
    const isArchiveAway = [...this.#withdrawn.keys()].some(({ role }) => role === 'archive');
    return isArchiveAway ? undefined : await this.#run.paused?.();
  }

  /** Leaves alone what somebody wants to be left alone: the whole mirror, or single destinations. */
  async #respectPauses(): Promise<void> {
    const paused = await this.#pauses();
    this.#stoppedBy ??= paused?.();
    if (this.#stoppedBy !== undefined) return;
    for (const destination of this.#served()) {
      const reason = paused?.(destination);
      if (reason !== undefined) this.#withdrawn.set(destination, reason);
    }
  }

  /** A watch goes on after an outage or a pause; an error that only an administrator can mend ends it. */
  #mayMend(): boolean {
    const reasons = [this.#stoppedBy, ...this.#withdrawn.values()].filter((error) => error !== undefined);
    return reasons.every(({ disposition, code }) => disposition === 'retry' || code === 'full' || code === 'paused');
  }

  /** A destination that does not answer at the start is left out; the others are served. */
  async #withdrawUnreachable(): Promise<void> {
    const { source, signal } = this.#run;
    const destinations = this.#served();
    await source.lookup(nobody, { signal });
    const answers = await Promise.allSettled(destinations.map(({ store }) => store.lookup(nobody, { signal })));
    for (const [index, destination] of destinations.entries()) {
      const answer = answers[index];
      if (answer?.status !== 'rejected') continue;
      if (!isMirrorError(answer.reason)) throw answer.reason;
      this.#withdrawn.set(destination, answer.reason);
    }
  }

  /** The comparison, then the feed; when watching, again and again. */
  async #compareThenFollow(): Promise<void> {
    const { feed, watch, signal } = this.#run;
    for (;;) {
      const cursor = feed === undefined ? undefined : await cursorAtEnd(feed, { signal });
      if (this.#run.dryRun !== true) await this.#presence.begin({ signal });
      await this.#copy(readAhead(this.#plan(), planAhead));
      if (!this.#over() && this.#run.dryRun !== true) await this.#run.documents?.reconcile(this.#withdrawn, { signal });
      const isComplete = this.#run.dryRun !== true && !this.#done() && this.#withdrawn.size === 0;
      if (isComplete) await this.#run.afterCopying?.();
      if (feed === undefined || cursor === undefined || this.#run.dryRun === true || this.#done()) {
        await this.#confirm(cursor);
        return;
      }
      const compareAtMs = performance.now() + (watch?.reconcileMs ?? 0);
      const again = await this.#follow(feed, cursor, compareAtMs);
      if (!again || this.#done()) return;
    }
  }

  /** Follows the feed to its end, or while watching. @returns whether everything must be compared again. */
  async #follow(feed: ChangeFeed, start: Cursor, compareAtMs: number): Promise<boolean> {
    const { watch, signal } = this.#run;
    for (let cursor = start; ; ) {
      for await (const step of followChanges(feed, cursor, { signal })) {
        if (step.kind === 'reset') return true;
        await this.#copy(this.#announced(step.changes));
        if (this.#done()) return false;
        await this.#run.documents?.follow(step.changes, this.#withdrawn, { signal });
        cursor = step.cursor;
      }
      await this.#confirm(start);
      if (watch === undefined) return false;
      if (performance.now() >= compareAtMs || (await this.#returned())) return true;
      await this.#untilPoll(watch.pollMs);
      await this.#untilOpen();
      await this.#respectPauses();
      if (this.#done()) return false;
    }
  }

  /** After a comparison: makes sure that the targets still hold what was told; what they lost counts as failed. */
  async #confirm(cursor: Cursor | undefined): Promise<void> {
    const { signal, feed, observer } = this.#run;
    if (!this.#presence.isOpen || this.#stoppedBy !== undefined || this.#over()) return;
    const arrived = (ids: ReadonlySet<InstanceId>) =>
      feed === undefined || cursor === undefined ? noIds : arrivedSince(feed, cursor, ids, signal);
    for (const destination of this.#hasWritten() ? this.#served() : []) {
      for await (const lost of this.#presence.lostAt(destination, arrived, { signal })) {
        this.#counter.correct(lost);
        const { id, error } = lost;
        const outcomes = [{ destination, kind: 'failed', error, at: 'destination' } as const];
        observer?.onResult?.({ id, md5: undefined, sizeBytes: undefined, outcomes });
      }
    }
    this.#presence.end();
  }

  /** Not only instances take room: a server may delete others for an attachment. */
  #hasWritten(): boolean {
    const { documents, afterCopying } = this.#run;
    const documentsTold = documents === undefined ? 0 : countOf(documents.counts);
    return this.#presence.hasNotes || documentsTold > 0 || afterCopying !== undefined;
  }

  /** Serves destinations again that were away and answer now. @returns whether there are any: they missed something. */
  async #returned(): Promise<boolean> {
    if (performance.now() < this.#mendAtMs) return false;
    this.#mendAtMs = performance.now() + (this.#run.mendMs ?? mendMs);
    const { signal } = this.#run;
    const paused = await this.#pauses();
    let returned = false;
    for (const [destination, { disposition, code }] of this.#withdrawn) {
      const mayReturn =
        code === 'paused' ? paused !== undefined && paused(destination) === undefined : disposition === 'retry';
      if (!mayReturn || (await whyAway(destination.store, { signal })) !== undefined) continue;
      this.#withdrawn.delete(destination);
      returned = true;
    }
    return returned;
  }

  async #untilOpen(): Promise<void> {
    for (
      let until = this.#run.closedUntil?.();
      until !== undefined && !this.#over();
      until = this.#run.closedUntil?.()
    ) {
      await this.#pause(Math.min(longestTimerMs, until.getTime() - Date.now()));
    }
  }

  async #untilPoll(pollMs: number): Promise<void> {
    await (this.#run.wakeUp?.wait(pollMs, this.#stop()) ?? this.#pause(pollMs));
  }

  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#stop() }).catch(() => undefined);
  }

  #stop(): AbortSignal {
    const { draining, signal } = this.#run;
    return AbortSignal.any([draining, signal].filter((one) => one !== undefined));
  }

  async *#plan(): AsyncGenerator<CopyRequest> {
    const { source, observer, signal, gone, removed, imported, dryRun = false } = this.#run;
    const served = this.#served();
    await gone?.begin({ resume: false });
    for await (const planned of planCopies(source, served, { removed, imported, signal })) {
      observer?.onCompared?.(planned.id);
      gone?.note(planned);
      if (planned.atSource && planned.markedRemoved && !dryRun) await this.#run.onReturned?.(planned.id);
      await this.#note(planned);
      if (planned.request === undefined) continue;
      observer?.onPlanned?.(planned.request);
      yield planned.request;
    }
    observer?.onPlanComplete?.();
    // With a destination left out, what only that one holds was not seen: no complete comparison.
    if (served.length === this.#run.destinations.length) this.#deletions = await gone?.complete({ signal, dryRun });
  }

  /** Counts what the listings settle; an instance with a request is counted when that is done. */
  async #note({ id, atSource, request, settled, onlyAt }: PlannedInstance): Promise<void> {
    if (!atSource && onlyAt.length > 0) this.#counter.addNotAtSource();
    if (!atSource || request !== undefined) return;
    const result = { id, md5: undefined, sizeBytes: undefined, outcomes: settled };
    this.#report(this.#run.dryRun === true ? result : await this.#settle(result));
  }

  async #settle(result: CopyResult): Promise<CopyResult> {
    if (!result.outcomes.some(({ kind }) => kind === 'conflict')) return result;
    return (await this.#run.settleConflicts?.(result)) ?? result;
  }

  async *#announced(changes: readonly Change[]): AsyncGenerator<CopyRequest> {
    const ids = new Set(changes.filter(({ type }) => type === 'NewInstance').map(({ id }) => id));
    for (const id of ids) {
      if (!isInstanceId(id) || (await this.#run.selects?.(id, { signal: this.#run.signal })) === false) continue;
      const request = { id, lacking: [], undecided: this.#served() };
      this.#run.observer?.onPlanned?.(request);
      yield request;
    }
  }

  async #copy(requests: AsyncIterable<CopyRequest>): Promise<void> {
    if (this.#run.dryRun === true) {
      await this.#ponder(requests);
      return;
    }
    const { source, concurrency: ceiling, draining, signal, patienceMs } = this.#run;
    const end = await copyMany(requests, {
      source,
      ceiling,
      budget: this.#budget,
      draining,
      signal,
      ...(patienceMs === undefined ? {} : { patienceMs }),
      settle: (result) => this.#settle(result),
      onResult: (result) => this.#report(result),
    } satisfies CopyManyOptions);
    this.#concludeFrom(end);
  }

  /** A dry run: asks as a copy would, and copies nothing. */
  async #ponder(requests: AsyncIterable<CopyRequest>): Promise<void> {
    const { source, signal } = this.#run;
    for await (const request of requests) {
      if (this.#over()) return;
      const { lacking, outcomes, md5, sizeBytes } = await decide(request, source, signal);
      const wouldCopy = lacking.map((destination) => ({ destination, kind: 'copied' }) as const);
      this.#report({ id: request.id, md5, sizeBytes, outcomes: [...outcomes, ...wouldCopy] });
    }
  }

  #concludeFrom({ stoppedBy, withdrawn }: CopyManyEnd): void {
    this.#stoppedBy ??= stoppedBy;
    for (const [destination, error] of withdrawn) this.#withdrawn.set(destination, error);
  }

  #report(result: CopyResult): void {
    this.#counter.add(result);
    this.#presence.note(result);
    if (result.outcomes.some(({ kind }) => kind === 'copied')) this.#run.documents?.noteCopied(result.id);
    this.#run.observer?.onResult?.(result);
  }

  #served(): readonly Destination[] {
    return this.#run.destinations.filter((destination) => !this.#withdrawn.has(destination));
  }

  #over(): boolean {
    return this.#run.signal?.aborted === true || this.#run.draining?.aborted === true;
  }

  #done(): boolean {
    return this.#over() || this.#stoppedBy !== undefined || this.#served().length === 0;
  }
}

const noIds = Promise.resolve(new Set<InstanceId>());

/** Which of `ids` the feed announced since the cursor. */
async function arrivedSince(
  feed: ChangeFeed,
  cursor: Cursor,
  ids: ReadonlySet<InstanceId>,
  signal: AbortSignal | undefined,
): Promise<ReadonlySet<InstanceId>> {
  const arrived = new Set<InstanceId>();
  if (ids.size === 0) return arrived;
  for await (const step of followChanges(feed, cursor, { signal })) {
    if (step.kind === 'reset') break;
    for (const { id } of step.changes) if (isInstanceId(id) && ids.has(id)) arrived.add(id);
  }
  return arrived;
}
