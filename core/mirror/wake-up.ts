/** Ends a wait early: how an announcement makes a watch look at the source at once. */
export class WakeUp {
  #rung = new AbortController();

  /** Aborts when it rings, or has rung since the last {@link reset}. */
  get signal(): AbortSignal {
    return this.#rung.signal;
  }

  /** Ends the present wait, or the next one if nobody waits now. */
  ring(): void {
    this.#rung.abort();
  }

  /** Before a look at the source: what rings from now on is news that this look may miss. */
  reset(): void {
    if (this.#rung.signal.aborted) this.#rung = new AbortController();
  }
}
