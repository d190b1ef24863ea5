/** Files that are written before they get their name. */
import { randomUUID } from 'node:crypto';
import { open, readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { FolderCalls } from './folder-calls.ts';
import { onFolder, unlessAbsent } from './folder-errors.ts';
import { etagOf, temporaryFolder } from './folder-listing.ts';

/** Temporary files older than this were left by a process that was killed: nothing takes a day to write. */
const leftoverAfterMs = 24 * 60 * 60 * 1000;

/** @returns a name that no other process or thread uses. */
export function temporaryName(): string {
  return `${process.pid}-${randomUUID()}`;
}

const temporaryPattern = /^\d+-[0-9a-f-]{36}$/;

/** @returns whether a path is that of a {@link temporaryName} in a folder of ours. */
export function isTemporaryFile(path: string): boolean {
  return basename(dirname(path)) === temporaryFolder && temporaryPattern.test(basename(path));
}

/** Removes the temporary files that were left long ago. */
export async function removeLeftovers(folder: string): Promise<void> {
  const oldest = Date.now() - leftoverAfterMs;
  for (const file of await readdir(folder)) {
    const path = join(folder, file);
    const found = temporaryPattern.test(file) ? await unlessAbsent(stat(path)) : undefined;
    if (found !== undefined && found.mtimeMs < oldest) {
      await rm(path, { force: true });
    }
  }
}

/**
 * Writes a new file and syncs its content. Errors of the file system are thrown with the storage's `name`; what
 * `chunks` throws is thrown as it is.
 */
export async function writeSynced(
  calls: FolderCalls,
  name: string,
  path: string,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  const descriptor = await onFolder(name, () => calls.createFile(path, 0o640));
  try {
    for await (const chunk of chunks) {
      await onFolder(name, () => calls.writeAll(descriptor, chunk));
    }
    await onFolder(name, () => calls.sync(descriptor));
  } finally {
    await calls.close(descriptor);
  }
}

/**
 * Sees to it that a file is younger than the one that it will replace, whatever the clock did and however coarse it is.
 * @returns its ETag.
 */
export async function makeNewer(path: string, thanNs: bigint | undefined): Promise<string> {
  const handle = await open(path, 'r+');
  try {
    const { mtimeNs, atimeMs } = await handle.stat({ bigint: true });
    if (thanNs !== undefined && mtimeNs <= thanNs) {
      // Two whole milliseconds, because the seconds of `utimes` are floating-point numbers.
      await handle.utimes(Number(atimeMs) / 1000, (Number(thanNs / 1_000_000n) + 2) / 1000);
      await handle.sync();
    }
    const written = await handle.stat({ bigint: true });
    return etagOf(written.mtimeNs, written.size);
  } finally {
    await handle.close();
  }
}
