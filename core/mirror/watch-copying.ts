/**
 * How a watch copies. What fails because a store cannot be used is that store's matter: it is left out, and catches up
 * when it is back. What fails by itself is tried again later.
 */
import type { Clock } from '../clock.ts';
import { copyInstance } from '../copy/copy-instance.ts';
import type { CopyRequest } from '../copy/decide.ts';
import type { CopyResult, DestinationOutcome, Lost } from '../copy/outcome.ts';
import { isMirrorError, type MirrorError } from '../errors.ts';
import type { InstanceId } from '../identifiers.ts';
import type { Change } from '../stores/change-feed.ts';
import type { Store } from '../stores/store.ts';
import { type Arrival, Arrivals } from './arrivals.ts';
import type { Attendance } from './attendance.ts';
import type { Confirmation } from './confirmation.ts';
import { Copying, requestFor } from './copying.ts';
import { Later } from './later.ts';
import type { MirrorRun } from './mirror-run.ts';
import { looksAway } from './pause/store-away.ts';
import type { PlannedInstance } from './plan.ts';
import type { Summary } from './summary.ts';

export interface WatchCopyingOptions {
  readonly clock: Clock;
  readonly attendance: Attendance;
  /** Aborts when the watch ends. */
  readonly stop: AbortSignal;
  /** What the feed announced has been dealt with. */
  readonly onArrived: (changes: readonly Change[]) => void;
  /** The watch cannot go on. */
  readonly onDefect: (error: unknown) => void;
}

/** The others wait so long for a server that is perhaps only being restarted. */
const patienceMs = 10_000;

export class WatchCopying {
  readonly #run: MirrorRun;
  readonly #options: WatchCopyingOptions;
  readonly #copying: Copying;
  readonly #arrivals: Arrivals;
  readonly #later = new Later();
  /** Instances that were copied to some destination. */
  copied = 0;

  constructor(run: MirrorRun, options: WatchCopyingOptions) {
    this.#run = run;
    this.#options = options;
    this.#copying = new Copying(run, {
      patienceMs: run.patienceMs ?? patienceMs,
      judge: (result) => this.#judge(result),
      onResult: (result) => this.#conclude(result),
      onLost: (lost) => this.#lose(lost),
    });
    this.#arrivals = new Arrivals((arrival) => this.#arrived(arrival));
  }

  get summary(): Summary {
    return this.#copying.counter.summary();
  }

  /** See {@link Copying.confirmation}. */
  get confirmation(): Confirmation {
    return this.#copying.confirmation;
  }

  /** When an instance that failed is due again; infinite if none waits. */
  get dueAtMs(): number {
    return this.#later.dueAtMs;
  }

  /** See {@link Copying.onListed}. */
  get onListed(): (planned: PlannedInstance | undefined) => void {
    return this.#copying.onListed;
  }

  /** Copies everything that is requested. Throws what `requests` throws. */
  async copy(requests: AsyncIterable<CopyRequest>): Promise<void> {
    try {
      await this.#copying.copy(requests);
    } finally {
      this.#arrivals.endAll();
    }
  }

  /** See {@link Copying.compared}. */
  compared(planned: PlannedInstance): Promise<CopyRequest | undefined> {
    return this.#copying.compared(planned);
  }

  /** @returns what is to be copied of what the feed announces */
  async announced(changes: readonly Change[]): Promise<readonly CopyRequest[]> {
    const requests = await this.#copying.announced(changes, this.#options.attendance.served);
    this.#arrivals.begin(
      changes,
      requests.map(({ id }) => id),
    );
    return requests;
  }

  /** @returns what failed before and is to be tried again now */
  failedBefore(): readonly CopyRequest[] {
    const { clock, attendance } = this.#options;
    return this.#later.due(clock.nowMs()).map((id) => requestFor(id, attendance.served));
  }

  /** Tries whether a store takes, or gives, an instance that it refused. @returns why it does not */
  async tryOut(store: Store, id: InstanceId): Promise<MirrorError | undefined> {
    const destination = this.#run.destinations.find((one) => one.store === store);
    if (destination === undefined) return this.#tryOpening(id);
    const result = await copyInstance(requestFor(id, [destination]), this.#copying.context);
    if (result.outcomes.some(({ kind }) => kind === 'copied')) this.#copying.report(result);
    return result.outcomes.find(({ error }) => error !== undefined && looksAway(error))?.error;
  }

  async #tryOpening(id: InstanceId): Promise<MirrorError | undefined> {
    try {
      (await this.#run.source.open(id, { signal: this.#options.stop })).cancel();
      return undefined;
    } catch (error) {
      if (!isMirrorError(error)) throw error;
      return looksAway(error) ? error : undefined;
    }
  }

  /** Finds out whether a failure of an instance means that a store cannot be used at all. */
  async #judge(result: CopyResult): Promise<CopyResult> {
    for (const outcome of result.outcomes) {
      if (outcome.error?.disposition !== 'retry' || this.#options.stop.aborted) continue;
      await this.#options.attendance.judge(this.#storeOf(outcome), outcome.error);
    }
    return result;
  }

  /** The store that is to blame: before a conflict is resolved at a target, its version is saved in the archive. */
  #storeOf({ destination, error, at }: DestinationOutcome): Store {
    const named = this.#run.destinations.find(({ store }) => store.name === error?.store);
    return named?.store ?? (at === 'source' ? this.#run.source : destination.store);
  }

  #lose({ destination, error, id }: Lost): void {
    const store = destination?.store ?? this.#run.source;
    // What refuses instances may answer questions all the same: only an instance shows when that is over.
    const trial = error.disposition === 'halt' ? id : null;
    this.#options.attendance.leaveOut(store, error, trial).catch(this.#options.onDefect);
  }

  /** Counts what became of an instance. What a store missed that was left out is found when that is back. */
  #conclude(result: CopyResult): void {
    const { id } = result;
    const nowMs = this.#options.clock.nowMs();
    const kept = { ...result, outcomes: result.outcomes.filter((outcome) => !this.#isMissed(outcome)) };
    const isFailed = kept.outcomes.some(({ kind }) => kind === 'failed');
    const before = this.#later.counted(id);
    if (kept.outcomes.length > 0) this.#copying.count(kept, before);
    // An instance that fails again and again is told of once.
    if (!isFailed || before === undefined) this.#run.observer?.onResult?.(kept);
    const waitsForSource = result.outcomes.some((outcome) => outcome.at === 'source' && this.#isMissed(outcome));
    if (isFailed || waitsForSource) this.#later.note(id, nowMs, isFailed ? kept : undefined);
    else this.#later.forget(id);
    this.#noteCopied(kept, before);
  }

  #noteCopied(result: CopyResult, before: CopyResult | undefined): void {
    if (result.outcomes.some(({ kind }) => kind === 'copied')) {
      this.copied += 1;
      const bytes = result.sizeBytes ?? 0;
      if (before !== undefined)
        this.#run.observer?.onEvent?.({ kind: 'arrived', instances: 1, bytes, lagMs: undefined });
    }
    this.#arrivals.note(result);
  }

  #isMissed(outcome: DestinationOutcome): boolean {
    return outcome.kind === 'failed' && this.#options.attendance.isLeftOut(this.#storeOf(outcome));
  }

  #arrived({ changes, instances, bytes, receivedAtMs }: Arrival): void {
    this.#options.onArrived(changes);
    if (instances === 0) return;
    const lagMs = receivedAtMs === undefined ? undefined : Math.max(0, Date.now() - receivedAtMs);
    this.#run.observer?.onEvent?.({ kind: 'arrived', instances, bytes, lagMs });
  }
}
