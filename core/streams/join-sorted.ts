/** Joining two sorted lists of anything by a key, in one pass and constant memory. */
import { MirrorError } from '../errors.ts';

/** What both lists hold under one key. */
export interface JoinedPair<Left, Right> {
  readonly key: string;
  readonly left: Left | undefined;
  readonly right: Right | undefined;
}

/**
 * Joins two lists that ascend by key (order of UTF-16 code units), which holds each key at most once per list; of
 * repeated keys the later ones are yielded alone. Throws `answer-malformed` if a list is not in order.
 */
export async function* joinSorted<Left, Right>(
  left: AsyncIterable<Left>,
  right: AsyncIterable<Right>,
  leftKey: (item: Left) => string,
  rightKey: (item: Right) => string,
): AsyncGenerator<JoinedPair<Left, Right>> {
  const [lefts, rights] = [new Cursor(left, leftKey), new Cursor(right, rightKey)];
  try {
    await Promise.all([lefts.advance(), rights.advance()]);
    while (lefts.key !== undefined || rights.key !== undefined) {
      const key = lowest(lefts.key, rights.key);
      const leftItem = lefts.key === key ? lefts.item : undefined;
      const rightItem = rights.key === key ? rights.item : undefined;
      if (leftItem !== undefined) await lefts.advance();
      if (rightItem !== undefined) await rights.advance();
      yield { key, left: leftItem, right: rightItem };
    }
  } finally {
    await Promise.all([lefts.close(), rights.close()]);
  }
}

function lowest(left: string | undefined, right: string | undefined): string {
  if (left === undefined) return right ?? '';
  return right === undefined || left < right ? left : right;
}

class Cursor<T> {
  item: T | undefined;
  key: string | undefined;
  readonly #iterator: AsyncIterator<T>;
  readonly #keyOf: (item: T) => string;

  constructor(items: AsyncIterable<T>, keyOf: (item: T) => string) {
    this.#iterator = items[Symbol.asyncIterator]();
    this.#keyOf = keyOf;
  }

  async advance(): Promise<void> {
    const previous = this.key;
    const next = await this.#iterator.next();
    this.item = next.done === true ? undefined : next.value;
    this.key = this.item === undefined ? undefined : this.#keyOf(this.item);
    if (previous !== undefined && this.key !== undefined && this.key < previous) {
      throw new MirrorError('answer-malformed', `a list has ${this.key} after ${previous}; it must be sorted`);
    }
  }

  async close(): Promise<void> {
    await this.#iterator.return?.();
  }
}
