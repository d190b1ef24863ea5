import { evenClock } from '../clock.ts';
import type { MirrorError } from '../errors.ts';
import type { InstanceId } from '../identifiers.ts';
import type { Store } from '../stores/store.ts';
import type { AdaptiveConcurrency } from './adaptive-concurrency.ts';
import type { CopyManyOptions } from './copy-context.ts';
import { copyInstance } from './copy-instance.ts';
import type { CopyRequest } from './decide.ts';
import { Outage } from './outage.ts';
import type { CopyResult, Destination, DestinationOutcome } from './outcome.ts';

/** What is still to be done for an instance. */
export interface Pending {
  readonly request: CopyRequest;
  /** How the last try of the request failed, where there was one. */
  readonly failures: readonly DestinationOutcome[];
}

/** What no repetition can change for now: a destination that refuses everything, a source that does, or one away. */
export class Standstill {
  stoppedBy: MirrorError | undefined;
  readonly withdrawn = new Map<Destination, MirrorError>();
  readonly #source: Store;
  readonly #outage: Outage;
  readonly #signal: AbortSignal | undefined;

  readonly #onLost: CopyManyOptions['onLost'];

  constructor({ source, patienceMs = 60_000, clock = evenClock, signal, onLost }: CopyManyOptions) {
    this.#source = source;
    this.#signal = signal;
    this.#onLost = onLost;
    this.#outage = new Outage(patienceMs, clock, signal);
  }

  /** Waits while a server is away. @returns whether anything can still be copied to some of `destinations`. */
  async passable(destinations: readonly Destination[]): Promise<boolean> {
    await this.#outage.over();
    const source = this.#outage.givenUp(this.#source);
    if (source !== undefined) this.#lose(undefined, source.error, source.id);
    for (const destination of destinations) {
      const given = this.#outage.givenUp(destination.store);
      if (given !== undefined) this.#lose(destination, given.error, given.id);
    }
    return this.stoppedBy === undefined && this.#signal?.aborted !== true;
  }

  /** Draws the conclusions from a copy that took so long. */
  note({ id, outcomes }: CopyResult, tookMs: number): void {
    if (this.#signal?.aborted === true) return;
    if (outcomes.some(({ error, at }) => error === undefined || at !== 'source')) this.#outage.succeeded(this.#source);
    for (const outcome of outcomes) {
      if (outcome.kind === 'failed') this.#noteFailure(outcome, id, tookMs);
      else if (outcome.error === undefined) this.#outage.succeeded(outcome.destination.store);
    }
  }

  #noteFailure({ destination, error, at }: DestinationOutcome, id: InstanceId, tookMs: number): void {
    if (error === undefined) return;
    const store = at === 'source' ? this.#source : destination.store;
    if (error.disposition === 'halt') {
      this.#lose(at === 'source' ? undefined : destination, error, id);
      return;
    }
    // It answered, and goes on answering about others.
    if (error.disposition === 'wait') {
      this.#outage.succeeded(store);
      return;
    }
    this.#outage.failed(store, id, error, tookMs);
    if (error.code === 'unreachable') this.#outage.suspect(store, id, error);
  }

  #lose(destination: Destination | undefined, error: MirrorError, id: InstanceId): void {
    if (destination === undefined ? this.stoppedBy !== undefined : this.withdrawn.has(destination)) return;
    if (destination === undefined) this.stoppedBy = error;
    else this.withdrawn.set(destination, error);
    this.#onLost?.({ destination, error, id });
  }
}

/** One go through the instances. */
export class CopyPass {
  readonly #options: CopyManyOptions;
  readonly #concurrency: AdaptiveConcurrency;
  readonly #standstill: Standstill;
  readonly #last: boolean;
  readonly #running = new Set<Promise<void>>();
  /** What failed for a reason that may pass. */
  readonly again: Pending[] = [];
  /** When the first of them failed, on the clock of `performance.now()`; infinite if none did. */
  firstFailureAtMs = Number.POSITIVE_INFINITY;
  /** Whether it ended before its instances did, because nothing more can be copied. */
  hasStopped = false;

  constructor(options: CopyManyOptions, concurrency: AdaptiveConcurrency, standstill: Standstill, last: boolean) {
    this.#options = options;
    this.#concurrency = concurrency;
    this.#standstill = standstill;
    this.#last = last;
  }

  /** @returns what is worth another pass, when the last copy of this one is done. */
  async run(todo: AsyncIterable<Pending> | Iterable<Pending>): Promise<readonly Pending[]> {
    try {
      for await (const pending of todo) {
        while (this.#running.size >= this.#concurrency.limit) await Promise.race(this.#running);
        const passable = await this.#standstill.passable(destinationsOf(pending));
        if (!passable || this.#options.draining?.aborted === true) {
          this.hasStopped = true;
          this.#giveUp(pending);
          if (!Array.isArray(todo)) break;
          continue;
        }
        this.#start(this.#withoutWithdrawn(pending));
      }
    } finally {
      await Promise.all(this.#running);
    }
    if (this.#standstill.stoppedBy === undefined && !this.#stopping()) return this.again;
    this.hasStopped = true;
    for (const pending of this.again) this.#giveUp(pending);
    return [];
  }

  #stopping(): boolean {
    return this.#options.signal?.aborted === true || this.#options.draining?.aborted === true;
  }

  #start(pending: Pending): void {
    if (destinationsOf(pending).length === 0) {
      this.#giveUp(pending);
      return;
    }
    const running = this.#copy(pending).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #copy({ request }: Pending): Promise<void> {
    const startedAtMs = performance.now();
    const result = await copyInstance(request, this.#options);
    const nowMs = performance.now();
    const failures = result.outcomes.filter(({ kind }) => kind === 'failed');
    const latencyMs = nowMs - startedAtMs;
    if (failures.length === 0) {
      const movedBytes = result.outcomes.some(({ kind }) => kind === 'copied') ? (result.sizeBytes ?? 0) : 0;
      this.#concurrency.succeeded({ latencyMs, nowMs, sizeBytes: movedBytes, atOnce: this.#running.size });
    }
    this.#standstill.note(result, latencyMs);
    const passing = failures.filter(({ error }) => error?.disposition === 'retry');
    if (passing.length > 0) this.#concurrency.pushedBack({ latencyMs, nowMs });
    const final = result.outcomes.filter((outcome) => !passing.includes(outcome));
    if (passing.length === 0 || this.#last || this.#stopping()) {
      const last = { ...result, outcomes: [...final, ...passing] };
      this.#options.onResult((await this.#options.finish?.(last)) ?? last);
      return;
    }
    // They are asked first next time: an unanswered POST may have been stored.
    const undecided = passing.map(({ destination }) => destination);
    const { id, md5, sizeBytes } = result;
    this.firstFailureAtMs = Math.min(this.firstFailureAtMs, nowMs);
    this.again.push({ request: { id, md5, sizeBytes, lacking: [], undecided, decided: final }, failures: passing });
  }

  /** Destinations that refuse everything get their outcome without being asked again. */
  #withoutWithdrawn(pending: Pending): Pending {
    const { withdrawn } = this.#standstill;
    if (withdrawn.size === 0) return pending;
    const { request } = pending;
    const open = (destination: Destination): boolean => !withdrawn.has(destination);
    const refused = destinationsOf(pending).flatMap((destination): DestinationOutcome[] => {
      const error = withdrawn.get(destination);
      return error === undefined ? [] : [{ destination, kind: 'failed', error, at: 'destination' }];
    });
    return {
      ...pending,
      request: {
        ...request,
        lacking: request.lacking.filter(open),
        undecided: request.undecided.filter(open),
        decided: [...(request.decided ?? []), ...refused],
      },
    };
  }

  /** Reports an instance that will not be tried (again), where there is a reason to report. */
  #giveUp(pending: Pending): void {
    const error = this.#standstill.stoppedBy;
    const { request, failures } = pending;
    const failed =
      error === undefined
        ? failures
        : destinationsOf(pending).map((destination) => ({ destination, kind: 'failed', error, at: 'source' }) as const);
    // Interrupted before its first try: nothing is known of it, and nothing is said.
    if (failed.length === 0 && destinationsOf(pending).length > 0) return;
    const outcomes = [...(request.decided ?? []), ...failed];
    const { id, md5, sizeBytes } = request;
    this.#options.onResult({ id, md5, sizeBytes, outcomes });
  }
}

function destinationsOf({ request }: Pending): readonly Destination[] {
  return [...request.lacking, ...request.undecided];
}
