/**
 * A mirror run that goes on until it is told to stop. It takes the same steps as a scheduler, again and again; whatever
 * fails meanwhile is left out, asked again, and caught up with.
 */
import { type Clock, evenClock } from '../clock.ts';
import type { CopyRequest } from '../copy/decide.ts';
import { isErrorCode, isMirrorError, MirrorError } from '../errors.ts';
import { Attendance } from './attendance.ts';
import type { Comparison } from './comparison.ts';
import type { DelayedEvent, MirrorEvent } from './mirror-events.ts';
import { type MirrorRun, type MirrorRunEnd, planAhead } from './mirror-run.ts';
import type { StorePause } from './pause/pause-state.ts';
import { type Progress, withMissed } from './progress.ts';
import type { Deletions } from './record-removals.ts';
import { SidecarTurns } from './sidecar-turns.ts';
import { whyOtherSource } from './source-proof.ts';
import { type MirrorStep, mirrorSteps } from './steps.ts';
import { WatchCopying } from './watch-copying.ts';

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
  readonly #copying: WatchCopying;
  readonly #sidecars: SidecarTurns | undefined;
  #attended = -1;
  #progress: Progress | undefined;
  #comparison: Comparison | undefined;
  #isListed = false;
  /** A comparison was completed since the destinations were asked whether they still hold everything. */
  #isConfirmDue = false;
  #compared = { instances: 0, copiedBefore: 0, sinceMs: 0 };
  #deletions: Deletions | undefined;
  #newsAtMs: number;
  #askedScheduleAtMs = 0;
  /** Why the watch did not begin. */
  #wrong: MirrorError | undefined;
  #defect: { readonly error: unknown } | undefined;

  constructor(run: MirrorRun, pace: NonNullable<MirrorRun['watch']>) {
    const { source, destinations, paused, admit, sourceProof, sidecars, draining, signal, clock = evenClock } = run;
    this.#run = run;
    this.#pace = pace;
    this.#clock = clock;
    this.#newsAtMs = clock.nowMs();
    this.#stop = AbortSignal.any([this.#ended.signal, draining, signal].filter((one) => one !== undefined));
    this.#attendance = new Attendance({
      source,
      destinations,
      paused,
      admit,
      sourceProof,
      clock,
      signal: this.#stop,
      askEveryMs: pace.pollMs,
      isClosed: () => this.#run.openness?.().closedUntil !== undefined,
      tryOut: (store, id) => this.#copying.tryOut(store, id),
      tell: (event) => this.#tell(event),
    });
    this.#copying = new WatchCopying(run, {
      clock,
      attendance: this.#attendance,
      stop: this.#stop,
      onArrived: (changes) => this.#sidecars?.follow(changes),
      onDefect: (error) => this.#fail(error),
    });
    this.#sidecars =
      sidecars &&
      new SidecarTurns({
        sidecars,
        clock,
        signal: this.#stop,
        leftOut: () => this.#attendance.leftOut,
        onFailure: async (error) => {
          if ((await this.#attendance.findAway(error)) === 0) this.#tellDelay('sidecars', error);
        },
      });
  }

  async untilStopped(): Promise<MirrorRunEnd> {
    let keeping: Promise<void> | undefined;
    try {
      await this.#unlessStopped(() => this.#begin());
      keeping = this.#attendance.keep(this.#stop).catch((error: unknown) => this.#fail(error));
      while (!this.#stop.aborted && !this.#isDone()) {
        await this.#turn();
        await this.#pause();
      }
    } finally {
      this.#ended.abort();
      await Promise.all([keeping, this.#sidecars?.end()]);
    }
    if (this.#defect !== undefined) throw this.#defect.error;
    return this.#end();
  }

  /** What fails may pass, and is waited for; a source that is not the archive's is wrong from the start, and ends it. */
  async #begin(): Promise<void> {
    await this.#attendance.begin();
    const { served, standstill } = this.#attendance;
    if (standstill !== undefined || !served.some(({ role }) => role === 'archive')) return;
    this.#wrong = await whyOtherSource(this.#run.sourceProof, { signal: this.#stop });
    if (this.#wrong !== undefined) this.#ended.abort();
  }

  #fail(error: unknown): void {
    this.#defect ??= { error };
    this.#ended.abort();
  }

  #end(): MirrorRunEnd {
    const { standstill, leftOut } = this.#attendance;
    const { draining, signal } = this.#run;
    return {
      summary: this.#copying.summary,
      stoppedBy: this.#wrong ?? (standstill && errorOf(standstill)),
      withdrawn: new Map([...leftOut].map(([destination, paused]) => [destination, errorOf(paused)])),
      interrupted: draining?.aborted === true || signal?.aborted === true,
      deletions: this.#deletions,
    };
  }

  /** Without a feed there is nothing to watch after the comparison. */
  #isDone(): boolean {
    if (this.#run.feed !== undefined || this.#isConfirmDue) return false;
    return this.#progress !== undefined && this.#progress.comparison === null;
  }

  async #turn(): Promise<void> {
    if (this.#run.openness?.().closedUntil !== undefined) return;
    if (this.#attended !== this.#attendance.version) this.#sidecars?.changed();
    this.#attended = this.#attendance.version;
    await this.#unlessStopped(() => this.#joinReturned());
    this.#sidecars?.takeTurn();
    if (this.#isStandstill()) return;
    this.#run.wakeUp?.reset();
    await this.#unlessStopped(() => this.#slice());
    await this.#unlessStopped(() => this.#confirm());
  }

  #isStandstill(): boolean {
    return this.#attendance.standstill !== undefined || this.#attendance.served.length === 0;
  }

  /** Destinations that are back have missed something. */
  async #joinReturned(): Promise<void> {
    const missed = this.#attendance.takeMissed();
    if (this.#progress === undefined || missed.length === 0) return;
    const wasComparing = this.#progress.comparison !== null;
    this.#progress = withMissed(this.#progress, missed, new Date(this.#clock.nowMs()));
    if (!wasComparing) await this.#beginComparison(this.#progress);
  }

  async #beginComparison({ comparison, cursor }: Progress): Promise<void> {
    if (comparison === null) return;
    this.#isConfirmDue = false;
    this.#compared = { instances: 0, copiedBefore: this.#copying.copied, sinceMs: this.#clock.nowMs() };
    this.#tell({ kind: 'comparing', reason: comparison.reason });
    await this.#copying.confirmation.begin(cursor, this.#attendance.served, { signal: this.#stop });
  }

  /** Takes the steps that are to be taken now, until they are done or other stores can be used. */
  async #slice(): Promise<void> {
    const stop = AbortSignal.any([this.#stop, this.#attendance.changed]);
    this.#isListed = false;
    this.#comparison = undefined;
    await this.#blamed(stop, () => this.#copying.copy(this.#requests(stop)));
    await this.#blamed(this.#stop, () => this.#endComparison());
  }

  /** Does work whose failure is that of a store; what an abort tears off is none. */
  async #blamed(stop: AbortSignal, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (stop.aborted) return;
      if (!isMirrorError(error)) throw error;
      await this.#attendance.blame(error);
    }
  }

  async *#requests(stop: AbortSignal): AsyncGenerator<CopyRequest> {
    const { pollMs, compareEveryMs } = this.#pace;
    yield* this.#copying.failedBefore();
    const steps = mirrorSteps(this.#progress, {
      ...this.#run,
      clock: this.#clock,
      signal: stop,
      served: this.#attendance.served,
      lookEveryMs: pollMs,
      ahead: planAhead,
      compareEveryMs,
      mayCompare: this.#mayCompare(),
      onListed: this.#copying.onListed,
      onUnrecorded: async (error) => {
        if ((await this.#attendance.findAway(error)) === 0) this.#tellDelay('deletions', error);
      },
      onUnlisted: async (_, error) => {
        if ((await this.#attendance.findAway(error)) > 0) return 'left-out';
        this.#tellDelay('comparison', error);
        return 'unlisted';
      },
    });
    for await (const step of steps) {
      this.#progress = step.progress;
      yield* this.#requestsOf(step);
      if (this.#isListed || stop.aborted || this.#mustRest()) return;
      yield* this.#copying.failedBefore();
    }
  }

  async *#requestsOf(step: MirrorStep): AsyncGenerator<CopyRequest> {
    switch (step.kind) {
      case 'begun':
        await this.#beginComparison(step.progress);
        break;
      case 'changes':
        if (step.changes.length > 0) this.#newsAtMs = this.#clock.nowMs();
        yield* await this.#copying.announced(step.changes);
        break;
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

  /** Draws the conclusions of a comparison that was completed; remembers what one noted that must go on later. */
  async #endComparison(): Promise<void> {
    if (!this.#isListed) return this.#comparison?.save();
    const { instances, copiedBefore, sinceMs } = this.#compared;
    const copied = this.#copying.copied - copiedBefore;
    const leftOut = this.#comparison?.progress.leftOut ?? [];
    this.#tell({ kind: 'compared', instances, copied, durationMs: this.#clock.nowMs() - sinceMs, leftOut });
    this.#sidecars?.reconcile();
    this.#isConfirmDue = true;
    if (this.#progress !== undefined) await this.#beginComparison(this.#progress);
    this.#deletions = await this.#comparison?.conclude(this.#attendance.served, { signal: this.#run.signal });
  }

  /** Asks, between copies and after the sidecars, whether the destinations still hold what was told of them. */
  async #confirm(): Promise<void> {
    if (!this.#isConfirmDue || this.#sidecars?.isReconciling === true || this.#isStandstill()) return;
    await this.#blamed(this.#stop, async () => {
      await this.#copying.confirmation.confirm(this.#attendance.served, { signal: this.#stop });
      this.#isConfirmDue = false;
    });
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
      Math.min(lookMs, this.#copying.dueAtMs - nowMs, (this.#sidecars?.dueAtMs ?? Number.POSITIVE_INFINITY) - nowMs),
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

  #tellDelay(what: DelayedEvent['what'], { code, message, store, advice }: MirrorError): void {
    this.#tell({ kind: 'delayed', what, store, code, reason: message, advice });
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

function errorOf({ code, reason, advice }: StorePause): MirrorError {
  return new MirrorError(isErrorCode(code) ? code : 'paused', reason, { advice });
}
