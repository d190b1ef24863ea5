import type { Clock } from '../clock.ts';
import { isMirrorError, type MirrorError } from '../errors.ts';
import type { InstanceId } from '../identifiers.ts';
import type { Store } from '../stores/store.ts';

interface GivenUp {
  readonly error: MirrorError;
  /** The instance that was on its way when it stopped answering. */
  readonly id: InstanceId;
}

/** Waits for a server that stopped answering, asking it with growing pauses for one instance that it may hold. */
export class Outage {
  readonly #patienceMs: number;
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  readonly #waiting = new Map<Store, Promise<void>>();
  readonly #given = new Map<Store, GivenUp>();

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
