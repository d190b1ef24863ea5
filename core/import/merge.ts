/**
 * Runs `expand` over several items at once and yields what they give, in the order in which it comes. No more items
 * are taken than `concurrency`, and none gives its next result before the last one was taken: memory is bounded.
 *
 * @param drop is given the results that nobody takes any more when the caller stops early
 * Throws what `items` or `expand` throw, after the others were ended.
 */
export async function* mergeConcurrently<Item, Result>(
  items: AsyncIterable<Item>,
  concurrency: number,
  expand: (item: Item) => AsyncIterable<Result>,
  drop: (result: Result) => void,
): AsyncGenerator<Result> {
  const input = items[Symbol.asyncIterator]();
  const running = new Set<Lane<Result>>();
  let isExhausted = false;
  try {
    for (;;) {
      while (!isExhausted && running.size < concurrency) {
        const next = await input.next();
        if (next.done === true) {
          isExhausted = true;
        } else {
          running.add(new Lane(expand(next.value)));
        }
      }
      if (running.size === 0) {
        return;
      }
      const lane = await Promise.race([...running].map((each) => each.ready));
      const result = lane.take();
      if (result.done === true) {
        running.delete(lane);
      } else {
        yield result.value;
      }
    }
  } finally {
    await Promise.all([...running].map((lane) => lane.end(drop)));
    await input.return?.();
  }
}

/** One item being expanded, one result ahead of what was taken. */
class Lane<Result> {
  readonly #results: AsyncIterator<Result>;
  #next: IteratorResult<Result> | undefined;
  /** Resolves with this lane when it has a result or has ended; rejects when it failed. */
  ready: Promise<this>;

  constructor(results: AsyncIterable<Result>) {
    this.#results = results[Symbol.asyncIterator]();
    this.ready = this.#advance();
  }

  take(): IteratorResult<Result> {
    const next = this.#next ?? { done: true, value: undefined };
    if (next.done !== true) {
      this.ready = this.#advance();
    }
    return next;
  }

  async end(drop: (result: Result) => void): Promise<void> {
    const isReady = await this.ready.then(
      () => true,
      () => false,
    );
    if (isReady && this.#next !== undefined && this.#next.done !== true) {
      drop(this.#next.value);
    }
    await this.#results.return?.();
  }

  async #advance(): Promise<this> {
    this.#next = await this.#results.next();
    return this;
  }
}
