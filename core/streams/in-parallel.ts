/** Doing several things at once on a stream, bounded. */

/**
 * Yields the results of `work` on each item, in the order of the items, with up to `ahead` under way at once. Throws
 * what `items` or `work` throw, after the work under way has come to its end.
 */
export async function* inParallel<T, R>(
  items: AsyncIterable<T>,
  ahead: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const underWay: Promise<R>[] = [];
  try {
    for await (const item of items) {
      const result = work(item);
      // Handled where it is awaited.
      result.catch(() => undefined);
      underWay.push(result);
      const oldest = underWay.length >= ahead ? underWay.shift() : undefined;
      if (oldest !== undefined) yield await oldest;
    }
    for (let oldest = underWay.shift(); oldest !== undefined; oldest = underWay.shift()) yield await oldest;
  } finally {
    await Promise.allSettled(underWay);
  }
}
