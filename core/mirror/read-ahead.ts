/**
 * Reads up to `limit` items ahead of the consumer, so that a listing goes on while instances are copied and the size
 * of the plan is known early. An error of `items` is thrown after the items before it were consumed.
 */
export async function* readAhead<Item>(items: AsyncIterable<Item>, limit: number): AsyncGenerator<Item> {
  const iterator = items[Symbol.asyncIterator]();
  const buffer: Item[] = [];
  let ended = false;
  let failure: unknown;
  let stopped = false;
  let wakeConsumer: (() => void) | undefined;
  let wakeProducer: (() => void) | undefined;

  const produce = async (): Promise<void> => {
    try {
      while (!stopped) {
        const next = await iterator.next();
        if (next.done === true) break;
        buffer.push(next.value);
        wakeConsumer?.();
        if (buffer.length >= limit && !stopped) await new Promise<void>((resolve) => (wakeProducer = resolve));
      }
    } catch (error) {
      failure = error ?? new Error('listing failed');
    } finally {
      ended = true;
      wakeConsumer?.();
    }
  };

  const producing = produce();
  try {
    for (let position = 0; ; ) {
      if (position < buffer.length) {
        const item = buffer[position] as Item;
        position += 1;
        if (position > 1024 || position === buffer.length) {
          buffer.splice(0, position);
          position = 0;
          wakeProducer?.();
        }
        yield item;
      } else if (ended) {
        if (failure !== undefined) throw failure;
        return;
      } else {
        await new Promise<void>((resolve) => (wakeConsumer = resolve));
      }
    }
  } finally {
    stopped = true;
    wakeProducer?.();
    await producing;
    await iterator.return?.();
  }
}
