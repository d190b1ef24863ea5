/** What `--verbose` tells of the requests of a command: each that failed, and how many there were. */
import { type Activity, onActivity } from '../core/stores/activity.ts';
import { formatCount } from './format.ts';
import { reasonOf } from './next-steps.ts';
import type { Terminal } from './terminal.ts';

/** Listens until {@link Requests.end}. */
export class Requests {
  readonly #terminal: Terminal;
  readonly #listening: Disposable;
  readonly #stores = new Map<string, { readonly answered: number; readonly failed: number }>();

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    this.#listening = onActivity((activity) => this.#note(activity));
  }

  /** Tells the counts, a line for each store. */
  end(): void {
    this.#listening[Symbol.dispose]();
    for (const [store, { answered, failed }] of this.#stores) {
      this.#terminal.say(`${store}: ${formatCount(answered)} requests answered, ${formatCount(failed)} failed`);
    }
  }

  #note({ store, kind, error }: Activity): void {
    const { answered, failed } = this.#stores.get(store) ?? { answered: 0, failed: 0 };
    if (kind === 'asked') {
      this.#stores.set(store, { answered, failed });
    } else if (kind === 'answered') {
      this.#stores.set(store, { answered: answered + 1, failed });
    } else {
      this.#stores.set(store, { answered, failed: failed + 1 });
      const reason = error === undefined ? 'it failed' : `${reasonOf(error)} (${error.code})`;
      this.#terminal.say(
        `${new Date().toISOString()} request ${formatCount(answered + failed + 1)} to ${store}: ${reason}`,
      );
    }
  }
}
