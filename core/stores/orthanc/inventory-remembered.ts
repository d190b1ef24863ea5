/**
 * The inventory of a server whose ids it tells now, and whose hashes and sizes it told earlier, where nothing changed. What
 * is remembered is a cache: without it, or where it is damaged, the server is asked.
 *
 * An instance has its entry in the change feed as long as it exists, and a new one when it is overwritten. So what was told of
 * an id holds as long as its entry has the same number. Where the feed was cleared, what was told holds as long as the feed was
 * not cleared again: as long as it still has one of the entries that it had before the instance was asked for. And all of it
 * is asked again in rotation.
 */
import type { CallOptions } from '../../call-options.ts';
import { isMirrorError } from '../../errors.ts';
import type { InstanceId } from '../../identifiers.ts';
import { mapInOrder } from '../../streams/in-parallel.ts';
import type { InventoryEntry, InventoryOptions } from '../store.ts';
import { readChanges } from './change-feed.ts';
import { countInstances, type FeedListing } from './inventory-feed.ts';
import { Listing, type ListingMemory } from './inventory-listing.ts';
import { InstancePages, pagedInventory, rowsOfPage } from './inventory-paged.ts';
import type { ListedServer } from './inventory-parents.ts';
import { decodePart, encodePart, type InventoryRow, type RememberedPart } from './inventory-row.ts';
import { lookUpInstance } from './look-up-instance.ts';
import { type PartitionedRows, partCount } from './partitioned-rows.ts';

/** Where the inventory of a server is remembered, in {@link partCount} parts by the first byte of the ids. */
export interface InventoryMemory {
  /** The bytes of a part as they were written; `undefined` where there are none, or none to be had. */
  read(part: number, options: CallOptions): Promise<Buffer | undefined>;
  /** Keeps the bytes of a part; what cannot be kept is forgotten. */
  write(part: number, bytes: Buffer, options: CallOptions): Promise<void>;
  /** Days since 1970, UTC. */
  today(): number;
  /** Everything is asked again within so many days. */
  readonly days: number;
  /** Where a listing goes on that was cut; absent: it begins anew. */
  readonly listing?: ListingMemory | undefined;
}

/** Sizes of what is done at once; tests and simulations have smaller ones. */
export interface InventorySizes {
  /** Rows of a page; a server with no more instances is listed by a page, and nothing is remembered. */
  readonly pageRows: number;
  /** Rows that are held in memory; absent: 52 MB. */
  readonly rowsInMemory?: number | undefined;
}

export const usualSizes: InventorySizes = { pageRows: rowsOfPage };

/** Hashes asked for at once, one request each. */
const lookupsAtOnce = 8;
/** Entries of the feed that are looked for, one request each: usually the first is there, and the same for all parts. */
const entriesLookedFor = 64;
/** Requests for single hashes that may fail. */
const mostFailures = 8;
/**
 * Time of the server, in µs: of a page, and of a request for a single hash (0.3 ms on 1.10.1). The SQLite index of a server
 * that finds by query (1.12.5 on) looks at all instances for each of these: 0.13 s with a million (1.12.7 and 1.13.0).
 */
const pageCost = { eachOfAll: 0.65, eachRow: 25 };
const lookupCost = { always: 1000, eachOfAll: 0.13 };
/** A part is written again when this share of it is new: else it would be, every day, for a few new instances. */
const shareToWrite = 0.005;

/**
 * Lists a server with its hashes where it lists them, as {@link pagedInventory}; else its ids, from its change feed, or study
 * by study.
 */
export async function* serverInventory(
  server: ListedServer,
  options: InventoryOptions,
): AsyncGenerator<InventoryEntry> {
  if (server.capabilities.hasExtendedFind) {
    yield* pagedInventory(server.client, options);
    return;
  }
  const listing = await Listing.open(server, { sinceMs: 0, signal: options.signal });
  try {
    const feed = await listing.byFeed();
    if (!feed.isComplete) await listing.byParents(feed);
    for (let part = 0; part < partCount; part += 1) yield* entriesOf(await listing.rows.part(part), options.after);
  } finally {
    await listing.close();
  }
}

/** Lists a server with all hashes that it keeps. The contract is that of `Store.inventory`. */
export async function* rememberedInventory(
  server: ListedServer,
  memory: InventoryMemory,
  options: InventoryOptions,
  sizes: InventorySizes = usualSizes,
): AsyncGenerator<InventoryEntry> {
  const { client, capabilities } = server;
  const { pageRows, rowsInMemory } = sizes;
  const count = await countInstances(client, options);
  if (capabilities.hasExtendedFind && count <= pageRows) {
    yield* pagedInventory(client, options);
    return;
  }
  const { listedSinceMs: sinceMs, signal } = options;
  const listing = await Listing.open(server, {
    memory: sinceMs === undefined ? undefined : memory.listing,
    sinceMs: sinceMs ?? 0,
    rowsInMemory,
    signal,
  });
  try {
    const feed = await listing.byFeed();
    if (!feed.isComplete) await listing.byParents(feed);
    await listing.end(feed);
    const remembering = new Remembering({ server, memory, feed, count, pageRows });
    yield* listing.reading(remembering.inventory(listing.rows, options));
  } finally {
    await listing.close();
  }
}

function* entriesOf(rows: readonly InventoryRow[], after: InstanceId | undefined): Generator<InventoryEntry> {
  for (const { id, md5, sizeBytes } of rows) if (after === undefined || id > after) yield { id, md5, sizeBytes };
}

/** A part of the inventory while hashes are found for it: by position, as its ids are. */
interface HashedPart {
  readonly listed: readonly InventoryRow[];
  /** What is known by now; `undefined`: the server is to be asked. */
  readonly known: (InventoryRow | undefined)[];
  readonly remembered: ReadonlyMap<InstanceId, InventoryRow>;
}

/** What was known before of a listed instance. */
interface KnownBefore {
  /** The part that it is in. */
  readonly part: number;
  readonly before: InventoryRow | undefined;
  /** Whether the feed was not cleared since. */
  readonly isUncleared: boolean;
}

interface RememberingOptions {
  readonly server: ListedServer;
  readonly memory: InventoryMemory;
  readonly feed: FeedListing;
  readonly count: number;
  readonly pageRows: number;
}

class Remembering {
  readonly #server: ListedServer;
  readonly #memory: InventoryMemory;
  readonly #feed: FeedListing;
  readonly #count: number;
  readonly #pageRows: number;
  readonly #pages: InstancePages;
  /** The page that was read last, and the last id in it. */
  #page = new Map<InstanceId, InventoryEntry>();
  #pageEnd: InstanceId | undefined;
  #failures = 0;
  /** Numbers of entries, and whether the feed still has them. */
  readonly #entries = new Map<number, boolean>();

  constructor({ server, memory, feed, count, pageRows }: RememberingOptions) {
    this.#server = server;
    this.#memory = memory;
    this.#feed = feed;
    this.#count = count;
    this.#pageRows = pageRows;
    this.#pages = new InstancePages(server.client, pageRows);
  }

  async *inventory(rows: PartitionedRows, { after, signal }: InventoryOptions): AsyncGenerator<InventoryEntry> {
    let rank = 0;
    for (let index = 0; index < partCount; index += 1) {
      if (isBehind(index, after)) {
        rank += rows.countOf(index);
        continue;
      }
      const listed = await rows.part(index);
      const end = listed.at(-1);
      if (end !== undefined && (after === undefined || end.id > after)) {
        const { rows: before, seen } = await this.#remembered(index, { signal });
        const remembered = new Map(before.map((row) => [row.id, row]));
        const isUncleared = listed.some(({ seq }) => seq === 0) && (await this.#hasOneOf(seen, { signal }));
        const known = listed.map((row) =>
          this.#known(row, { part: index, before: remembered.get(row.id), isUncleared }),
        );
        const part = { listed, known, remembered };
        const asked = await this.#ask(part, rank, { signal });
        await this.#keep(index, part, { signal });
        for (const [position, row] of known.entries()) {
          if (row === undefined || (after !== undefined && row.id <= after)) continue;
          const { id, md5, sizeBytes } = row;
          yield asked.has(position) ? { id, md5, sizeBytes } : { id, md5, sizeBytes, isRemembered: true };
        }
      }
      rank += listed.length;
    }
  }

  /** What holds of a listed instance without asking for it. */
  #known(listed: InventoryRow, { part, before, isUncleared }: KnownBefore): InventoryRow | undefined {
    if (before === undefined || before.sizeBytes === undefined || this.#isDue(before, part)) return undefined;
    return before.seq === listed.seq && (listed.seq > 0 || isUncleared) ? before : undefined;
  }

  /** Looks whether the feed still has one of some entries: then it was not cleared since they were seen. */
  async #hasOneOf(entries: readonly number[], options: CallOptions): Promise<boolean> {
    for (const entry of entries) {
      if (!this.#entries.has(entry) && this.#entries.size < entriesLookedFor) {
        const { changes } = await readChanges(this.#server.client, { since: entry - 1, limit: 1, ...options });
        this.#entries.set(entry, changes[0]?.seq === entry);
      }
      if (this.#entries.get(entry) === true) return true;
    }
    return false;
  }

  /** Whether the day on which a part is asked for again has come since; neighbouring parts have the same, for large pages. */
  #isDue({ askedDay }: InventoryRow, part: number): boolean {
    const { days } = this.#memory;
    const today = this.#memory.today();
    const ownDay = Math.floor((part * days) / partCount);
    const lastDue = today - ((((today - ownDay) % days) + days) % days);
    return askedDay < lastDue || askedDay > today;
  }

  /** Asks for what is not known. @returns the positions that were asked for; what is gone meanwhile stays unknown */
  async #ask({ listed, known }: HashedPart, rank: number, options: CallOptions): Promise<ReadonlySet<number>> {
    const asked = new Set<number>();
    const missing = listed.flatMap((_, position) => (known[position] === undefined ? [position] : []));
    const share = missing.length / listed.length;
    const singly: { readonly position: number; readonly row: InventoryRow }[] = [];
    for (const position of missing) {
      const row = listed[position];
      if (row === undefined) continue;
      if (this.#pageEnd === undefined || row.id > this.#pageEnd) {
        await this.#readPage(row.id, rank + position, share, options);
      }
      const found = this.#page.get(row.id);
      if (found === undefined) singly.push({ position, row });
      else known[position] = this.#told(row, found);
      asked.add(position);
    }
    const lookUp = async ({ position, row }: (typeof singly)[number]) => {
      const found = await this.#tryLookUp(row, options);
      if (found !== undefined) known[position] = this.#told(row, found);
    };
    for await (const _ of mapInOrder(singly, lookupsAtOnce, lookUp));
    return asked;
  }

  /**
   * One that cannot be asked for is listed without a hash: whoever needs it asks again, and it costs no other. A server that
   * fails again and again is not asked any more.
   */
  async #tryLookUp({ id }: InventoryRow, options: CallOptions): Promise<InventoryEntry | undefined> {
    const { client, capabilities } = this.#server;
    if (this.#failures < mostFailures) {
      try {
        return await lookUpInstance(client, capabilities, id, options);
      } catch (error) {
        options.signal?.throwIfAborted();
        if (!isMirrorError(error)) throw error;
        this.#failures += 1;
      }
    }
    return { id, md5: undefined, sizeBytes: undefined };
  }

  #told({ seq }: InventoryRow, { id, md5, sizeBytes }: InventoryEntry): InventoryRow {
    return { id, seq, askedDay: sizeBytes === undefined ? 0 : this.#memory.today(), md5, sizeBytes };
  }

  /** Reads the page that begins with an id, of this rank, if so much of it is missing that single requests would cost more. */
  async #readPage(id: InstanceId, rank: number, share: number, options: CallOptions): Promise<void> {
    const { capabilities } = this.#server;
    const expected = share * Math.min(this.#pageRows, this.#count - rank);
    const cost = pageCost.eachOfAll * this.#count + pageCost.eachRow * this.#pageRows;
    if (!capabilities.hasExtendedFind || expected * this.#lookupCost() < cost) return;
    const isNextWanted = share === 1 && rank + this.#pageRows < this.#count;
    const page = await this.#pages.read(id, rank, { ...options, isNextWanted });
    this.#page = new Map(page.map((entry) => [entry.id, entry]));
    this.#pageEnd = page.at(-1)?.id;
  }

  #lookupCost(): number {
    const { hasExtendedFind, databasePlugin } = this.#server.capabilities;
    const looksAtAll = hasExtendedFind && databasePlugin === undefined;
    return lookupCost.always + (looksAtAll ? lookupCost.eachOfAll * this.#count : 0);
  }

  async #remembered(part: number, options: CallOptions): Promise<RememberedPart> {
    const bytes = await this.#memory.read(part, options);
    return bytes === undefined ? { rows: [], seen: [] } : decodePart(bytes, this.#identity(), this.#feed.last);
  }

  async #keep(index: number, { known, remembered }: HashedPart, options: CallOptions): Promise<void> {
    const rows = known.flatMap((row) => (row !== undefined && row.askedDay > 0 ? [row] : []));
    const isNew = ({ id, seq, askedDay }: InventoryRow): boolean => {
      const before = remembered.get(id);
      return before === undefined || before.seq !== seq || before.askedDay !== askedDay;
    };
    const most = rows.length * shareToWrite;
    if (rows.filter(isNew).length <= most && remembered.size <= rows.length + most) return;
    await this.#memory.write(index, encodePart(rows, this.#identity(), this.#feed), options);
  }

  /** What tells the server's database from another one, as far as the server tells. */
  #identity(): string {
    return this.#server.capabilities.serverIdentifier ?? '';
  }
}

/** Whether a part ends before the id behind which a listing goes on. */
function isBehind(part: number, after: InstanceId | undefined): boolean {
  return after !== undefined && part < Number.parseInt(after.slice(0, 2), 16);
}
