/**
 * Maps an async iterable with up to `atOnce` calls at a time, and yields the results in the order of the items. Ends
 * the iterable when the reader stops early.
 */
export async function* mapInOrder<Item, Result>(
  items: AsyncIterable<Item>,
  atOnce: number,
  map: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const running: Promise<Result>[] = [];
  const iterator = items[Symbol.asyncIterator]();
  try {
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
      const result = map(next.value);
      // Whoever awaits it sees the error; until then it must not count as unhandled.
      result.catch(() => undefined);
      running.push(result);
      if (running.length >= atOnce) yield await shiftFirst(running);
    }
    while (running.length > 0) yield await shiftFirst(running);
  } finally {
    await iterator.return?.();
  }
}

function shiftFirst<Result>(running: Promise<Result>[]): Promise<Result> {
  const first = running.shift();
  if (first === undefined) throw new RangeError('nothing is running');
  return first;
}
