/** Bounds how often something may be done, with short bursts allowed. In memory: it holds for one process. */
import type { Clock } from '../../clock.ts';

export interface TokenBucketOptions {
  /** Done at most so often at once; also what a rested bucket holds. */
  readonly burst: number;
  /** Done so often per second on average. */
  readonly perSecond: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/** A bucket that fills at a constant rate and from which every action takes one token. */
export class TokenBucket {
  readonly #options: TokenBucketOptions;
  #tokens: number;
  #filledAtMs: number;

  constructor(options: TokenBucketOptions) {
    this.#options = options;
    this.#tokens = options.burst;
    this.#filledAtMs = options.now();
  }

  /** Whether there is no token now; takes none. */
  isEmpty(): boolean {
    this.#fill();
    return this.#tokens < 1;
  }

  /** Takes one token. @returns 0 if there was one, else the milliseconds until there will be one. */
  take(): number {
    this.#fill();
    if (this.#tokens >= 1) {
      this.#tokens -= 1;
      return 0;
    }
    return Math.ceil(((1 - this.#tokens) * 1000) / this.#options.perSecond);
  }

  /** Waits until there is a token, and takes it. Resolves without one when the signal aborts. */
  async taken(clock: Pick<Clock, 'wait'>, signal: AbortSignal): Promise<void> {
    for (let waitMs = this.take(); waitMs > 0 && !signal.aborted; waitMs = this.take()) {
      await clock.wait(waitMs, signal);
    }
  }

  #fill(): void {
    const { burst, perSecond, now } = this.#options;
    const nowMs = now();
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#filledAtMs) * perSecond) / 1000);
    this.#filledAtMs = nowMs;
  }
}
