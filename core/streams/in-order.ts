/** Working ahead without changing the order. */

/**
 * Yields the results of `work` on each item, in the order of the items, with up to `ahead` of them under way at once.
 * Throws what `work` throws, at the place of its item.
 */
export async function* inOrder<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  ahead: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const underWay: Promise<R>[] = [];
  for await (const item of items) {
    const result = work(item);
    // Handled where it is awaited; until then, or if the reader leaves, it must not end the process.
    result.catch(() => undefined);
    underWay.push(result);
    const oldest = underWay.length > ahead ? underWay.shift() : undefined;
    if (oldest !== undefined) {
      yield await oldest;
    }
  }
  for (const result of underWay) {
    yield await result;
  }
}
