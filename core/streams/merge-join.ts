/** Sorted lists, joined in one pass and in constant memory: how any number of stores are compared. */
import { MirrorError } from '../errors.ts';
import type { InstanceId } from '../identifiers.ts';

/** One id, with what every list has of it, in the order of the lists given; empty where a list has nothing. */
export interface Joined<Entry> {
  readonly id: InstanceId;
  readonly held: readonly (readonly Entry[])[];
}

const nothing: readonly never[] = [];

/**
 * Joins sorted lists by id, each id once, in ascending order, in constant memory. Throws `answer-malformed` if a list is
 * not in ascending order, because a comparison of unsorted lists would tell lies.
 */
export async function* mergeJoin<Entry extends { readonly id: InstanceId }>(
  lists: readonly AsyncIterable<Entry>[],
): AsyncGenerator<Joined<Entry>> {
  const heads = lists.map((list) => new Head(list, idOf));
  try {
    await Promise.all(heads.map((head) => head.advance()));
    for (let id = lowest(heads); id !== undefined; id = lowest(heads)) {
      const held: (readonly Entry[])[] = [];
      for (const head of heads) held.push(head.key === id ? await head.takeAll() : nothing);
      yield { id, held };
    }
  } finally {
    await Promise.all(heads.map((head) => head.close()));
  }
}

const idOf = ({ id }: { readonly id: InstanceId }): InstanceId => id;

/** What two lists hold under one key. */
export interface JoinedPair<Left, Right> {
  readonly key: string;
  readonly left: Left | undefined;
  readonly right: Right | undefined;
}

/**
 * Joins two lists of different things that ascend by key (order of UTF-16 code units), each of which holds a key at most
 * once; of repeated keys the later ones are yielded alone. Throws `answer-malformed` if a list is not in order.
 */
export async function* joinSorted<Left, Right>(
  left: AsyncIterable<Left>,
  right: AsyncIterable<Right>,
  leftKey: (item: Left) => string,
  rightKey: (item: Right) => string,
): AsyncGenerator<JoinedPair<Left, Right>> {
  const [lefts, rights] = [new Head(left, leftKey), new Head(right, rightKey)];
  try {
    await Promise.all([lefts.advance(), rights.advance()]);
    for (let key = lowest([lefts, rights]); key !== undefined; key = lowest([lefts, rights])) {
      yield { key, left: await lefts.take(key), right: await rights.take(key) };
    }
  } finally {
    await Promise.all([lefts.close(), rights.close()]);
  }
}

function lowest<Key extends string>(heads: readonly { readonly key: Key | undefined }[]): Key | undefined {
  let lowestKey: Key | undefined;
  for (const { key } of heads) if (key !== undefined && (lowestKey === undefined || key < lowestKey)) lowestKey = key;
  return lowestKey;
}

/** A list with its next item looked at. */
class Head<Item, Key extends string> {
  /** Of the next item; `undefined` at the end. */
  key: Key | undefined;
  #item: Item | undefined;
  readonly #iterator: AsyncIterator<Item>;
  readonly #keyOf: (item: Item) => Key;

  constructor(items: AsyncIterable<Item>, keyOf: (item: Item) => Key) {
    this.#iterator = items[Symbol.asyncIterator]();
    this.#keyOf = keyOf;
  }

  async advance(): Promise<void> {
    const previous = this.key;
    const next = await this.#iterator.next();
    this.#item = next.done === true ? undefined : next.value;
    this.key = this.#item === undefined ? undefined : this.#keyOf(this.#item);
    if (previous !== undefined && this.key !== undefined && this.key < previous) {
      throw new MirrorError(
        'answer-malformed',
        `a list has ${this.key} after ${previous}; only sorted lists can be compared`,
      );
    }
  }

  /** Takes the next item if it has this key. */
  async take(key: Key): Promise<Item | undefined> {
    if (this.key !== key) return undefined;
    const item = this.#item;
    await this.advance();
    return item;
  }

  /** Takes the next item and all others of its key: usually none. */
  async takeAll(): Promise<readonly Item[]> {
    const { key } = this;
    const items: Item[] = [];
    while (this.key === key && this.#item !== undefined) {
      items.push(this.#item);
      await this.advance();
    }
    return items;
  }

  async close(): Promise<void> {
    await this.#iterator.return?.();
  }
}
