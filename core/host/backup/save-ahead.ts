/**
 * The first, long part of a backup, while the server is in use: copies every storage file that the archive lacks. What
 * it copies too much (files that are deleted before the index is copied) is removed with the next old backup.
 */
import { isMirrorError } from '../../errors.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import type { CallOptions } from '../../stores/store.ts';
import { inParallel } from '../in-parallel.ts';
import { joinSorted } from '../join-sorted.ts';
import type { StorageArea } from '../storage/storage-area.ts';
import { archivedFiles, SortedUuids } from './archived-files.ts';
import type { HostKeys } from './backup-keys.ts';
import { saveFile } from './save-file.ts';

/** How many files are copied at once. */
export const filesAtOnce = 8;

/** A file that is younger may still be growing. */
const settledMs = 2000;

export interface SaveAheadOptions extends CallOptions {
  readonly onSaved?: (sizeBytes: number) => void;
}

export interface SavedAhead {
  /** Files that the archive holds now. */
  readonly archived: SortedUuids;
  readonly copied: number;
}

/** Makes the archive hold every file of the storage. Throws what storage and archive throw. */
export async function saveAhead(
  storage: StorageArea,
  objects: ObjectStorage,
  keys: HostKeys,
  options: SaveAheadOptions = {},
): Promise<SavedAhead> {
  const archived = new SortedUuids();
  let copied = 0;
  const pairs = joinSorted(
    storage.list(options),
    archivedFiles(objects, keys, options),
    ({ uuid }) => uuid,
    ({ uuid }) => uuid,
  );
  const results = inParallel(pairs, filesAtOnce, async ({ key, left, right }) => {
    if (left === undefined) return { key, held: right !== undefined, bytes: undefined };
    if (right?.versions.some(({ sizeBytes }) => sizeBytes === left.sizeBytes)) {
      return { key, held: true, bytes: undefined };
    }
    if (Date.now() - left.modifiedAt.getTime() < settledMs) return { key, held: false, bytes: undefined };
    const saved = await saveFile(objects, keys, key, left.place, options).catch(laterIfCorrupt);
    return { key, held: saved !== undefined, bytes: saved?.sizeBytes };
  });
  for await (const { key, held, bytes } of results) {
    if (held) archived.add(key);
    if (bytes === undefined) continue;
    copied += 1;
    options.onSaved?.(bytes);
  }
  return { archived, copied };
}

/** A file that cannot be read is told of when the index says that it matters. */
function laterIfCorrupt(error: unknown): undefined {
  if (isMirrorError(error, 'source-corrupt', 'hash-mismatch', 'body-short')) return undefined;
  throw error;
}
