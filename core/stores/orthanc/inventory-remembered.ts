/**
 * The inventory of a server whose ids it tells now, and whose hashes and sizes it told earlier, where nothing changed. What
 * is remembered is a cache: without it, or where it is damaged, the server is asked.
 *
 * An instance has its entry in the change feed as long as it exists, and a new one when it is overwritten. So what was told of
 * an id holds as long as its entry has the same number. Where the feed was cleared, what was told holds as long as the feed was
 * not cleared again: as long as it still has the entry that was its last when the instance was asked for. And all of it is
 * asked again in rotation.
 */
import { createHash } from 'node:crypto';
import type { CallOptions } from '../../call-options.ts';
import { isMirrorError } from '../../errors.ts';
import type { InstanceId } from '../../identifiers.ts';
import { mapInOrder } from '../../streams/in-parallel.ts';
import type { InventoryEntry, InventoryOptions } from '../store.ts';
import { readChanges } from './change-feed.ts';
import { countInstances, type FeedListing } from './inventory-feed.ts';
import { Listing, type ListingMemory } from './inventory-listing.ts';
import { listPage, pagedInventory, rowsOfPage } from './inventory-paged.ts';
import { bytesOfRow, type InventoryRow, readRow, writeRow } from './inventory-row.ts';
import type { ListedServer } from './inventory-studies.ts';
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

/** Sizes at which a server is listed in another way; tests and simulations have smaller ones. */
export interface InventorySizes {
  /** Rows of a page; a server with no more instances is listed by a page, and nothing is remembered. */
  readonly pageRows: number;
  /** Above this, a listing with all hashes costs more in pages than study by study. */
  readonly mostPagedInstances: number;
  /** Rows that are held in memory; absent: 52 MB. */
  readonly rowsInMemory?: number | undefined;
}

export const usualSizes: InventorySizes = { pageRows: rowsOfPage, mostPagedInstances: 7_000_000 };

/** Hashes asked for at once, one request each. */
const lookupsAtOnce = 8;
/** Entries of the feed that are looked for, one request each: usually there is one, of the last listing. */
const entriesLookedFor = 8;
/** Requests for single hashes that may fail. */
const mostFailures = 8;
/** Time of the server, in µs, of such a request (0.3 ms on 1.10.1), and of a page: for each of all instances, and each row. */
const lookupCost = 1000;
const pageCost = { eachOfAll: 0.65, eachRow: 25 };
/** A part is written again when this share of it is new: else it would be, every day, for a few new instances. */
const shareToWrite = 0.005;

/**
 * Lists the ids of a server without hashes, or with them where that costs no more: as {@link pagedInventory} where the server
 * lists in order, else from its change feed, else study by study.
 */
export async function* serverInventory(
  server: ListedServer,
  options: InventoryOptions,
): AsyncGenerator<InventoryEntry> {
  const { client, capabilities } = server;
  if (capabilities.hasExtendedFind && (await countInstances(client, options)) <= usualSizes.mostPagedInstances) {
    yield* pagedInventory(client, options);
    return;
  }
  const listing = await Listing.open(server, { sinceMs: 0, signal: options.signal });
  try {
    const isComplete = !capabilities.hasExtendedFind && (await listing.byFeed()).isComplete;
    if (!isComplete) await listing.byStudies({ isComplete, seen: 0, last: 0 }, { seq: 0, day: 1 });
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
  const { pageRows, mostPagedInstances, rowsInMemory } = sizes;
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
    const wasPastFeed = listing.isPastFeed;
    const feed = await listing.byFeed();
    if (!wasPastFeed && !feed.isComplete && capabilities.hasExtendedFind && count <= mostPagedInstances) {
      yield* pagedInventory(client, options);
      return;
    }
    const isFirst = count > mostPagedInstances && (await memory.read(0, options)) === undefined;
    if (!feed.isComplete || (capabilities.hasExtendedFind && isFirst)) {
      await listing.byStudies(feed, { seq: -feed.seen, day: memory.today() });
    }
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
  /** The bytes that were remembered, or none. */
  readonly remembered: ReadonlyMap<InstanceId, InventoryRow>;
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
        const remembered = await this.#remembered(index, { signal });
        await this.#lookForEntries(remembered, { signal });
        const known = listed.map((row) => this.#known(row, index, remembered.get(row.id)));
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
  #known(listed: InventoryRow, part: number, before: InventoryRow | undefined): InventoryRow | undefined {
    if (listed.askedDay > 0) return listed;
    if (before === undefined || before.sizeBytes === undefined || this.#isDue(before, part)) return undefined;
    const isSame = listed.seq > 0 ? before.seq === listed.seq : this.#entries.get(-before.seq) === true;
    return isSame ? { ...before, seq: listed.seq } : undefined;
  }

  /** Looks whether the feed still has the entries that were its last when something was asked for: then it was not cleared since. */
  async #lookForEntries(remembered: ReadonlyMap<InstanceId, InventoryRow>, options: CallOptions): Promise<void> {
    for (const { seq } of remembered.values()) {
      const entry = -seq;
      if (entry <= 0 || this.#entries.has(entry) || this.#entries.size === entriesLookedFor) continue;
      const { changes } = await readChanges(this.#server.client, { since: entry - 1, limit: 1, ...options });
      this.#entries.set(entry, changes[0]?.seq === entry);
    }
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
      if (this.#pageEnd === undefined || row.id > this.#pageEnd) await this.#readPage(rank + position, share, options);
      const found = this.#page.get(row.id);
      if (found === undefined) singly.push({ position, row });
      else known[position] = this.#told(row, found);
      asked.add(position);
    }
    const lookUp = async ({ position, row }: (typeof singly)[number]) => {
      const found = await this.#tryLookUp(row, options);
      if (found !== undefined) known[position] = this.#told(row, found);
    };
    for await (const _ of mapInOrder(each(singly), lookupsAtOnce, lookUp));
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

  /** Reads the page that begins with the id of a rank, if so much of it is missing that single requests would cost more. */
  async #readPage(rank: number, share: number, options: CallOptions): Promise<void> {
    const { client, capabilities } = this.#server;
    const expected = share * Math.min(this.#pageRows, this.#count - rank);
    const cost = pageCost.eachOfAll * this.#count + pageCost.eachRow * this.#pageRows;
    if (!capabilities.hasExtendedFind || expected * lookupCost < cost) return;
    const page = await listPage(client, Math.max(0, rank), this.#pageRows, options);
    this.#page = new Map(page.map((entry) => [entry.id, entry]));
    this.#pageEnd = page.at(-1)?.id;
  }

  async #remembered(part: number, options: CallOptions): Promise<ReadonlyMap<InstanceId, InventoryRow>> {
    const bytes = await this.#memory.read(part, options);
    const rows = bytes === undefined ? [] : decodePart(bytes, this.#identity(), this.#feed.last);
    return new Map(rows.map((row) => [row.id, row]));
  }

  async #keep(index: number, { known, remembered }: HashedPart, options: CallOptions): Promise<void> {
    const rows = known.flatMap((row) => (row !== undefined && row.askedDay > 0 ? [row] : []));
    const isNew = ({ id, seq, askedDay }: InventoryRow): boolean => {
      const before = remembered.get(id);
      return before === undefined || before.seq !== seq || before.askedDay !== askedDay;
    };
    const most = rows.length * shareToWrite;
    if (rows.filter(isNew).length <= most && remembered.size <= rows.length + most) return;
    await this.#memory.write(index, encodePart(rows, this.#identity(), this.#feed.last), options);
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

async function* each<Item>(items: Iterable<Item>): AsyncGenerator<Item> {
  yield* items;
}

const magic = 'OMI1';
const lastAt = 4;
const hashAt = 8;
const bytesOfHead = hashAt + 32;

/** A part as bytes: who it is of, the end of the feed, a hash of all of that, and the rows. */
function encodePart(rows: readonly InventoryRow[], identity: string, last: number): Buffer {
  const bytes = Buffer.alloc(bytesOfHead + rows.length * bytesOfRow);
  bytes.write(magic);
  bytes.writeInt32BE(last, lastAt);
  for (const [index, row] of rows.entries()) writeRow(bytes, bytesOfHead + index * bytesOfRow, row);
  hashOf(bytes, identity).copy(bytes, hashAt);
  return bytes;
}

/** The rows of a part; none if it is damaged, of another database, or of a time that the feed went back behind. */
function decodePart(bytes: Buffer, identity: string, last: number): readonly InventoryRow[] {
  const isWhole =
    bytes.length >= bytesOfHead &&
    (bytes.length - bytesOfHead) % bytesOfRow === 0 &&
    bytes.toString('latin1', 0, lastAt) === magic &&
    hashOf(bytes, identity).equals(bytes.subarray(hashAt, bytesOfHead));
  if (!isWhole || bytes.readInt32BE(lastAt) > last) return [];
  const rows: InventoryRow[] = [];
  for (let at = bytesOfHead; at < bytes.length; at += bytesOfRow) rows.push(readRow(bytes, at));
  return rows;
}

function hashOf(bytes: Buffer, identity: string): Buffer {
  const head = bytes.subarray(0, hashAt);
  return createHash('sha256').update(head).update(bytes.subarray(bytesOfHead)).update(identity).digest();
}
