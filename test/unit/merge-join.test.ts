import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type InstanceId, md5Of } from '../../core/identifiers.ts';
import type { InventoryEntry } from '../../core/stores/store.ts';
import { mergeJoin } from '../../core/streams/merge-join.ts';
import { sampleId } from '../support/memory-store.ts';

interface Held {
  readonly n: number;
  readonly version: number;
}

const inventories = fc.array(
  fc.uniqueArray(fc.record({ n: fc.nat(40), version: fc.nat(2) }), { selector: ({ n, version }) => `${n}/${version}` }),
  { minLength: 1, maxLength: 4 },
);

function entriesOf(held: readonly Held[]): InventoryEntry[] {
  return held
    .map(({ n, version }) => ({ id: sampleId(n), md5: md5Of(Buffer.from(`${version}`)), sizeBytes: n }))
    .sort((a, b) => (a.id === b.id ? (a.md5 < b.md5 ? -1 : 1) : a.id < b.id ? -1 : 1));
}

async function* listed(entries: readonly InventoryEntry[], after?: InstanceId): AsyncGenerator<InventoryEntry> {
  for (const entry of entries) if (after === undefined || entry.id > after) yield entry;
}

/** The comparison by sets: what the join must equal. */
function naiveJoin(stores: readonly (readonly InventoryEntry[])[]): unknown[] {
  const ids = [...new Set(stores.flat().map(({ id }) => id))].sort();
  return ids.map((id) => ({ id, held: stores.map((entries) => entries.filter((entry) => entry.id === id)) }));
}

describe('the merge-join', () => {
  test('equals a comparison by sets for any inventories', async () => {
    await fc.assert(
      fc.asyncProperty(inventories, async (held) => {
        const stores = held.map(entriesOf);
        expect(await Array.fromAsync(mergeJoin(stores.map((entries) => listed(entries))))).toEqual(naiveJoin(stores));
      }),
    );
  });

  test('gives the same result when it is resumed after any id', async () => {
    await fc.assert(
      fc.asyncProperty(inventories, fc.nat(40), async (held, n) => {
        const stores = held.map(entriesOf);
        const after = sampleId(n);
        const resumed = await Array.fromAsync(mergeJoin(stores.map((entries) => listed(entries, after))));
        const whole = await Array.fromAsync(mergeJoin(stores.map((entries) => listed(entries))));
        expect(resumed).toEqual(whole.filter(({ id }) => id > after));
      }),
    );
  });

  test('covers every id exactly once when it is cut into slices', async () => {
    await fc.assert(
      fc.asyncProperty(inventories, fc.integer({ min: 1, max: 7 }), async (held, sliceLength) => {
        const stores = held.map(entriesOf);
        const ids: InstanceId[] = [];
        for (let after: InstanceId | undefined; ; ) {
          const slice: InstanceId[] = [];
          for await (const { id } of mergeJoin(stores.map((entries) => listed(entries, after)))) {
            slice.push(id);
            if (slice.length === sliceLength) break;
          }
          ids.push(...slice);
          after = slice.at(-1);
          if (after === undefined) break;
        }
        expect(ids).toEqual(naiveJoin(stores).map((joined) => (joined as { id: string }).id));
      }),
    );
  });

  test('refuses an inventory that is not sorted', async () => {
    const entries = entriesOf([1, 2, 3].map((n) => ({ n, version: 0 }))).reverse();
    await expect(Array.fromAsync(mergeJoin([listed(entries)]))).rejects.toMatchObject({ code: 'answer-malformed' });
  });

  test('ends the listings when its reader stops early', async () => {
    let ended = false;
    const endless = async function* (): AsyncGenerator<InventoryEntry> {
      try {
        for (const entry of entriesOf([1, 2, 3].map((n) => ({ n, version: 0 })))) yield entry;
      } finally {
        ended = true;
      }
    };
    for await (const _ of mergeJoin([endless()])) break;
    expect(ended).toBe(true);
  });
});
