/** The last part of a backup: makes sure of every file that the captured index names, and lists them. */

import type { CallOptions } from '../../call-options.ts';
import { isMirrorError, type MirrorError } from '../../errors.ts';
import type { ContentHashes } from '../../orthanc-disk/files/file-bytes.ts';
import type { OpenFile } from '../../orthanc-disk/files/held-folder.ts';
import type { IndexedFile, IndexReader } from '../../orthanc-disk/index/index-reader.ts';
import type { FolderStorage } from '../../orthanc-disk/storage/folder-storage.ts';
import { mapInOrder } from '../../streams/in-parallel.ts';
import { joinSorted } from '../../streams/merge-join.ts';
import type { ListedFile } from './file-list.ts';
import type { HeldFiles } from './held-files.ts';
import { type KnownFiles, knownAs } from './known-files.ts';
import { filesAtOnce, type SaveOptions } from './save-ahead.ts';
import { type FileArchive, type SavedFile, saveFile } from './save-file.ts';

/** A row whose file is there, but is not read: it is a link, say, or lies outside of the storage. */
export interface RefusedFile {
  readonly file: IndexedFile;
  readonly reason: string;
}

/** Filled while the list is read. */
export interface SaveTotals {
  files: number;
  bytes: number;
  copied: number;
  readonly missing: IndexedFile[];
  readonly damaged: IndexedFile[];
  readonly refused: RefusedFile[];
}

/** Where the bytes of files are, beside the archive. */
export interface FileSources {
  readonly storage: FolderStorage;
  readonly known: KnownFiles;
  readonly held: HeldFiles;
}

/** Yields a line for each file that the index names, in ascending order of uuid; saves those not archived yet. */
export async function* saveListed(
  index: IndexReader,
  sources: FileSources,
  archive: FileArchive,
  totals: SaveTotals,
  options: SaveOptions,
): AsyncGenerator<ListedFile> {
  const pairs = joinSorted(
    index.files(),
    sources.known,
    ({ uuid }) => uuid,
    ({ uuid }) => uuid,
  );
  const results = mapInOrder(pairs, filesAtOnce, async ({ left, right }) => {
    if (left === undefined) return undefined;
    const saved = knownAs(left, right) ? { ...right, isNew: false } : await saveRow(left, sources, archive, options);
    return { file: left, saved };
  });
  for await (const result of results) {
    if (result === undefined) continue;
    const { file, saved } = result;
    if (saved !== undefined && 'isNew' in saved && saved.isNew) {
      totals.copied += 1;
      options.onSaved?.(saved.sizeBytes);
    }
    const line = listed(file, saved, totals);
    yield line.content === undefined ? line : { ...line, place: sources.storage.placeOf(file) };
  }
}

/** `undefined`: there is no such file, or nobody can read it. */
async function saveRow(
  row: IndexedFile,
  { storage, held }: FileSources,
  archive: FileArchive,
  options: CallOptions,
): Promise<SavedFile | MirrorError | undefined> {
  const openers: readonly (() => Promise<OpenFile | undefined>)[] = [
    () => held.take(row.uuid),
    () => storage.open(row),
  ];
  for (const openFile of openers) {
    try {
      const file = await openFile();
      if (file === undefined) continue;
      await using _ = file.handle;
      return await saveFile(archive, row.uuid, file, undefined, options);
    } catch (error) {
      if (isMirrorError(error, 'refused')) return error;
      if (!isMirrorError(error, 'source-corrupt')) throw error;
    }
  }
  return undefined;
}

function listed(file: IndexedFile, saved: ContentHashes | MirrorError | undefined, totals: SaveTotals): ListedFile {
  const { uuid, storedMd5, storedBytes } = file;
  if (saved === undefined) {
    totals.missing.push(file);
    return { uuid };
  }
  if (isMirrorError(saved)) {
    totals.refused.push({ file, reason: saved.message });
    return { uuid };
  }
  const { md5, sha256, sizeBytes } = saved;
  totals.files += 1;
  totals.bytes += sizeBytes;
  const isDamaged = storedMd5 === undefined ? sizeBytes !== storedBytes : md5 !== storedMd5;
  if (isDamaged) totals.damaged.push(file);
  return { uuid, content: { md5, sha256, sizeBytes }, expected: isDamaged ? storedMd5 : undefined };
}
