/** Lets work in the background give way to what somebody waits for. */
import { setTimeout as delay } from 'node:timers/promises';

/** Who asks all the time must not hold the work up for ever. */
const longestWaitMs = 1_000;

export class RightOfWay {
  #running = 0;
  #ended = Promise.withResolvers<void>();

  /** Runs what somebody waits for. */
  async first<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#running += 1;
    try {
      return await work();
    } finally {
      this.#running -= 1;
      if (this.#running === 0) {
        this.#ended.resolve();
        this.#ended = Promise.withResolvers();
      }
    }
  }

  /** Resolves when nobody waits any more, after a second at most. */
  async given(): Promise<void> {
    if (this.#running > 0) await Promise.race([this.#ended.promise, delay(longestWaitMs, undefined, { ref: false })]);
  }
}
