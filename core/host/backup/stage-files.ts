/**
 * Holding on to the files that came since the long copy, at the very moment of the index: a hard link costs nothing and
 * keeps the bytes, whatever the server deletes afterwards.
 */
import { copyFile, link, mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileError, isForbidden, systemCode } from '../file-error.ts';
import { inParallel } from '../in-parallel.ts';
import type { IndexedFile, IndexReader } from '../index/index-reader.ts';
import { joinSorted } from '../join-sorted.ts';
import { pathOfRow, storagePath } from '../storage/folder-storage.ts';
import type { SortedUuids } from './archived-files.ts';

export interface StagedFiles {
  readonly staged: number;
  /** Files that the index names and that are neither archived nor there to be read. */
  readonly missing: readonly IndexedFile[];
}

/** Where a staged file is. */
export function stagedPath(linksFolder: string, uuid: string): string {
  return join(linksFolder, storagePath(uuid));
}

/** Links every file that the index names and the archive did not hold. Throws `full` or `forbidden`. */
export async function stageFiles(
  index: IndexReader,
  storageFolder: string,
  archived: SortedUuids,
  linksFolder: string,
): Promise<StagedFiles> {
  let staged = 0;
  const missing: IndexedFile[] = [];
  const pairs = joinSorted(
    index.files(),
    archived,
    ({ uuid }) => uuid,
    (uuid) => uuid,
  );
  const results = inParallel(pairs, 16, async ({ left, right }) => {
    if (left === undefined || right !== undefined) return undefined;
    return { file: left, there: await stage(pathOfRow(storageFolder, left), stagedPath(linksFolder, left.uuid)) };
  });
  for await (const result of results) {
    if (result === undefined) continue;
    if (result.there) staged += 1;
    else missing.push(result.file);
  }
  return { staged, missing };
}

/** @returns `false` if there is no such file, or it cannot be read. */
async function stage(from: string, to: string): Promise<boolean> {
  await mkdir(dirname(to), { recursive: true });
  try {
    await link(from, to);
    return true;
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT') return false;
    if (code === 'EEXIST') return true;
    // Another file system, or one without hard links, or somebody else's file: the bytes are copied.
    return copy(from, to);
  }
}

/** A file that this user may not read concerns all files, and throws; one that cannot be read is as good as missing. */
async function copy(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to);
    return true;
  } catch (error) {
    await rm(to, { force: true });
    if (systemCode(error) === 'ENOENT') return false;
    const failure = fileError(error, from, isForbidden(error) ? 'forbidden' : 'source-corrupt');
    if (failure.code === 'source-corrupt') return false;
    throw failure;
  }
}
