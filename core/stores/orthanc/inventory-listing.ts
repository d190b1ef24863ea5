/**
 * The ids of a server while they are listed. Where the work is done in slices of time, what was listed is put away with how
 * far that is, and the next slice goes on there: a server of any size is listed once for a comparison.
 */
import * as z from 'zod';
import type { CallOptions } from '../../call-options.ts';
import { MirrorError } from '../../errors.ts';
import { isOrthancId, type OrthancId } from '../../identifiers.ts';
import { listOf } from '../../json.ts';
import { type FeedListing, feedListingSchema, feedReadingSchema, listFeed } from './inventory-feed.ts';
import { type ListedServer, listByParents, parentLevelOf } from './inventory-parents.ts';
import { bytesOfStretch, PartitionedRows, StretchDamaged, type StretchPlace } from './partitioned-rows.ts';

/** How far a listing is: first the feed is read, then, where that does not tell all of it, the series or studies. */
const listingStageSchema = z.discriminatedUnion('stage', [
  z.strictObject({ stage: z.literal('feed'), reading: feedReadingSchema }),
  z.strictObject({
    stage: z.literal('parents'),
    level: z.enum(['series', 'studies']),
    feed: feedListingSchema,
    through: z.custom<OrthancId>(isOrthancId),
  }),
  z.strictObject({ stage: z.literal('listed'), feed: feedListingSchema }),
]);
type ListingStage = z.infer<typeof listingStageSchema>;

const base64OfStretch = Math.ceil(bytesOfStretch / 3) * 4;

export const savedListingSchema = z.strictObject({
  version: z.literal(1),
  /** What tells the server's database from another one, as far as the server tells. */
  identity: z.string(),
  begunAtMs: z.number(),
  savedAtMs: z.number(),
  progress: listingStageSchema,
  /** What each stretch holds, in base64. */
  stretches: listOf(z.base64().length(base64OfStretch)),
});
/** `state/inventory/<server>/listing.json`. */
export type SavedListing = z.infer<typeof savedListingSchema>;

/** Where a listing is put away between two slices. */
export interface ListingMemory {
  /** `undefined` if there is none, or none that can be read. */
  read(options: CallOptions): Promise<SavedListing | undefined>;
  /** Throws `changed-meanwhile` if another process wrote since. */
  write(listing: SavedListing, options: CallOptions): Promise<void>;
  /** Where its rows lie. */
  place(options: CallOptions): StretchPlace;
  nowMs(): number;
}

/** A list of ids may be so old, from its last step on: what arrives meanwhile is told by the feed, what goes is found gone. */
const longestMs = 6 * 3_600_000;
/** The listing of a slow server is put away this often. */
const saveEveryMs = 60_000;

export interface ListingOptions extends CallOptions {
  /** Absent: the listing is not put away. */
  readonly memory?: ListingMemory | undefined;
  /** A listing that was begun before is not gone on with: it could miss what changed since. */
  readonly sinceMs: number;
  readonly rowsInMemory?: number | undefined;
}

export class Listing {
  readonly rows: PartitionedRows;
  readonly #server: ListedServer;
  readonly #options: ListingOptions;
  readonly #begunAtMs: number;
  #savedAtMs: number;
  #progress: ListingStage | undefined;

  private constructor(server: ListedServer, found: SavedListing | undefined, options: ListingOptions) {
    this.#server = server;
    this.#options = options;
    const { memory, rowsInMemory, signal } = options;
    const nowMs = memory?.nowMs() ?? 0;
    this.#begunAtMs = found?.begunAtMs ?? nowMs;
    this.#savedAtMs = nowMs;
    this.#progress = found?.progress;
    this.rows = new PartitionedRows({
      mostRows: rowsInMemory,
      place: memory?.place({ signal }),
      stretches: found?.stretches.map((stretch) => Buffer.from(stretch, 'base64')),
    });
  }

  /** Begins a listing, or goes on with the one that was put away. To be closed. */
  static async open(server: ListedServer, options: ListingOptions): Promise<Listing> {
    const { memory, sinceMs, signal } = options;
    const found = await memory?.read({ signal });
    const nowMs = memory?.nowMs() ?? 0;
    const isValid =
      found !== undefined &&
      found.identity === identityOf(server) &&
      found.begunAtMs >= sinceMs &&
      found.begunAtMs <= nowMs &&
      nowMs - found.savedAtMs < longestMs;
    return new Listing(server, isValid ? found : undefined, options);
  }

  /** Lists by the feed. @returns what that told, now or in the slice that did it */
  async byFeed(): Promise<FeedListing> {
    const { signal } = this.#options;
    const progress = this.#progress;
    if (progress !== undefined && progress.stage !== 'feed') return progress.feed;
    return listFeed(this.#server.client, this.rows, {
      signal,
      from: progress?.reading,
      onRead: (reading, isEnd) => this.#keep({ stage: 'feed', reading }, isEnd),
    });
  }

  /** Adds what series or studies hold. */
  async byParents(feed: FeedListing): Promise<void> {
    const { signal } = this.#options;
    const progress = this.#progress;
    if (progress?.stage === 'listed') return;
    const level = parentLevelOf(this.#server);
    await listByParents(this.#server, this.rows, {
      signal,
      // The server may have become another version since.
      after: progress?.stage === 'parents' && progress.level === level ? progress.through : undefined,
      onListed: (through) => this.#keep({ stage: 'parents', level, feed, through }, false),
    });
  }

  /** All ids are listed: from now on only parts of them are read. */
  async end(feed: FeedListing): Promise<void> {
    if (this.#progress?.stage !== 'listed') await this.#keep({ stage: 'listed', feed }, true);
  }

  /** Does what reads the rows; where they are damaged, the next slice lists anew. */
  async *reading<Item>(items: AsyncIterable<Item>): AsyncGenerator<Item> {
    try {
      yield* items;
    } catch (error) {
      if (!(error instanceof StretchDamaged)) throw error;
      const { name } = this.#server.client;
      await this.#save({ stage: 'listed', feed: { isComplete: false, seen: [], last: 0 } }, 0, []);
      throw new MirrorError('hash-mismatch', `${name}: ${error.message}; it is listed anew`, { cause: error });
    }
  }

  async close(): Promise<void> {
    await this.rows.close();
  }

  /** Puts the rows away when that is due, with how far the listing is. */
  async #keep(progress: ListingStage, isEnd: boolean): Promise<void> {
    const { rows } = this;
    this.#progress = progress;
    const { memory } = this.#options;
    const isSlow = memory !== undefined && memory.nowMs() - this.#savedAtMs >= saveEveryMs;
    // What fits into memory and was listed at once is not worth it.
    const isLast = isEnd && memory !== undefined && rows.stretches.length > 0;
    if (!rows.isFull && !isSlow && !isLast) return;
    await rows.spill();
    await this.#save(progress, this.#begunAtMs, rows.stretches);
  }

  async #save(progress: ListingStage, begunAtMs: number, stretches: readonly Buffer[]): Promise<void> {
    const { memory, signal } = this.#options;
    if (memory === undefined) return;
    this.#savedAtMs = memory.nowMs();
    const saved = {
      version: 1,
      identity: identityOf(this.#server),
      begunAtMs,
      savedAtMs: this.#savedAtMs,
      progress,
      stretches: stretches.map((stretch) => stretch.toString('base64')),
    } as const;
    await memory.write(saved, { signal });
  }
}

function identityOf({ capabilities }: ListedServer): string {
  return capabilities.serverIdentifier ?? '';
}
