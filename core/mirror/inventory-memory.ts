/** Where the inventories of the servers of a mirror are remembered: beside its archive, or for the length of a watch. */
import type { CallOptions } from '../call-options.ts';
import { isMirrorError, MirrorError } from '../errors.ts';
import { readSmallObject } from '../stores/archive/json-document.ts';
import { inventoryKey, listingName, stateKey, stretchKey } from '../stores/archive/keys.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import { StateDocument } from '../stores/archive/state.ts';
import { type ListingMemory, savedListingSchema } from '../stores/orthanc/inventory-listing.ts';
import type { InventoryMemory } from '../stores/orthanc/inventory-remembered.ts';

export interface MemoryPolicy {
  /** Everything is asked again within so many days. */
  readonly days: number;
  readonly now: () => Date;
  /** Nothing is to be written. */
  readonly dryRun?: boolean | undefined;
  /** Listings are put away beside the archive while they are made, for the next slice to go on with. */
  readonly inSlices?: InSlices | undefined;
}

export interface InSlices {
  /** Is told when something was put away: a slice that did nothing else has got on, too. */
  readonly onPutAway: () => void;
}

/** Servers are asked again for everything within a month, unless the configuration says otherwise. */
export const defaultAskAgainDays = 30;

const msPerDay = 86_400_000;
/** 256 MB: five million instances. */
const mostBytesInProcess = 256 * 1024 * 1024;

/** A memory without an archive, which ends with the process. */
export function memoryInProcess({ days, now }: MemoryPolicy): InventoryMemory {
  const parts = new Map<number, Buffer>();
  let usedBytes = 0;
  return {
    days,
    today: () => dayOf(now()),
    read: async (part) => parts.get(part),
    async write(part, bytes) {
      const after = usedBytes - (parts.get(part)?.length ?? 0) + bytes.length;
      if (after > mostBytesInProcess) return;
      usedBytes = after;
      parts.set(part, bytes);
    },
  };
}

/** A memory in the state of an archive. What fails costs no more than the time to ask the server again. */
export function memoryBeside(objects: ObjectStorage, server: string, policy: MemoryPolicy): InventoryMemory {
  const { days, now, dryRun = false, inSlices } = policy;
  const etags = new Map<number, string>();
  return {
    days,
    today: () => dayOf(now()),
    listing: inSlices === undefined || dryRun ? undefined : listingBeside(objects, server, now, inSlices),
    read: (part, options) =>
      unlessFailing(options, async () => {
        etags.delete(part);
        const found = await readSmallObject(objects, inventoryKey(server, part), options);
        if (found !== undefined) etags.set(part, found.etag);
        return found?.bytes && Buffer.from(found.bytes);
      }),
    async write(part, bytes, options) {
      if (dryRun) return;
      await unlessFailing(options, async () => {
        await objects.replaceIf(inventoryKey(server, part), bytes, etags.get(part) ?? null, options);
      });
    },
  };
}

/** Where a listing of a server is put away while it is made. */
function listingBeside(
  objects: ObjectStorage,
  server: string,
  now: () => Date,
  { onPutAway }: InSlices,
): ListingMemory {
  const document = new StateDocument(objects, listingName(server), savedListingSchema);
  let version: string | null = null;
  return {
    nowMs: () => now().getTime(),
    async read(options) {
      try {
        const found = await document.read(options);
        version = found?.version ?? null;
        return found?.value;
      } catch (error) {
        if (!isMirrorError(error, 'archive-format')) throw error;
        // What cannot be read is listed anew, and written over.
        version = (await objects.head(stateKey(listingName(server)), options))?.etag ?? null;
        return undefined;
      }
    },
    async write(listing, options) {
      version = await document.write(listing, version, options);
      onPutAway();
    },
    place: (options) => ({
      async write(stretch, bytes) {
        const key = stretchKey(server, stretch);
        const etag = (await objects.head(key, options))?.etag ?? null;
        if ((await objects.replaceIf(key, bytes, etag, options)) !== 'changed') return;
        throw new MirrorError('changed-meanwhile', `${objects.name}: ${key} was written by another process`);
      },
      async read(stretch, at, bytes) {
        const range = { first: at, last: at + bytes - 1 };
        const found = await objects.get(stretchKey(server, stretch), { ...options, range });
        return found === undefined ? Buffer.alloc(0) : Buffer.concat(await Array.fromAsync(found.body));
      },
      close: async () => undefined,
    }),
  };
}

/** @returns `undefined` where the storage fails: who needs it will tell. */
async function unlessFailing<Result>(
  { signal }: CallOptions,
  work: () => Promise<Result>,
): Promise<Result | undefined> {
  try {
    return await work();
  } catch (error) {
    signal?.throwIfAborted();
    if (!isMirrorError(error)) throw error;
    return undefined;
  }
}

function dayOf(now: Date): number {
  return Math.floor(now.getTime() / msPerDay);
}
