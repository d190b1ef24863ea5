/**
 * A mirror run that goes on until it is told to stop. It takes the same steps as a scheduler, again and again; whatever
 * fails meanwhile is left out, asked again, and caught up with.
 */
import { type Clock, evenClock } from '../clock.ts';
import { copyInstance } from '../copy/copy-instance.ts';
import type { Lost } from '../copy/copy-many.ts';
import type { CopyRequest } from '../copy/decide.ts';
import type { CopyResult, DestinationOutcome } from '../copy/outcome.ts';
import type { DeletionVerdict } from '../deletions/missing.ts';
import { isErrorCode, isMirrorError, MirrorError } from '../errors.ts';
import type { InstanceId } from '../identifiers.ts';
import type { Hold } from '../pause/pause-state.ts';
import { looksAway } from '../pause/store-away.ts';
import type { Store } from '../stores/store.ts';
import { type Arrival, Arrivals } from './arrivals.ts';
import { Attendance } from './attendance.ts';
import type { Comparison } from './comparison.ts';
import { Copying, requestFor } from './copying.ts';
import { Later } from './later.ts';
import type { MirrorEvent } from './mirror-events.ts';
import { type MirrorRun, type MirrorRunEnd, planAhead } from './mirror-run.ts';
import { type Progress, withMissed } from './progress.ts';
import { SidecarTurns } from './sidecar-turns.ts';
import { type MirrorStep, mirrorSteps } from './steps.ts';

/** The others wait so long for a server that is perhaps only being restarted. */
const patienceMs = 10_000;
/** A source at which nothing happened for so long … */
const silenceMs = 10 * 60_000;
/** … need not be looked at more often than this. */
const silentPollMs = 10_000;
/** While nothing can be done, what may have changed is looked at so often. */
const standstillMs = 60_000;
const askScheduleMs = 1000;

export class Watch {
  readonly #run: MirrorRun;
  readonly #pace: NonNullable<MirrorRun['watch']>;
  readonly #clock: Clock;
  readonly #ended = new AbortController();
  readonly #stop: AbortSignal;
  readonly #attendance: Attendance;
  readonly #copying: Copying;
  readonly #arrivals: Arrivals;
  readonly #later = new Later();
  readonly #sidecars: SidecarTurns | undefined;
  #attended = -1;
  #progress: Progress | undefined;
  #comparison: Comparison | undefined;
  #isListed = false;
  #compared = { instances: 0, copied: 0, sinceMs: 0 };
  #deletions: DeletionVerdict | undefined;
  #newsAtMs: number;
  #askedScheduleAtMs = 0;

  constructor(run: MirrorRun, pace: NonNullable<MirrorRun['watch']>) {
    const { source, destinations, paused, admit, documents, draining, signal, clock = evenClock } = run;
    this.#run = run;
    this.#pace = pace;
    this.#clock = clock;
    this.#newsAtMs = clock.nowMs();
    this.#stop = AbortSignal.any([this.#ended.signal, draining, signal].filter((one) => one !== undefined));
    this.#attendance = new Attendance({
      ...{ source, destinations, paused, admit, clock, signal: this.#stop },
      askEveryMs: pace.pollMs,
      isClosed: () => this.#run.openness?.().closedUntil !== undefined,
      tryOut: (store, id) => this.#tryOut(store, id),
      tell: (event) => this.#tell(event),
    });
    this.#copying = new Copying(run, {
      patienceMs: run.patienceMs ?? patienceMs,
      judge: (result) => this.#judge(result),
      onResult: (result) => this.#conclude(result),
      onLost: (lost) => this.#lose(lost),
    });
    this.#arrivals = new Arrivals((arrival) => this.#arrived(arrival));
    this.#sidecars =
      documents &&
      new SidecarTurns({
        ...{ documents, clock, signal: this.#stop },
        leftOut: () => this.#attendance.leftOut,
        onFailure: (error) => this.#attendance.blame(error),
      });
  }

  async untilStopped(): Promise<MirrorRunEnd> {
    let keeping: Promise<void> | undefined;
    try {
      await this.#unlessStopped(() => this.#attendance.begin());
      keeping = this.#attendance.keep(this.#stop).finally(() => this.#ended.abort());
      while (!this.#stop.aborted && !this.#isDone()) {
        await this.#turn();
        await this.#pause();
      }
    } finally {
      this.#ended.abort();
      await Promise.all([keeping, this.#sidecars?.end()]);
    }
    return this.#end();
  }

  #end(): MirrorRunEnd {
    const { standstill, leftOut } = this.#attendance;
    const { draining, signal } = this.#run;
    return {
      summary: this.#copying.counter.summary(),
      stoppedBy: standstill && errorOf(standstill),
      withdrawn: new Map([...leftOut].map(([destination, hold]) => [destination, errorOf(hold)])),
      interrupted: draining?.aborted === true || signal?.aborted === true,
      deletions: this.#deletions,
    };
  }

  /** Without a feed there is nothing to watch after the comparison. */
  #isDone(): boolean {
    return this.#run.feed === undefined && this.#progress !== undefined && this.#progress.comparison === null;
  }

  async #turn(): Promise<void> {
    if (this.#run.openness?.().closedUntil !== undefined) return;
    if (this.#attended !== this.#attendance.version) this.#sidecars?.changed();
    this.#attended = this.#attendance.version;
    this.#joinReturned();
    this.#sidecars?.takeTurn();
    if (this.#isStandstill()) return;
    this.#run.wakeUp?.reset();
    await this.#unlessStopped(() => this.#slice());
  }

  #isStandstill(): boolean {
    return this.#attendance.standstill !== undefined || this.#attendance.served.length === 0;
  }

  /** Destinations that are back have missed something. */
  #joinReturned(): void {
    const missed = this.#attendance.takeMissed();
    if (this.#progress === undefined || missed.length === 0) return;
    const wasComparing = this.#progress.comparison !== null;
    this.#progress = withMissed(this.#progress, missed, new Date(this.#clock.nowMs()));
    if (!wasComparing) this.#beginComparison(this.#progress);
  }

  #beginComparison({ comparison }: Progress): void {
    if (comparison === null) return;
    this.#compared = { instances: 0, copied: 0, sinceMs: this.#clock.nowMs() };
    this.#tell({ kind: 'comparing', reason: comparison.reason });
  }

  /** Takes the steps that are to be taken now, until they are done or other stores can be used. */
  async #slice(): Promise<void> {
    const stop = AbortSignal.any([this.#stop, this.#attendance.changed]);
    this.#isListed = false;
    this.#comparison = undefined;
    try {
      await this.#copying.copy(this.#requests(stop));
      await this.#endComparison();
    } catch (error) {
      if (stop.aborted) return;
      if (!isMirrorError(error)) throw error;
      await this.#attendance.blame(error);
    } finally {
      this.#arrivals.endAll();
    }
  }

  async *#requests(stop: AbortSignal): AsyncGenerator<CopyRequest> {
    const { source, feed, destinations, gone, removed, imported, onReturned } = this.#run;
    const { pollMs, compareEveryMs } = this.#pace;
    yield* this.#failedBefore();
    const steps = mirrorSteps(this.#progress, {
      ...{ source, feed, destinations, gone, removed, imported, onReturned, clock: this.#clock, signal: stop },
      served: this.#attendance.served,
      lookEveryMs: pollMs,
      ahead: planAhead,
      compareEveryMs,
      mayCompare: this.#mayCompare(),
      onListed: this.#copying.onListed,
    });
    for await (const step of steps) {
      this.#progress = step.progress;
      yield* this.#requestsOf(step);
      if (this.#isListed || stop.aborted || this.#mustRest()) return;
      yield* this.#failedBefore();
    }
  }

  async *#requestsOf(step: MirrorStep): AsyncGenerator<CopyRequest> {
    switch (step.kind) {
      case 'begun':
        this.#beginComparison(step.progress);
        break;
      case 'changes': {
        if (step.changes.length > 0) this.#newsAtMs = this.#clock.nowMs();
        const requests = await this.#copying.announced(step.changes, this.#attendance.served);
        this.#arrivals.begin(
          step.changes,
          requests.map(({ id }) => id),
        );
        yield* requests;
        break;
      }
      case 'compared': {
        this.#comparison = step.comparison;
        this.#compared.instances += 1;
        const request = await this.#copying.compared(step.planned);
        if (request !== undefined) yield request;
        break;
      }
      case 'listed':
        this.#comparison = step.comparison;
        this.#isListed = true;
    }
  }

  *#failedBefore(): Generator<CopyRequest> {
    for (const id of this.#later.due(this.#clock.nowMs())) yield requestFor(id, this.#attendance.served);
  }

  /** Draws the conclusions of a comparison that was completed; remembers what one noted that must go on later. */
  async #endComparison(): Promise<void> {
    if (!this.#isListed) return this.#comparison?.save();
    const { instances, copied, sinceMs } = this.#compared;
    this.#tell({ kind: 'compared', instances, copied, durationMs: this.#clock.nowMs() - sinceMs });
    this.#sidecars?.reconcile();
    if (this.#progress !== undefined) this.#beginComparison(this.#progress);
    this.#deletions = await this.#comparison?.conclude(this.#attendance.served, { signal: this.#run.signal });
  }

  /** Finds out whether a failure of an instance means that a store cannot be used at all. */
  async #judge(result: CopyResult): Promise<CopyResult> {
    for (const { destination, error, at } of result.outcomes) {
      if (error?.disposition !== 'retry') continue;
      const store = at === 'source' ? this.#run.source : destination.store;
      await this.#unlessStopped(() => this.#attendance.judge(store, error));
    }
    return result;
  }

  #lose({ destination, error, id }: Lost): void {
    const store = destination?.store ?? this.#run.source;
    // What refuses instances may answer questions all the same: only an instance shows when that is over.
    const trial = error.disposition === 'halt' ? id : null;
    this.#attendance.leaveOut(store, error, trial).catch((defect: unknown) => this.#ended.abort(defect));
  }

  /** Counts what became of an instance. What a store missed that was left out is found when that is back. */
  #conclude(result: CopyResult): void {
    const { id } = result;
    const nowMs = this.#clock.nowMs();
    const kept = { ...result, outcomes: result.outcomes.filter((outcome) => !this.#isMissed(outcome)) };
    const isFailed = kept.outcomes.some(({ kind, error }) => kind === 'failed' && error?.disposition === 'retry');
    const before = this.#later.counted(id);
    if (kept.outcomes.length > 0) this.#copying.count(kept, before);
    if (!isFailed || before === undefined) this.#run.observer?.onResult?.(kept);
    if (isFailed) this.#later.note(id, nowMs, kept);
    else if (result.outcomes.some((outcome) => outcome.at === 'source' && this.#isMissed(outcome))) {
      this.#later.note(id, nowMs, undefined);
    } else this.#later.forget(id);
    this.#noteCopied(kept, before);
  }

  #noteCopied(result: CopyResult, before: CopyResult | undefined): void {
    const isCopied = result.outcomes.some(({ kind }) => kind === 'copied');
    if (isCopied) this.#compared.copied += 1;
    if (isCopied && before !== undefined) {
      this.#tell({ kind: 'arrived', instances: 1, bytes: result.sizeBytes ?? 0, lagMs: undefined });
    }
    this.#arrivals.note(result);
  }

  #isMissed({ kind, destination, at }: DestinationOutcome): boolean {
    return kind === 'failed' && this.#attendance.isLeftOut(at === 'source' ? this.#run.source : destination.store);
  }

  #arrived({ changes, instances, bytes, receivedAtMs }: Arrival): void {
    this.#sidecars?.follow(changes);
    if (instances === 0) return;
    const lagMs = receivedAtMs === undefined ? undefined : Math.max(0, Date.now() - receivedAtMs);
    this.#tell({ kind: 'arrived', instances, bytes, lagMs });
  }

  /** Tries whether a store takes, or gives, an instance that it refused. @returns why it does not */
  async #tryOut(store: Store, id: InstanceId): Promise<MirrorError | undefined> {
    const destination = this.#run.destinations.find((one) => one.store === store);
    if (destination === undefined) return this.#tryOpening(id);
    const result = await copyInstance(requestFor(id, [destination]), this.#copying.context);
    if (result.outcomes.some(({ kind }) => kind === 'copied')) this.#copying.report(result);
    return result.outcomes.find(({ error }) => error !== undefined && looksAway(error))?.error;
  }

  async #tryOpening(id: InstanceId): Promise<MirrorError | undefined> {
    try {
      (await this.#run.source.open(id, { signal: this.#stop })).cancel();
      return undefined;
    } catch (error) {
      if (!isMirrorError(error)) throw error;
      return looksAway(error) ? error : undefined;
    }
  }

  /** Waits until there is something to do. */
  async #pause(): Promise<void> {
    const signals = [this.#stop, this.#attendance.changed, this.#run.wakeUp?.signal];
    const waitMs = this.#attended === this.#attendance.version ? this.#pauseMs() : 0;
    if (waitMs > 0) await this.#clock.wait(waitMs, AbortSignal.any(signals.filter((one) => one !== undefined)));
  }

  #pauseMs(): number {
    const closedUntil = this.#run.openness?.().closedUntil;
    if (closedUntil !== undefined) return Math.max(1000, closedUntil.getTime() - Date.now());
    if (this.#isStandstill()) return standstillMs;
    if (this.#progress?.comparison !== null && this.#mayCompare()) return 0;
    const nowMs = this.#clock.nowMs();
    const { pollMs } = this.#pace;
    const isSilent = nowMs - this.#newsAtMs >= silenceMs;
    const lookMs = isSilent ? Math.max(pollMs, Math.min(2 * pollMs, silentPollMs)) : pollMs;
    return Math.max(
      0,
      Math.min(lookMs, this.#later.dueAtMs - nowMs, (this.#sidecars?.dueAtMs ?? Number.POSITIVE_INFINITY) - nowMs),
    );
  }

  #mayCompare(): boolean {
    return this.#run.openness?.().mayCompare ?? true;
  }

  /** Whether a schedule forbids meanwhile to go on; it is asked no more often than it can matter. */
  #mustRest(): boolean {
    const nowMs = this.#clock.nowMs();
    if (this.#run.openness === undefined || nowMs - this.#askedScheduleAtMs < askScheduleMs) return false;
    this.#askedScheduleAtMs = nowMs;
    const { closedUntil, mayCompare } = this.#run.openness();
    return closedUntil !== undefined || (!mayCompare && this.#progress?.comparison !== null);
  }

  #tell(event: MirrorEvent): void {
    this.#run.observer?.onEvent?.(event);
  }

  /** What is torn off when the watch is to stop is no error. */
  async #unlessStopped(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!this.#stop.aborted) throw error;
    }
  }
}

function errorOf({ code, reason }: Hold): MirrorError {
  return new MirrorError(isErrorCode(code) ? code : 'paused', reason);
}
