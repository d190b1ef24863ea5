/**
 * One source stream, several readers: each branch is an async iterable that holds at most one chunk, so that the
 * slowest reader sets the pace and memory does not grow.
 */

type Waiter = { readonly resolve: () => void };

/** The reading end for one destination, and the writing end for {@link pumpInto}. */
export class Branch implements AsyncIterable<Uint8Array> {
  #chunk: Uint8Array | undefined;
  #ended = false;
  #error: unknown;
  #closed = false;
  #reader: Waiter | undefined;
  #writer: Waiter | undefined;

  /** Whether nobody will read any more. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Hands a chunk over; resolves when the reader has taken it, or at once when the branch is closed. */
  async offer(chunk: Uint8Array): Promise<void> {
    if (this.#closed) return;
    this.#chunk = chunk;
    this.#wakeReader();
    await new Promise<void>((resolve) => {
      this.#writer = { resolve };
    });
  }

  /** The stream is complete and verified: the reader sees its end. */
  end(): void {
    this.#ended = true;
    this.#wakeReader();
  }

  /** The stream is broken: the reader sees `error` instead of an end. */
  fail(error: unknown): void {
    this.#error = error ?? new Error('stream failed');
    this.#wakeReader();
  }

  /** The reader gave up: whatever is offered from now on is dropped. */
  close(): void {
    this.#closed = true;
    this.#chunk = undefined;
    this.#wakeWriter();
    this.#wakeReader();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        if (this.#chunk !== undefined) {
          const chunk = this.#chunk;
          this.#chunk = undefined;
          this.#wakeWriter();
          yield chunk;
          continue;
        }
        if (this.#error !== undefined) throw this.#error;
        if (this.#ended || this.#closed) return;
        await new Promise<void>((resolve) => {
          this.#reader = { resolve };
        });
      }
    } finally {
      this.close();
    }
  }

  #wakeReader(): void {
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.resolve();
  }

  #wakeWriter(): void {
    const writer = this.#writer;
    this.#writer = undefined;
    writer?.resolve();
  }
}

/** Gives a chunk to every branch that is still read; resolves when all of them have taken it. */
export async function offerToAll(branches: readonly Branch[], chunk: Uint8Array): Promise<void> {
  await Promise.all(branches.map((branch) => branch.offer(chunk)));
}
