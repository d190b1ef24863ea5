/** What commands say of records and sidecars whose times lie in the future. */
import type { FutureTime } from '../core/stores/archive/future-times.ts';
import type { Terminal } from './terminal.ts';

/** A line for each as soon as it is met, and at the end how many there were, on stderr. */
export class FutureTimes {
  readonly #terminal: Terminal;
  #count = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** For JSON. */
  get count(): number {
    return this.#count;
  }

  readonly note = ({ key, at }: FutureTime): void => {
    this.#count += 1;
    this.#terminal.warn(`${key} has a time in the future, ${at.toISOString()}: a clock was wrong when it was written`);
  };

  tell(): void {
    if (this.#count === 0) return;
    const what = `${this.#count} records or sidecars have times in the future`;
    this.#terminal.warn(`${what}; the present goes by their order and is right, moments of the past may not be`);
  }
}
