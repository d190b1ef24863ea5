/** Sorted lists of anything that has an id, joined in one pass: how any number of stores are compared. */
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
  const heads = lists.map((list) => new Head(list[Symbol.asyncIterator]()));
  try {
    await Promise.all(heads.map((head) => head.advance()));
    for (let id = lowest(heads); id !== undefined; id = lowest(heads)) {
      const held: (readonly Entry[])[] = [];
      for (const head of heads) held.push(head.entry?.id === id ? await head.takeAll(id) : nothing);
      yield { id, held };
    }
  } finally {
    await Promise.all(heads.map((head) => head.close()));
  }
}

function lowest(heads: readonly { readonly entry: { readonly id: InstanceId } | undefined }[]): InstanceId | undefined {
  let id: InstanceId | undefined;
  for (const { entry } of heads) if (entry !== undefined && (id === undefined || entry.id < id)) id = entry.id;
  return id;
}

/** A list with its next entry looked at. */
class Head<Entry extends { readonly id: InstanceId }> {
  entry: Entry | undefined;
  readonly #iterator: AsyncIterator<Entry>;

  constructor(iterator: AsyncIterator<Entry>) {
    this.#iterator = iterator;
  }

  async advance(): Promise<void> {
    const previous = this.entry;
    const next = await this.#iterator.next();
    this.entry = next.done === true ? undefined : next.value;
    if (previous !== undefined && this.entry !== undefined && this.entry.id < previous.id) {
      throw new MirrorError(
        'answer-malformed',
        `an inventory lists ${this.entry.id} after ${previous.id}; only a sorted inventory can be compared`,
      );
    }
  }

  /** Takes all entries of `id`: usually one. */
  async takeAll(id: InstanceId): Promise<readonly Entry[]> {
    const entries: Entry[] = [];
    while (this.entry?.id === id) {
      entries.push(this.entry);
      await this.advance();
    }
    return entries;
  }

  async close(): Promise<void> {
    await this.#iterator.return?.();
  }
}
