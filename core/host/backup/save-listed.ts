/** The last part of a backup: makes sure of every file that the captured index names, and lists them. */
import { isMirrorError } from '../../errors.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import type { CallOptions } from '../../stores/store.ts';
import { inParallel } from '../in-parallel.ts';
import type { IndexedFile, IndexReader } from '../index/index-reader.ts';
import { joinSorted } from '../join-sorted.ts';
import { pathOfRow } from '../storage/folder-storage.ts';
import { type ArchivedFile, type ArchivedVersion, archivedFiles } from './archived-files.ts';
import type { HostKeys } from './backup-keys.ts';
import type { ListedFile } from './file-list.ts';
import { filesAtOnce } from './save-ahead.ts';
import { type SavedFile, saveFile } from './save-file.ts';
import { stagedPath } from './stage-files.ts';

/** Filled while the list is read. */
export interface SaveTotals {
  files: number;
  bytes: number;
  copied: number;
  readonly missing: IndexedFile[];
  readonly damaged: IndexedFile[];
}

interface Places {
  readonly folder: string;
  readonly links: string;
}

/** Yields a line for each file that the index names, in ascending order of uuid; saves those not archived yet. */
export async function* saveListed(
  index: IndexReader,
  places: Places,
  objects: ObjectStorage,
  keys: HostKeys,
  totals: SaveTotals,
  options: CallOptions & { readonly onSaved?: ((sizeBytes: number) => void) | undefined },
): AsyncGenerator<ListedFile> {
  const { signal, onSaved } = options;
  const pairs = joinSorted(
    index.files(),
    archivedFiles(objects, keys, { signal }),
    ({ uuid }) => uuid,
    ({ uuid }) => uuid,
  );
  const results = inParallel(pairs, filesAtOnce, async ({ left, right }) => {
    if (left === undefined) return undefined;
    const archived = archivedVersion(left, right);
    if (archived !== undefined) return { file: left, saved: archived, copied: false };
    return { file: left, saved: await saveRow(left, places, objects, keys, { signal }), copied: true };
  });
  for await (const result of results) {
    if (result === undefined) continue;
    const { file, saved, copied } = result;
    if (copied && saved !== undefined) {
      totals.copied += 1;
      onSaved?.(saved.sizeBytes);
    }
    yield listed(file, saved, totals);
  }
}

/** The archived version that is what the index says. Without a hash in the index, the size has to do. */
function archivedVersion(file: IndexedFile, archived: ArchivedFile | undefined): ArchivedVersion | undefined {
  return archived?.versions.find(({ md5, sizeBytes }) =>
    file.storedMd5 === undefined ? sizeBytes === file.storedBytes : md5 === file.storedMd5,
  );
}

async function saveRow(
  file: IndexedFile,
  { folder, links }: Places,
  objects: ObjectStorage,
  keys: HostKeys,
  options: CallOptions,
): Promise<SavedFile | undefined> {
  for (const path of [stagedPath(links, file.uuid), pathOfRow(folder, file)]) {
    try {
      const saved = await saveFile(objects, keys, file.uuid, path, options);
      if (saved !== undefined) return saved;
    } catch (error) {
      if (!isMirrorError(error, 'source-corrupt')) throw error;
    }
  }
  return undefined;
}

function listed(file: IndexedFile, saved: SavedFile | undefined, totals: SaveTotals): ListedFile {
  const { uuid, customPath, storedMd5, storedBytes } = file;
  const path = customPath === undefined ? {} : { path: customPath };
  if (saved === undefined) {
    totals.missing.push(file);
    return { uuid, ...path };
  }
  totals.files += 1;
  totals.bytes += saved.sizeBytes;
  const isDamaged = storedMd5 === undefined ? saved.sizeBytes !== storedBytes : saved.md5 !== storedMd5;
  if (isDamaged) totals.damaged.push(file);
  const expected = isDamaged && storedMd5 !== undefined ? { expected: storedMd5 } : {};
  return { uuid, md5: saved.md5, bytes: saved.sizeBytes, ...path, ...expected };
}
