/** Counts an archive by listing it, in pieces that fit a deadline. */
import * as z from 'zod';
import { type InstanceId, isInstanceId } from '../../identifiers.ts';
import type { InventoryEntry, InventoryOptions } from '../../stores/store.ts';

const countedSchema = {
  instances: z.int().nonnegative(),
  versions: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
};

export const archiveCountSchema = z.strictObject({
  /** The last complete count; `null` before there was one. */
  complete: z.strictObject({ ...countedSchema, countedAt: z.iso.datetime() }).nullable(),
  /** The count that a deadline cut. */
  unfinished: z.strictObject({ ...countedSchema, after: z.custom<InstanceId>(isInstanceId) }).nullable(),
});
export type ArchiveCount = z.infer<typeof archiveCountSchema>;

export interface CountOptions {
  readonly archive: { versions(options: InventoryOptions): AsyncIterable<InventoryEntry> };
  readonly now: () => Date;
  /** A complete count is repeated after this time. */
  readonly everyMs: number;
  /** Aborts when the time for counting is over. */
  readonly deadline: AbortSignal;
}

/** Goes on with the count, or begins one if it is due. Throws what listing the archive throws. */
export async function continueCount(before: ArchiveCount, options: CountOptions): Promise<ArchiveCount> {
  const { archive, now, everyMs, deadline } = options;
  const { complete, unfinished } = before;
  const isDue = complete === null || now().getTime() - Date.parse(complete.countedAt) >= everyMs;
  if (unfinished === null && !isDue) {
    return before;
  }
  const counted = { instances: 0, versions: 0, bytes: 0, ...unfinished };
  // An id counts when its last version was seen: only then may the next run begin behind it.
  let current: { id: InstanceId; versions: number; bytes: number } | undefined;
  let after = unfinished?.after;
  const addCurrent = (): void => {
    if (current === undefined) return;
    counted.instances += 1;
    counted.versions += current.versions;
    counted.bytes += current.bytes;
    after = current.id;
  };
  for await (const { id, sizeBytes = 0 } of archive.versions({ after })) {
    if (current?.id !== id) {
      addCurrent();
      if (deadline.aborted && after !== undefined) {
        return { complete, unfinished: { ...totalsOf(counted), after } };
      }
      current = { id, versions: 0, bytes: 0 };
    }
    current.versions += 1;
    current.bytes += sizeBytes;
  }
  addCurrent();
  return { complete: { ...totalsOf(counted), countedAt: now().toISOString() }, unfinished: null };
}

function totalsOf({ instances, versions, bytes }: { instances: number; versions: number; bytes: number }) {
  return { instances, versions, bytes };
}
