/**
 * Copying the SQLite index of a running Orthanc. Orthanc locks its index exclusively and keeps recent commits in the
 * write-ahead log beside it (`index-wal`), so it can neither be opened nor copied alone. SQLite's own recovery takes
 * from a log everything up to its last whole commit: a copy of both files is good if both held exactly the copied bytes
 * at one and the same moment. That is proven by reading both a second time: bytes that are equal in both readings were
 * there at the moment between them. The log may have grown at its end meanwhile; that is a later commit.
 */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { type ErrorCode, MirrorError } from '../../errors.ts';
import { throwIfAborted } from '../../stores/aborted.ts';
import { fileError, isForbidden, systemCode } from '../file-error.ts';

/** The files of a SQLite database at a path. */
export function sqliteFiles(path: string): { readonly main: string; readonly log: string; readonly journal: string } {
  return { main: path, log: `${path}-wal`, journal: `${path}-journal` };
}

/** What was read of a file: how much, and its hash. */
interface Reading {
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface CopyOptions {
  /** How many times to try before giving up; 20 if absent. */
  readonly tries?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Copies index and log to `<folder>/index` and `<folder>/index-wal` as they were at one moment.
 * @returns the path of the copied index.
 * Throws `changed-meanwhile` if the index changed during every try, `full`, `forbidden`, or `configuration` (no such index).
 */
export async function copyLiveIndex(path: string, folder: string, options: CopyOptions = {}): Promise<string> {
  const tries = options.tries ?? 20;
  const target = join(folder, 'index');
  for (let attempt = 1; attempt <= tries; attempt += 1) {
    throwIfAborted(options.signal);
    if (await copyOnce(path, target)) return target;
    // A checkpoint or a start is under way: give it time, with a little chance so as not to keep step with it.
    await wait(Math.min(50 * attempt, 1000) * (0.5 + Math.random()));
  }
  throw new MirrorError(
    'changed-meanwhile',
    `${path} changed during each of ${tries} tries to copy it; try again when the server is less busy, or use --stop`,
  );
}

/** Copies the files of a server that is stopped: no proof is needed. */
export async function copyStoppedIndex(path: string, folder: string): Promise<string> {
  const target = join(folder, 'index');
  const { main, log } = sqliteFiles(path);
  await read(main, undefined, target);
  if (await exists(log)) await read(log, undefined, sqliteFiles(target).log);
  return target;
}

/** @returns whether the copy is proven to be of one moment. */
async function copyOnce(path: string, target: string): Promise<boolean> {
  const { main, log, journal } = sqliteFiles(path);
  const targetFiles = sqliteFiles(target);
  // A rollback journal means that the bytes of the index itself are those of an unfinished transaction.
  if (await hasBytes(journal)) return false;
  const first = await read(main, undefined, targetFiles.main);
  const logThere = await exists(log);
  const firstLog = logThere ? await read(log, undefined, targetFiles.log) : undefined;
  if (!logThere) await rm(targetFiles.log, { force: true });
  const second = await read(main, undefined, undefined);
  const secondLog = firstLog === undefined ? undefined : await read(log, firstLog.sizeBytes, undefined);
  const journalCame = await hasBytes(journal);
  return !journalCame && same(first, second) && (firstLog === undefined || same(firstLog, secondLog));
}

function same(first: Reading, second: Reading | undefined): boolean {
  return first.sizeBytes === second?.sizeBytes && first.sha256 === second.sha256;
}

/** Reads a file, or its first `limitBytes`, and copies it if a target is given. A file that vanished reads as empty. */
async function read(path: string, limitBytes: number | undefined, target: string | undefined): Promise<Reading> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  if (limitBytes === 0) return { sizeBytes, sha256: hash.digest('hex') };
  const source = createReadStream(path, {
    highWaterMark: 1024 * 1024,
    ...(limitBytes === undefined ? {} : { end: limitBytes - 1 }),
  });
  const counted = async function* (chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      hash.update(chunk);
      sizeBytes += chunk.length;
      yield chunk;
    }
  };
  try {
    if (target === undefined) for await (const _ of counted(source));
    else await pipeline(source, counted, createWriteStream(target, { mode: 0o600 }));
  } catch (error) {
    throw fileError(error, pathOf(error, path), readingFailure(error));
  }
  return { sizeBytes, sha256: hash.digest('hex') };
}

function readingFailure(error: unknown): ErrorCode {
  if (systemCode(error) === 'ENOENT') return 'configuration';
  return isForbidden(error) ? 'forbidden' : 'server-error';
}

/** The path that a system error names: the disk that is full may be the one of the copy. */
function pathOf(error: unknown, fallback: string): string {
  return error instanceof Error && 'path' in error && typeof error.path === 'string' ? error.path : fallback;
}

async function exists(path: string): Promise<boolean> {
  return (await sizeOf(path)) !== undefined;
}

async function hasBytes(path: string): Promise<boolean> {
  return ((await sizeOf(path)) ?? 0) > 0;
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw fileError(error, path, 'configuration');
  }
}
