/** A private copy of an Orthanc SQLite index: the original is neither locked nor written. */
import { constants, type Stats } from 'node:fs';
import { copyFile, mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MirrorError } from '../errors.ts';

/** A copy in a folder of its own. */
export interface IndexCopy {
  readonly path: string;
  /** Deletes the copy. */
  remove(): Promise<void>;
}

const tries = 3;
const sqliteMagic = 'SQLite format 3\0';

/** @returns whether a file is a SQLite database. */
export async function isSqliteFile(path: string): Promise<boolean> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => undefined);
  if (handle === undefined) {
    return false;
  }
  try {
    if (!(await handle.stat()).isFile()) {
      return false;
    }
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(sqliteMagic.length), 0, sqliteMagic.length, 0);
    return buffer.toString('latin1', 0, bytesRead) === sqliteMagic;
  } finally {
    await handle.close();
  }
}

/**
 * Copies an index with its write-ahead log, without which the latest changes are missing.
 * Throws `configuration` if it changes while it is copied: a server is running on it.
 */
export async function copyIndex(path: string): Promise<IndexCopy> {
  const folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-index-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    for (let attempt = 0; attempt < tries; attempt += 1) {
      if (await copyUnchanged(path, join(folder, 'index'))) {
        return { path: join(folder, 'index'), remove };
      }
    }
  } catch (cause) {
    await remove();
    throw new MirrorError(
      'configuration',
      'the index cannot be copied; check permissions and free space for temporary files',
      { cause },
    );
  }
  await remove();
  throw new MirrorError(
    'configuration',
    'the index changes while it is read: an Orthanc server is running on it; stop the server or import a copy',
  );
}

async function copyUnchanged(path: string, target: string): Promise<boolean> {
  const before = await stateOf(path);
  await copyFile(path, target, constants.COPYFILE_FICLONE);
  await rm(`${target}-wal`, { force: true });
  if (before.includes('wal')) {
    await copyFile(`${path}-wal`, `${target}-wal`, constants.COPYFILE_FICLONE);
  }
  return (await stateOf(path)) === before;
}

async function stateOf(path: string): Promise<string> {
  const index = await stat(path);
  if (!index.isFile()) throw new Error('a pipe, socket or device is no index');
  const log = await stat(`${path}-wal`).catch(() => undefined);
  const describe = (stats: Stats) => `${stats.ino} ${stats.size} ${stats.mtimeMs}`;
  return log === undefined ? describe(index) : `${describe(index)} wal ${describe(log)}`;
}
