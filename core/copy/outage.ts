import { setTimeout as delay } from 'node:timers/promises';
import { isMirrorError, type MirrorError } from '../errors.ts';
import type { InstanceId } from '../identifiers.ts';
import type { Store } from '../stores/store.ts';

/** So many failures in a row, which together took so many times the patience, are no accident. */
const hopeless = { failures: 8, patiences: 10 } as const;

/**
 * Waits for a server that stopped answering, asking it with growing pauses for one instance that it may hold. Gives up
 * one that answers such questions and fails whatever it is asked to do, at such length that thousands of instances would
 * take for ever.
 */
export class Outage {
  readonly #patienceMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #waiting = new Map<Store, Promise<void>>();
  readonly #given = new Map<Store, MirrorError>();
  readonly #inARow = new Map<Store, { failures: number; tookMs: number }>();

  constructor(patienceMs: number, signal: AbortSignal | undefined) {
    this.#patienceMs = patienceMs;
    this.#signal = signal;
  }

  /** Resolves when every store that was suspected answers again or was given up. */
  async over(): Promise<void> {
    while (this.#waiting.size > 0) await Promise.all(this.#waiting.values());
  }

  /** Why a store was given up, or `undefined` if it was not. */
  givenUp(store: Store): MirrorError | undefined {
    return this.#given.get(store);
  }

  /** Something was read from `store`, or written to it. */
  succeeded(store: Store): void {
    this.#inARow.delete(store);
  }

  /** `store` failed, for a reason that may pass, after so long. */
  failed(store: Store, error: MirrorError, tookMs: number): void {
    const before = this.#inARow.get(store) ?? { failures: 0, tookMs: 0 };
    const row = { failures: before.failures + 1, tookMs: before.tookMs + tookMs };
    this.#inARow.set(store, row);
    if (row.failures < hopeless.failures || row.tookMs < hopeless.patiences * this.#patienceMs) return;
    if (!this.#given.has(store)) this.#given.set(store, error);
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
    const endAtMs = performance.now() + this.#patienceMs;
    for (let pauseMs = 200; this.#signal?.aborted !== true; pauseMs = Math.min(pauseMs * 2, 10_000)) {
      const answers = await store.lookup(id, { signal: this.#signal }).then(
        () => true,
        (failure: unknown) => isMirrorError(failure) && failure.code !== 'unreachable',
      );
      if (answers) return;
      if (performance.now() + pauseMs > endAtMs) {
        this.#given.set(store, error);
        return;
      }
      await delay(pauseMs, undefined, { signal: this.#signal }).catch(() => undefined);
    }
  }
}
