import type { Clock } from '../clock.ts';
import { isMirrorError, type MirrorError } from '../errors.ts';
import type { InstanceId } from '../identifiers.ts';
import type { Store } from '../stores/store.ts';

/** So many failures in a row, which together took so many times the patience, are no accident. */
const hopeless = { failures: 8, patiences: 10 } as const;

interface GivenUp {
  readonly error: MirrorError;
  /** The instance that was on its way when it stopped answering, or with which it failed last. */
  readonly id: InstanceId;
}

/**
 * Waits for a server that stopped answering, asking it with growing pauses for one instance that it may hold. Gives up
 * one that answers such questions and fails whatever it is asked to do, at such length that thousands of instances would
 * take for ever.
 */
export class Outage {
  readonly #patienceMs: number;
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  readonly #waiting = new Map<Store, Promise<void>>();
  readonly #given = new Map<Store, GivenUp>();
  readonly #inARow = new Map<Store, { failures: number; tookMs: number }>();

  constructor(patienceMs: number, clock: Clock, signal: AbortSignal | undefined) {
    this.#patienceMs = patienceMs;
    this.#clock = clock;
    this.#signal = signal;
  }

  /** Resolves when every store that was suspected answers again or was given up. */
  async over(): Promise<void> {
    while (this.#waiting.size > 0) await Promise.all(this.#waiting.values());
  }

  /** Why a store was given up, or `undefined` if it was not. */
  givenUp(store: Store): GivenUp | undefined {
    return this.#given.get(store);
  }

  /** Something was read from `store`, or written to it. */
  succeeded(store: Store): void {
    this.#inARow.delete(store);
  }

  /** `store` failed with an instance, for a reason that may pass, after so long. */
  failed(store: Store, id: InstanceId, error: MirrorError, tookMs: number): void {
    const before = this.#inARow.get(store) ?? { failures: 0, tookMs: 0 };
    const row = { failures: before.failures + 1, tookMs: before.tookMs + tookMs };
    this.#inARow.set(store, row);
    if (row.failures < hopeless.failures || row.tookMs < hopeless.patiences * this.#patienceMs) return;
    if (!this.#given.has(store)) this.#given.set(store, { error, id });
  }

  /** A connection to `store` failed with `error`. */
  suspect(store: Store, id: InstanceId, error: MirrorError): void {
    if (this.#waiting.has(store) || this.#given.has(store)) return;
    this.#waiting.set(
      store,
      this.#probe(store, id, error).finally(() => this.#waiting.delete(store)),
    );
  }

  async #probe(store: Store, id: InstanceId, error: MirrorError): Promise<void> {
    const endAtMs = this.#clock.nowMs() + this.#patienceMs;
    for (let pauseMs = 200; this.#signal?.aborted !== true; pauseMs = Math.min(pauseMs * 2, 10_000)) {
      if (await this.#answers(store, id, endAtMs - this.#clock.nowMs())) return;
      if (this.#clock.nowMs() + pauseMs > endAtMs) {
        this.#given.set(store, { error, id });
        return;
      }
      await this.#clock.wait(pauseMs, this.#signal);
    }
  }

  /** Whether a store answers within the time; a server may take a connection and say nothing for minutes. */
  async #answers(store: Store, id: InstanceId, withinMs: number): Promise<boolean> {
    const [late, done] = [new AbortController(), new AbortController()];
    void this.#clock.wait(withinMs, done.signal).then(() => late.abort());
    const signal = this.#signal === undefined ? late.signal : AbortSignal.any([late.signal, this.#signal]);
    try {
      await store.lookup(id, { signal });
      return true;
    } catch (failure) {
      return isMirrorError(failure) && !isMirrorError(failure, 'unreachable', 'interrupted');
    } finally {
      done.abort();
    }
  }
}
