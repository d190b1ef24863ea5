/** The comparison of any number of stores as one pass over their sorted inventories. */
import { MirrorError } from '../errors.ts';
import type { InstanceId } from '../identifiers.ts';
import type { InventoryEntry } from '../stores/store.ts';

/** What every store holds under one id, in the order of the inventories given; an empty list where it holds nothing. */
export interface JoinedInstance {
  readonly id: InstanceId;
  readonly held: readonly (readonly InventoryEntry[])[];
}

const nothing: readonly InventoryEntry[] = [];

/**
 * Joins sorted inventories by id, each id once, in ascending order, in constant memory. Throws `answer-malformed` if
 * an inventory is not in ascending order, because a comparison of unsorted lists would tell lies.
 */
export async function* mergeJoin(
  inventories: readonly AsyncIterable<InventoryEntry>[],
): AsyncGenerator<JoinedInstance> {
  const heads = inventories.map((inventory) => new Head(inventory[Symbol.asyncIterator]()));
  try {
    await Promise.all(heads.map((head) => head.advance()));
    for (let id = lowest(heads); id !== undefined; id = lowest(heads)) {
      const held: (readonly InventoryEntry[])[] = [];
      for (const head of heads) held.push(head.entry?.id === id ? await head.takeAll(id) : nothing);
      yield { id, held };
    }
  } finally {
    await Promise.all(heads.map((head) => head.close()));
  }
}

function lowest(heads: readonly Head[]): InstanceId | undefined {
  let id: InstanceId | undefined;
  for (const { entry } of heads) if (entry !== undefined && (id === undefined || entry.id < id)) id = entry.id;
  return id;
}

/** An inventory with its next entry looked at. */
class Head {
  entry: InventoryEntry | undefined;
  readonly #iterator: AsyncIterator<InventoryEntry>;

  constructor(iterator: AsyncIterator<InventoryEntry>) {
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

  /** Takes all entries of `id`: one, or in an archive one per version. */
  async takeAll(id: InstanceId): Promise<readonly InventoryEntry[]> {
    const entries: InventoryEntry[] = [];
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
