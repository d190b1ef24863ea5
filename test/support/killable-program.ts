/** A program that is killed at a request: nothing that it asks for after that is done, and nothing is answered. */

export class KillableProgram {
  /** Requests so far. */
  steps = 0;
  /** Told of each request before it is made. */
  onStep: (step: number) => void = () => undefined;
  readonly #kill: { readonly step: number; readonly isDone: boolean } | undefined;
  readonly #killed = Promise.withResolvers<void>();

  /** @param kill the request at which it is killed, and whether that one is still done; absent: it lives */
  constructor(kill?: { readonly step: number; readonly isDone: boolean }) {
    this.#kill = kill;
  }

  /** Resolves when the work has ended, or the program was killed. */
  async run(work: () => Promise<void>): Promise<void> {
    await Promise.race([work(), this.#killed.promise]);
  }

  /** A store whose every call is a request of this program. */
  around<Store extends object>(store: Store): Store {
    return new Proxy(store, {
      get: (_, name) => {
        const value: unknown = Reflect.get(store, name);
        if (typeof value !== 'function' || name === 'close') return value;
        return (...args: unknown[]) => this.#request(() => Reflect.apply(value, store, args));
      },
    });
  }

  #request(make: () => unknown): unknown {
    this.steps += 1;
    this.onStep(this.steps);
    const { step = Number.POSITIVE_INFINITY, isDone = false } = this.#kill ?? {};
    if (this.steps < step) return make();
    if (this.steps === step) {
      // What it would have answered, or how it failed, nobody hears.
      if (isDone) Promise.resolve(make()).catch(() => undefined);
      this.#killed.resolve();
    }
    return unanswered();
  }
}

/** A promise, and a list, that never come to anything. */
function unanswered(): unknown {
  const never = new Promise<never>(() => undefined);
  return Object.assign(never, { [Symbol.asyncIterator]: () => ({ next: () => never }) });
}
