/** Inventories of servers that change while they are listed, with memories that were lost, damaged and falsified. */
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { isMirrorError, MirrorError } from '../../core/errors.ts';
import { type InstanceId, type Md5, md5Of } from '../../core/identifiers.ts';
import { planCopies } from '../../core/mirror/plan.ts';
import {
  type ListingMemory,
  type SavedListing,
  savedListingSchema,
} from '../../core/stores/orthanc/inventory-listing.ts';
import type { ListedServer } from '../../core/stores/orthanc/inventory-parents.ts';
import {
  type InventoryMemory,
  type InventorySizes,
  rememberedInventory,
  serverInventory,
} from '../../core/stores/orthanc/inventory-remembered.ts';
import { bytesOfRow } from '../../core/stores/orthanc/inventory-row.ts';
import { type OrthancStore, openOrthancStore } from '../../core/stores/orthanc/orthanc-store.ts';
import { PartitionedRows, partCount } from '../../core/stores/orthanc/partitioned-rows.ts';
import type { InventoryEntry } from '../../core/stores/store.ts';
import { MemoryArchive, sampleBytes, sampleId } from '../support/memory-store.ts';
import { SimulatedOrthanc } from '../support/simulated-orthanc.ts';

const days = 30;

class Memory implements InventoryMemory {
  readonly days = days;
  readonly parts = new Map<number, Buffer>();
  day = 20_000;

  today(): number {
    return this.day;
  }
  async read(part: number): Promise<Buffer | undefined> {
    return this.parts.get(part);
  }
  async write(part: number, bytes: Buffer): Promise<void> {
    this.parts.set(part, Buffer.from(bytes));
  }
}

/** One that also keeps listings that are cut, with a clock that goes on by half a minute whenever it is looked at. */
class SlicedMemory extends Memory {
  saved: SavedListing | undefined;
  readonly stretches = new Map<number, Buffer>();
  readonly #clock = { ms: 0 };
  readonly listing: ListingMemory = {
    nowMs: () => {
      this.#clock.ms += 30_000;
      return this.#clock.ms;
    },
    read: async () => this.saved,
    write: async (listing) => {
      // As it would be read from where it is kept.
      this.saved = savedListingSchema.parse(JSON.parse(JSON.stringify(listing)));
    },
    place: () => ({
      write: async (stretch, bytes) => void this.stretches.set(stretch, Buffer.from(bytes)),
      read: async (stretch, at, bytes) => this.stretches.get(stretch)?.subarray(at, at + bytes) ?? Buffer.alloc(0),
      close: async () => undefined,
    }),
  };
}

/** Something that happens to a server before it answers. */
const event = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom('add', 'delete', 'overwrite', 'reserve', 'commit'), n: fc.nat(30) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear'), n: fc.constant(0) }) },
  { weight: 12, arbitrary: fc.constant(undefined) },
);
/** Something that happens to a memory between two listings. */
const harm = fc.constantFrom('none', 'none', 'lost', 'cut', 'damaged', 'old');

describe.each([false, true])('a server that lists hashes: %s', (isNew) => {
  let simulated: SimulatedOrthanc;
  let url: string;
  let store: OrthancStore;
  let version = 0;
  beforeAll(async () => {
    simulated = new SimulatedOrthanc(isNew);
    url = await simulated.start();
    store = openOrthancStore({ url });
  });
  afterEach(() => {
    simulated.beforeAnswer = () => undefined;
    simulated.held.clear();
    simulated.asked.length = 0;
  });
  afterAll(async () => {
    await store.close();
    simulated.stop();
  });

  const server = async (): Promise<ListedServer> => ({
    client: store.client,
    capabilities: await store.capabilities(),
  });
  /** With pages so small that a few instances are many. */
  const listed = async (memory: InventoryMemory) =>
    Array.fromAsync(rememberedInventory(await server(), memory, {}, { pageRows: 5 }));
  /** Lists in slices, each of which may ask so often, until one gets to the end. */
  async function listedInSlices(memory: InventoryMemory, requests: number, sizes: InventorySizes) {
    const entries: InventoryEntry[] = [];
    const happens = simulated.beforeAnswer;
    for (let slice = 1; ; slice += 1) {
      const deadline = new AbortController();
      let left = requests + slice;
      simulated.beforeAnswer = () => {
        happens();
        left -= 1;
        if (left < 0) deadline.abort(new MirrorError('deadline', 'the slice is over'));
      };
      const options = { after: entries.at(-1)?.id, listedSinceMs: 1, signal: deadline.signal };
      try {
        for await (const entry of rememberedInventory(await server(), memory, options, sizes)) entries.push(entry);
        return { entries, slices: slice };
      } catch (error) {
        if (!isMirrorError(error, 'deadline')) throw error;
      }
    }
  }

  function happen({ kind, n }: { kind: string; n: number }): void {
    version += 1;
    const isHeld = simulated.held.has(sampleId(n));
    if (kind === 'clear') simulated.clearFeed();
    else if (kind === 'delete') simulated.delete(n);
    else if (kind === 'reserve') simulated.reserve();
    else if (kind === 'commit') simulated.commit(n, version);
    else if (isHeld === (kind === 'overwrite')) simulated.add(n, version);
  }

  test('is listed whole, with the hashes that it has, whatever happens meanwhile and to what is remembered', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({ between: fc.array(event, { maxLength: 6 }), during: fc.array(event, { maxLength: 40 }), harm }),
          {
            minLength: 1,
            maxLength: 5,
          },
        ),
        fc.constantFrom('at once', 'remembered', 'in slices'),
        fc.integer({ min: 3, max: 12 }),
        async (rounds, how, requests) => {
          simulated.held.clear();
          for (let n = 0; n < 20; n += 1) simulated.add(n);
          const memory = new Memory();
          let old = new Map<number, Buffer>();
          for (const round of rounds) {
            for (const one of round.between) if (one !== undefined) happen(one);
            harmMemory(memory, round.harm, old);
            old = new Map(memory.parts);
            const before = new Map(simulated.held);
            const everHeld = new Set(before.keys());
            const script = [...round.during];
            simulated.beforeAnswer = () => {
              const next = script.shift();
              if (next !== undefined) happen(next);
              for (const id of simulated.held.keys()) everHeld.add(id);
            };
            const sizes = { pageRows: 5, rowsInMemory: 3 };
            const list = {
              'at once': async () => Array.fromAsync(serverInventory(await server(), {})),
              remembered: () => listed(memory),
              'in slices': async () =>
                (await listedInSlices(Object.assign(memory, { listing: new SlicedMemory().listing }), requests, sizes))
                  .entries,
            }[how];
            const entries = await list();
            simulated.beforeAnswer = () => undefined;
            requireTrue(entries, before, everHeld, simulated);
          }
        },
      ),
      { numRuns: 60, verbose: 1 },
    );
  });

  test('a listing that is cut again and again goes on where it was, and asks for nothing twice', async () => {
    for (let n = 0; n < 200; n += 1) simulated.add(n);
    const memory = new SlicedMemory();
    const sizes = { pageRows: 5, rowsInMemory: 4 };
    const whole = await listed(new Memory());
    simulated.asked.length = 0;
    // To learn where the feed ends takes some fifty.
    const { entries, slices } = await listedInSlices(memory, 64, sizes);
    expect(entries.map(({ id, md5 }) => [id, md5])).toEqual(whole.map(({ id, md5 }) => [id, md5]));
    expect(slices).toBeGreaterThan(1);
    // Fifty pages of four entries, twice; the one under way when a slice is cut is asked for again.
    const pages = simulated.asked.filter((path) => /limit=5000/.test(path));
    expect(pages.length).toBeLessThanOrEqual(2 * 50 + slices);
  });

  test('what was put away and comes back damaged is listed anew', async () => {
    for (let n = 0; n < 60; n += 1) simulated.add(n);
    const memory = new SlicedMemory();
    const list = async () =>
      Array.fromAsync(
        rememberedInventory(await server(), memory, { listedSinceMs: 1 }, { pageRows: 5, rowsInMemory: 4 }),
      );
    const whole = await list();
    const stretch = memory.stretches.get(0);
    if (stretch === undefined) throw new Error('nothing was put away');
    stretch[3] = (stretch[3] ?? 0) ^ 1;
    await expect(list()).rejects.toThrow(/listed anew/);
    expect((await list()).map(({ id }) => id)).toEqual(whole.map(({ id }) => id));
  });

  test('a comparison does not go on with the listing of the one before', async () => {
    for (let n = 0; n < 60; n += 1) simulated.add(n);
    const memory = new SlicedMemory();
    const sizes = { pageRows: 5, rowsInMemory: 4 };
    const list = async (listedSinceMs: number) =>
      Array.fromAsync(rememberedInventory(await server(), memory, { listedSinceMs }, sizes));
    await list(1);
    simulated.delete(7);
    expect((await list(memory.listing.nowMs())).map(({ id }) => id)).not.toContain(sampleId(7));
  });

  test.each([
    [
      'something is deleted that was listed already',
      (path: string, counted: number) => {
        if (counted === 2 && /^\/changes\?since=[1-9]/.test(path)) simulated.delete(1);
      },
    ],
    [
      'an entry becomes visible late',
      (path: string, counted: number) => {
        if (counted === 2 && path === '/statistics') setImmediate(() => simulated.commit(40, 0));
      },
    ],
  ])('is not believed to be complete because the numbers agree by chance: %s', async (_, happen) => {
    simulated.add(0);
    // From now on nothing tells of the first instance.
    simulated.clearFeed();
    simulated.reserve();
    for (let n = 1; n < 12; n += 1) simulated.add(n);
    simulated.beforeAnswer = () => {
      const { asked } = simulated;
      // The second count is that of the moment that the feed is held against.
      happen(asked.at(-1) ?? '', asked.filter((path) => path === '/statistics').length);
    };
    expect((await listed(new Memory())).map(({ id }) => id)).toContain(sampleId(0));
  });

  test('is asked for no hash again while nothing changes', async () => {
    for (let n = 0; n < 30; n += 1) simulated.add(n);
    const memory = new Memory();
    const first = await listed(memory);
    simulated.asked.length = 0;
    const second = await listed(memory);
    expect(simulated.hashQuestions()).toBe(0);
    expect(second.map(({ id, md5 }) => ({ id, md5 }))).toEqual(first.map(({ id, md5 }) => ({ id, md5 })));
    expect(second.every(({ isRemembered }) => isRemembered)).toBe(true);
  });

  test('is not believed to be as it was because a change that was under way got its entry after the feed was cleared', async () => {
    simulated.add(0);
    simulated.clearFeed();
    simulated.reserve();
    for (let n = 1; n < 12; n += 1) simulated.add(n);
    const memory = new Memory();
    await listed(memory);
    simulated.add(0, 1);
    simulated.clearFeed();
    simulated.commit(40, 0);
    const md5 = simulated.held.get(sampleId(0))?.md5;
    expect(await listed(memory)).toContainEqual(expect.objectContaining({ id: sampleId(0), md5 }));
  });

  test('is asked for no hash again because what was the last entry of a cleared feed was deleted', async () => {
    for (let n = 0; n < 12; n += 1) simulated.add(n);
    simulated.clearFeed();
    for (let n = 12; n < 24; n += 1) simulated.add(n);
    const memory = new Memory();
    await listed(memory);
    simulated.delete(23);
    simulated.asked.length = 0;
    expect(await listed(memory)).toHaveLength(23);
    expect(simulated.hashQuestions()).toBe(0);
    // All that the feed had then is gone: whether it was cleared cannot be told.
    for (let n = 12; n < 23; n += 1) simulated.delete(n);
    simulated.asked.length = 0;
    await listed(memory);
    expect(simulated.hashQuestions()).toBeGreaterThan(0);
  });

  test('is listed whole though it cannot be asked for some of its instances', async () => {
    for (let n = 0; n < 30; n += 1) simulated.add(n);
    const memory = new Memory();
    const first = await listed(memory);
    for (const n of [3, 4]) {
      simulated.add(n, 1);
      simulated.failing.add(sampleId(n));
    }
    try {
      const second = await listed(memory);
      expect(second.map(({ id }) => id)).toEqual(first.map(({ id }) => id));
      const without = second.filter(({ md5 }) => md5 === undefined).map(({ id }) => id);
      // A server that lists hashes is asked for a page instead.
      expect(without).toEqual(isNew ? [] : [sampleId(3), sampleId(4)].sort());
    } finally {
      simulated.failing.clear();
    }
    // It is not remembered that they have none.
    expect((await listed(memory)).every(({ md5 }) => md5 !== undefined)).toBe(true);
  });

  test('is asked at once for what was overwritten', async () => {
    for (let n = 0; n < 30; n += 1) simulated.add(n);
    const memory = new Memory();
    await listed(memory);
    simulated.add(7, 99);
    const entries = await listed(memory);
    expect(entries.find(({ id }) => id === sampleId(7))).toEqual({
      id: sampleId(7),
      md5: md5Of(Buffer.from('7 99')),
      sizeBytes: 100,
    });
  });

  test('is asked for everything again within the days of the memory, so that a false one is found out', async () => {
    for (let n = 0; n < 30; n += 1) simulated.add(n, 0);
    const memory = new Memory();
    // A memory that is well-formed and false: of instances with the same entries and other bytes.
    const truth = new Map(simulated.held);
    for (const [id, one] of truth) simulated.held.set(id, { ...one, md5: md5Of(Buffer.from(id)) });
    await listed(memory);
    for (const [id, one] of truth) simulated.held.set(id, one);
    expect((await listed(memory)).every(({ id, md5 }) => md5 === md5Of(Buffer.from(id)))).toBe(true);
    memory.day += days;
    for (const { id, md5 } of await listed(memory)) expect(md5).toBe(truth.get(id)?.md5);
  });
});

test('a server of which nothing is remembered is asked for the next page while the one before is worked on', async () => {
  const simulated = new SimulatedOrthanc(true);
  const store = openOrthancStore({ url: await simulated.start() });
  try {
    for (let n = 0; n < 30; n += 1) simulated.add(n);
    const server = { client: store.client, capabilities: await store.capabilities() };
    const listing = rememberedInventory(server, new Memory(), {}, { pageRows: 5 });
    const { value: first } = await listing.next();
    const pages = () => simulated.asked.filter((path) => path.includes('Attachments'));
    await vi.waitFor(() => expect(pages()).toHaveLength(2));
    const entries = await Array.fromAsync(listing);
    expect(entries).toHaveLength(29);
    expect(first?.md5).toBeDefined();
    // Nor is any page asked for twice.
    expect(pages()).toHaveLength(6);
  } finally {
    await store.close();
    simulated.stop();
  }
});

describe('a comparison with an archive', () => {
  test('asks the server before it says, of what is only remembered, that anything is to be done', async () => {
    const simulated = new SimulatedOrthanc(false);
    const store = openOrthancStore({ url: await simulated.start() });
    try {
      const archive = new MemoryArchive('archive');
      for (let n = 0; n < 10; n += 1) {
        simulated.add(n);
        archive.instances.set(sampleId(n), sampleBytes(n));
      }
      const memory = new Memory();
      store.remember(memory);
      const destinations = [{ role: 'archive', store: archive }] as const;
      await Array.fromAsync(planCopies(store, destinations));
      // What the server holds is what the archive holds; the memory says something else.
      for (const [id, one] of simulated.held) simulated.held.set(id, { ...one, md5: md5Of(sampleBytes(numberOf(id))) });
      const planned = await Array.fromAsync(planCopies(store, destinations));
      expect(planned.filter(({ request }) => request !== undefined)).toEqual([]);
    } finally {
      await store.close();
      simulated.stop();
    }
  });

  test('asks for no hash again of what nobody else holds: it is to be copied whatever it is', async () => {
    const simulated = new SimulatedOrthanc(false);
    const store = openOrthancStore({ url: await simulated.start() });
    try {
      for (let n = 0; n < 10; n += 1) simulated.add(n);
      store.remember(new Memory());
      const destinations = [{ role: 'archive', store: new MemoryArchive('archive') }] as const;
      await Array.fromAsync(planCopies(store, destinations));
      simulated.asked.length = 0;
      const planned = await Array.fromAsync(planCopies(store, destinations));
      expect(planned.filter(({ request }) => request !== undefined)).toHaveLength(10);
      expect(simulated.hashQuestions()).toBe(0);
    } finally {
      await store.close();
      simulated.stop();
    }
  });
});

describe('rows beyond what memory holds', () => {
  test('come in order, each id once, with the last entry', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.record({ n: fc.nat(40), seq: fc.nat(1000) }), { maxLength: 120 }), async (added) => {
        const rows = new PartitionedRows({ mostRows: 16 });
        try {
          for (const { n, seq } of added) {
            rows.add({ id: spreadId(n), seq, askedDay: 0, md5: undefined, sizeBytes: undefined });
            if (rows.isFull) await rows.spill();
          }
          const parts = await Promise.all(Array.from({ length: partCount }, (_, part) => rows.part(part)));
          const found = parts.flat();
          expect(found.map(({ id }) => id)).toEqual([...new Set(added.map(({ n }) => spreadId(n)))].sort());
          for (const { id, seq } of found) {
            const same = added.filter(({ n }) => spreadId(n) === id);
            expect(seq).toBe(Math.max(...same.map((one) => one.seq)));
          }
        } finally {
          await rows.close();
        }
      }),
      { numRuns: 60 },
    );
  });
});

/** An id of any part. */
function spreadId(n: number): InstanceId {
  const [head, ...rest] = sampleId(n).split('-');
  const spread = Buffer.from([(n * 37) % 256, 0, 0, n % 256]).toString('hex');
  const id = sampleId(n).replace(String(head), spread);
  return rest.length === 4 ? (id as InstanceId) : sampleId(n);
}

function numberOf(id: InstanceId): number {
  return Array.from({ length: 10 }, (_, n) => n).find((n) => sampleId(n) === id) ?? 0;
}

function harmMemory(memory: Memory, kind: string, old: ReadonlyMap<number, Buffer>): void {
  if (kind === 'lost') memory.parts.clear();
  if (kind === 'old') for (const [part, bytes] of old) memory.parts.set(part, bytes);
  for (const [part, bytes] of memory.parts) {
    if (kind === 'cut') memory.parts.set(part, bytes.subarray(0, bytes.length - bytesOfRow));
    if (kind === 'damaged') bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
  }
}

/** Holds a listing against what was there before it, at any time during it, and after it. */
function requireTrue(
  entries: readonly InventoryEntry[],
  before: ReadonlyMap<InstanceId, { readonly seq: number; readonly md5: Md5 }>,
  everHeld: ReadonlySet<InstanceId>,
  { held }: SimulatedOrthanc,
): void {
  const ids = entries.map(({ id }) => id);
  expect(ids).toEqual([...new Set(ids)].sort());
  for (const id of ids) expect(everHeld.has(id)).toBe(true);
  const hashes = new Map(entries.map(({ id, md5 }) => [id, md5]));
  for (const [id, { seq }] of before) {
    const after = held.get(id);
    if (after === undefined || after.seq !== seq) continue;
    expect(hashes.has(id)).toBe(true);
    expect([undefined, after.md5]).toContain(hashes.get(id));
  }
}
