/** Where the inventories of the servers of a mirror are remembered: beside its archive, or for the length of a watch. */
import type { CallOptions } from '../call-options.ts';
import { isMirrorError } from '../errors.ts';
import { readSmallObject } from '../stores/archive/json-document.ts';
import { inventoryKey } from '../stores/archive/keys.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import type { InventoryMemory } from '../stores/orthanc/inventory-remembered.ts';

export interface MemoryPolicy {
  /** Everything is asked again within so many days. */
  readonly days: number;
  readonly now: () => Date;
  /** Nothing is to be written. */
  readonly dryRun?: boolean | undefined;
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
  const { days, now, dryRun = false } = policy;
  const etags = new Map<number, string>();
  return {
    days,
    today: () => dayOf(now()),
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
