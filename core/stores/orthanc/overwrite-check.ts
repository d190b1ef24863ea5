import type { OrthancCapabilities } from './capabilities.ts';

/** What was found out holds for so long: a server that is started again may have another configuration. */
const holdsMs = 60_000;

/**
 * Whether a server keeps what it holds when other bytes come under the same id. From 1.11.0 on it tells. An older one is
 * found out by sending it something twice that it has just stored: either it answers that it has it already, or it
 * stores the very same again; then it is asked before each upload what it holds.
 */
export class OverwriteCheck {
  #replaces = false;
  #isTrying = false;
  #keepsUntilMs = Number.NEGATIVE_INFINITY;

  /** Whether it is certain that nothing there is replaced. */
  keeps({ overwriteMode }: OrthancCapabilities): boolean {
    return overwriteMode === 'never' || (overwriteMode === undefined && performance.now() < this.#keepsUntilMs);
  }

  /** Finds it out, if it is to be found out and nobody is about it. `sendAgain` says whether the server had it already. */
  async learn(capabilities: OrthancCapabilities, sendAgain: () => Promise<boolean>): Promise<void> {
    const isKnown = capabilities.overwriteMode !== undefined || this.#replaces || this.keeps(capabilities);
    if (isKnown || this.#isTrying) return;
    this.#isTrying = true;
    try {
      if (await sendAgain()) this.#keepsUntilMs = performance.now() + holdsMs;
      else this.#replaces = true;
    } finally {
      this.#isTrying = false;
    }
  }
}
