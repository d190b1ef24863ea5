/**
 * Walks a folder, however deep and large, in constant memory but for one entry per folder. Every regular file is
 * found once, also through links; what cannot be walked is reported, never skipped silently.
 */
import type { BigIntStats, Dirent } from 'node:fs';
import { opendir, stat } from 'node:fs/promises';
import { type ErrorCode, MirrorError } from '../errors.ts';
import { storageRoleOf } from '../orthanc-disk/storage/storage-names.ts';
import { isTemporaryFile } from '../stores/archive/temporary-files.ts';
import { fileBytes, readError } from '../streams/rereadable-bytes.ts';
import { type Found, foundAt, type Walked } from './found.ts';

const slash = Buffer.from('/');

/**
 * Finds all files at or below a path. Names are handled as bytes: they need not be UTF-8.
 *
 * @param path a folder or a single file
 * Throws `configuration` if there is nothing at the path.
 */
export async function* walkFolder(path: Buffer): AsyncGenerator<Walked> {
  const top = await stat(path, { bigint: true }).catch((cause: unknown) => {
    throw new MirrorError('configuration', 'there is nothing to import at this path; check it', { cause });
  });
  if (top.isDirectory()) {
    yield* walkDirectory(path, top, new Set());
  } else {
    yield* examined(path, top);
  }
}

/** @param visited device and inode of every folder so far: a link can lead to a folder again, or round in a loop */
async function* walkDirectory(path: Buffer, stats: BigIntStats, visited: Set<string>): AsyncGenerator<Walked> {
  const identity = `${stats.dev}:${stats.ino}`;
  if (visited.has(identity)) {
    return;
  }
  visited.add(identity);
  // As Latin-1 a name keeps its bytes, whatever their encoding is.
  const directory = await opendir(path, { encoding: 'latin1', bufferSize: 256 }).catch(readError);
  if (directory instanceof MirrorError) {
    yield obstacle(path, `folder: ${directory.message}`, directory.code);
    return;
  }
  try {
    for await (const entry of directory) {
      yield* walkEntry(Buffer.concat([path, slash, Buffer.from(entry.name, 'latin1')]), entry, visited);
    }
  } catch (error) {
    // The folder broke off amid its list of names.
    const { message, code } = readError(error);
    yield obstacle(path, `folder: ${message}`, code);
  }
}

async function* walkEntry(path: Buffer, entry: Dirent, visited: Set<string>): AsyncGenerator<Walked> {
  const stats = await stat(path, { bigint: true }).catch(readError);
  if (stats instanceof MirrorError) {
    const what = entry.isSymbolicLink() ? brokenLink(stats) : stats.message;
    yield obstacle(path, what, stats.code === 'vanished' ? undefined : stats.code);
  } else if (stats.isDirectory()) {
    yield* walkDirectory(path, stats, visited);
  } else if (isTemporaryFile(path.toString('latin1'))) {
    yield obstacle(path, 'unfinished file of a restore or an archive that was stopped', undefined);
  } else {
    yield* examined(path, stats);
  }
}

function brokenLink(error: MirrorError): string {
  return error.code === 'vanished' ? 'link that leads nowhere' : `link that cannot be followed: ${error.message}`;
}

function* examined(path: Buffer, stats: BigIntStats): Generator<Walked> {
  if (stats.isFile()) {
    yield { kind: 'file', found: foundFile(path, Number(stats.size)) };
  } else {
    yield obstacle(path, 'neither file nor folder (a socket, pipe or device)', undefined);
  }
}

/** A regular file as something found. */
export function foundFile(path: Buffer, sizeBytes: number): Found {
  const at = foundAt(path);
  const reference = path.toString('latin1');
  return { at, bytes: fileBytes(path, sizeBytes), storage: storageRoleOf(at.path), file: path, reference };
}

function obstacle(path: Buffer, what: string, hides: ErrorCode | undefined): Walked {
  return { kind: 'obstacle', at: foundAt(path), what, hides };
}
