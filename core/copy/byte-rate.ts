/** Bounds bytes per second, for all that share it. */
import { setTimeout as delay } from 'node:timers/promises';

export interface ByteRateOptions {
  readonly bytesPerSecond: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
  /** Resolves when that clock shows `atMs`, or when the signal aborts. */
  readonly sleepUntil?: (atMs: number, signal: AbortSignal | undefined) => Promise<void>;
}

/** What was not used is saved up for this long at most. */
const burstMs = 1000;

/** Who takes bytes waits until they are due; the order is that of asking. */
export class ByteRate {
  readonly #bytesPerMs: number;
  readonly #now: () => number;
  readonly #sleepUntil: NonNullable<ByteRateOptions['sleepUntil']>;
  /** When everything that was taken until now will be due. */
  #dueMs: number;

  constructor({
    bytesPerSecond,
    now = () => performance.now(),
    sleepUntil = sleepUntilOnPerformanceClock,
  }: ByteRateOptions) {
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#now = now;
    this.#sleepUntil = sleepUntil;
    this.#dueMs = now() - burstMs;
  }

  /** Resolves when `bytes` may pass; at once when the signal aborts, who passes them notices that. */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    this.#dueMs = Math.max(this.#dueMs, this.#now() - burstMs) + bytes / this.#bytesPerMs;
    if (this.#dueMs > this.#now()) await this.#sleepUntil(this.#dueMs, signal);
  }
}

async function sleepUntilOnPerformanceClock(atMs: number, signal: AbortSignal | undefined): Promise<void> {
  await delay(Math.max(0, atMs - performance.now()), undefined, { signal }).catch(() => undefined);
}
