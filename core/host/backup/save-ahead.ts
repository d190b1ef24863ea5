/**
 * The first, long part of a backup, while the server is in use: copies every storage file that the archive lacks. What
 * it copies too much (files that are deleted before the index is copied) is removed with the next old backup.
 */

import type { CallOptions } from '../../call-options.ts';
import { isMirrorError } from '../../errors.ts';
import type { FolderStorage } from '../../orthanc-disk/storage/folder-storage.ts';
import type { StoredFile } from '../../orthanc-disk/storage/storage-area.ts';
import { mapInOrder } from '../../streams/in-parallel.ts';
import { joinSorted } from '../../streams/merge-join.ts';
import { type ArchivedFile, archivedFiles } from './archived-files.ts';
import type { ListedFile } from './file-list.ts';
import type { KnownFile, KnownFiles } from './known-files.ts';
import { type FileArchive, saveFile } from './save-file.ts';

/** How many files are copied at once. */
export const filesAtOnce = 8;

/** A file that is younger may still be growing. */
const restedMs = 2000;

export interface SaveOptions extends CallOptions {
  readonly onSaved?: ((sizeBytes: number) => void) | undefined;
}

/**
 * Makes the archive hold every file of the storage, and adds to `known` all that it holds.
 * @param before the files of the last authentic backup, by uuid: what the archive holds under their hashes is not read
 * again. Files that it does not list are read and hashed, although the archive may hold them.
 * @returns how many files were copied. Throws what storage and archive throw.
 */
export async function saveAhead(
  { storage, known }: { readonly storage: FolderStorage; readonly known: KnownFiles },
  archive: FileArchive,
  before: AsyncIterable<ListedFile>,
  options: SaveOptions = {},
): Promise<number> {
  let copied = 0;
  const archived = joinSorted(
    archivedFiles(archive.objects, archive.keys, options),
    before,
    ({ uuid }) => uuid,
    ({ uuid }) => uuid,
  );
  const all = joinSorted(
    storage.list(options),
    archived,
    ({ uuid }) => uuid,
    ({ key }) => key,
  );
  const results = mapInOrder(all, filesAtOnce, async ({ left, right }) => {
    const present = knownFile(right?.left, right?.right);
    if (left === undefined || present?.sizeBytes === left.sizeBytes) return { file: present, isNew: false };
    return saveStored(left, storage, archive, right?.left, options);
  });
  for await (const { file, isNew } of results) {
    if (file !== undefined) await known.add(file);
    if (file === undefined || !isNew) continue;
    copied += 1;
    options.onSaved?.(file.sizeBytes);
  }
  return copied;
}

/** A file that the last backup lists and that the archive still holds under its hash. */
function knownFile(archived: ArchivedFile | undefined, before: ListedFile | undefined): KnownFile | undefined {
  const content = before?.content;
  if (before === undefined || content === undefined) return undefined;
  const isHeld = archived?.versions.some(
    ({ sha256, sizeBytes }) => sha256 === content.sha256 && sizeBytes === content.sizeBytes,
  );
  return isHeld === true ? { uuid: before.uuid, ...content } : undefined;
}

async function saveStored(
  { uuid, modifiedAt }: StoredFile,
  storage: FolderStorage,
  archive: FileArchive,
  archived: ArchivedFile | undefined,
  options: CallOptions,
): Promise<{ readonly file: KnownFile | undefined; readonly isNew: boolean }> {
  const nothing = { file: undefined, isNew: false };
  if (Date.now() - modifiedAt.getTime() < restedMs) return nothing;
  try {
    const open = await storage.open({ uuid, customPlace: undefined });
    if (open === undefined) return nothing;
    await using _ = open.handle;
    const { isNew, ...content } = await saveFile(archive, uuid, open, archived, options);
    return { file: { uuid, ...content }, isNew };
  } catch (error) {
    // A file that cannot be read is told of when the index says that it matters.
    if (isMirrorError(error, 'source-corrupt', 'refused', 'hash-mismatch', 'body-short')) return nothing;
    throw error;
  }
}
