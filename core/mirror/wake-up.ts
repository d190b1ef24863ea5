/** Ends a wait early: how an announcement makes a watch look at the source at once. */
import { setTimeout as delay } from 'node:timers/promises';

export class WakeUp {
  #ring: AbortController = new AbortController();

  /** Ends the present wait, or the next one if nobody waits now. */
  ring(): void {
    this.#ring.abort();
  }

  /** Resolves after `ms`, when it rings, or when `stop` aborts. */
  async wait(ms: number, stop: AbortSignal): Promise<void> {
    await delay(ms, undefined, { signal: AbortSignal.any([stop, this.#ring.signal]) }).catch(() => undefined);
    // What rings from now on is news that the look at the source after this wait may miss.
    if (this.#ring.signal.aborted) this.#ring = new AbortController();
  }
}
