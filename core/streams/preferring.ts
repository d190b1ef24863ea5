/** Two streams as one, of which the first always goes ahead. */

/** Items of the first stream that are read before they are wanted. */
const firstAhead = 16;

/**
 * Yields what comes from either stream, whatever waits of `first` before anything of `second`. Both are read ahead of
 * the consumer, `second` up to `ahead` items. Ends when `second` has ended and was consumed. What `first` throws is
 * thrown at once, what `second` throws after the items before it. Both are given a signal that aborts when nothing more
 * of them is wanted.
 */
export async function* preferring<First, Second>(
  first: (signal: AbortSignal) => AsyncIterable<First>,
  second: (signal: AbortSignal) => AsyncIterable<Second>,
  ahead: number,
): AsyncGenerator<First | Second> {
  const stop = new AbortController();
  const bell = new Bell();
  const preferred = new Lane(first(stop.signal), firstAhead, bell, stop.signal);
  const other = new Lane(second(stop.signal), ahead, bell, stop.signal);
  try {
    for (;;) {
      preferred.throwFailure();
      if (preferred.isWaiting) yield preferred.take();
      else if (other.isWaiting) yield other.take();
      else if (other.hasEnded) {
        other.throwFailure();
        return;
      } else await bell.rung();
    }
  } finally {
    stop.abort();
    await Promise.all([preferred.ended, other.ended]);
  }
}

/** Wakes the one who waits for anything to happen. */
class Bell {
  #ring: (() => void) | undefined;

  ring(): void {
    this.#ring?.();
  }

  rung(): Promise<void> {
    return new Promise((resolve) => {
      this.#ring = resolve;
    });
  }
}

/** A stream that is read into a buffer. */
class Lane<Item> {
  /** Resolves when the stream was read to its end, or given up. Never rejects. */
  readonly ended: Promise<void>;
  hasEnded = false;
  #failure: { readonly error: unknown } | undefined;
  readonly #buffer: Item[] = [];
  #position = 0;
  readonly #limit: number;
  readonly #bell: Bell;
  #hasRoom: (() => void) | undefined;

  constructor(items: AsyncIterable<Item>, limit: number, bell: Bell, stop: AbortSignal) {
    this.#limit = limit;
    this.#bell = bell;
    stop.addEventListener('abort', () => this.#hasRoom?.(), { once: true });
    this.ended = this.#read(items, stop);
  }

  get isWaiting(): boolean {
    return this.#position < this.#buffer.length;
  }

  take(): Item {
    const item = this.#buffer[this.#position] as Item;
    this.#position += 1;
    if (this.#position > 1024 || this.#position === this.#buffer.length) {
      this.#buffer.splice(0, this.#position);
      this.#position = 0;
    }
    this.#hasRoom?.();
    return item;
  }

  throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #read(items: AsyncIterable<Item>, stop: AbortSignal): Promise<void> {
    try {
      for await (const item of items) {
        if (stop.aborted) return;
        this.#buffer.push(item);
        this.#bell.ring();
        while (this.#buffer.length - this.#position >= this.#limit && !stop.aborted) await this.#room();
        if (stop.aborted) return;
      }
    } catch (error) {
      this.#failure = { error };
    } finally {
      this.hasEnded = true;
      this.#bell.ring();
    }
  }

  #room(): Promise<void> {
    return new Promise((resolve) => {
      this.#hasRoom = resolve;
    });
  }
}
