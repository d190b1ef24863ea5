/**
 * Copying the SQLite index of a running Orthanc. Orthanc locks its index exclusively and keeps recent commits in the
 * write-ahead log beside it (`index-wal`), so it can neither be opened nor copied alone. In the other mode of SQLite a
 * journal beside it (`index-journal`) holds the pages that an unfinished transaction has overwritten. SQLite's own
 * recovery takes from a log everything up to its last whole commit, and puts the pages of a journal back: a copy of these
 * files is good if all held exactly the copied bytes at one and the same moment. That is proven by reading them a second
 * time: bytes that are equal in both readings were there at the moment between them. The log may have grown at its end
 * meanwhile; that is a later commit.
 */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { MirrorError } from '../../errors.ts';
import { throwIfAborted } from '../../stores/aborted.ts';
import { chunksOf } from '../files/file-bytes.ts';
import { fileError, isForbidden } from '../files/file-error.ts';
import { HeldFolder } from '../files/held-folder.ts';
import { recover } from './sqlite-database.ts';

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
 * Copies index, log and journal to `<folder>/index`, `index-wal` and `index-journal` as they were at one moment.
 * @returns the path of the copied index.
 * Throws `changed-meanwhile` if the index changed during every try, `full`, `forbidden`, `configuration` (no such index),
 * or `refused` (a link, or no regular file).
 */
export async function copyLiveIndex(path: string, folder: string, options: CopyOptions = {}): Promise<string> {
  const tries = options.tries ?? 20;
  const target = join(folder, 'index');
  await using source = await HeldFolder.open(dirname(path));
  for (let attempt = 1; attempt <= tries; attempt += 1) {
    throwIfAborted(options.signal);
    if (await copyOnce(source, basename(path), target)) return target;
    // A checkpoint or a start is under way: give it time, with a little chance so as not to keep step with it.
    await wait(Math.min(50 * attempt, 1000) * (0.5 + Math.random()));
  }
  throw new MirrorError(
    'changed-meanwhile',
    `${path} changed during each of ${tries} tries to copy it; try again when the server is less busy, or stop it meanwhile`,
  );
}

/**
 * Copies an index as {@link copyLiveIndex} does, and recovers the copy: its last whole commit, in one file.
 * Throws also `answer-malformed` (no SQLite database, or damaged).
 */
export async function copyRecovered(path: string, folder: string, options: CopyOptions = {}): Promise<string> {
  const copy = await copyLiveIndex(path, folder, options);
  recover(copy, path);
  return copy;
}

/** @returns whether the copy is proven to be of one moment. */
async function copyOnce(folder: HeldFolder, name: string, target: string): Promise<boolean> {
  const { main, log, journal } = sqliteFiles(name);
  const copies = sqliteFiles(target);
  const first = await read(folder, main, undefined, copies.main);
  const firstJournal = await copyBeside(folder, journal, copies.journal);
  const firstLog = await copyBeside(folder, log, copies.log);
  const second = await read(folder, main, undefined, undefined);
  const secondJournal = await readIfThere(folder, journal, undefined, undefined);
  const secondLog = firstLog && (await readIfThere(folder, log, firstLog.sizeBytes, undefined));
  return same(first, second) && same(firstJournal, secondJournal) && same(firstLog, secondLog);
}

/** Copies a file that need not be there; a copy of an earlier try does not stay. */
async function copyBeside(folder: HeldFolder, name: string, target: string): Promise<Reading | undefined> {
  const reading = await readIfThere(folder, name, undefined, target);
  if (reading === undefined) await rm(target, { force: true });
  return reading;
}

function same(first: Reading | undefined, second: Reading | undefined): boolean {
  return first?.sizeBytes === second?.sizeBytes && first?.sha256 === second?.sha256;
}

/** Reads a file, or its first `limitBytes`, and copies it if a target is given. */
async function read(
  folder: HeldFolder,
  name: string,
  limitBytes: number | undefined,
  target: string | undefined,
): Promise<Reading> {
  const reading = await readIfThere(folder, name, limitBytes, target);
  if (reading === undefined) throw new MirrorError('configuration', `${join(folder.path, name)} does not exist`);
  return reading;
}

async function readIfThere(
  folder: HeldFolder,
  name: string,
  limitBytes: number | undefined,
  target: string | undefined,
): Promise<Reading | undefined> {
  const path = join(folder.path, name);
  try {
    const file = await folder.openFile(name);
    if (file === undefined) return undefined;
    await using handle = file.handle;
    const hash = createHash('sha256');
    let sizeBytes = 0;
    const counted = async function* () {
      for await (const chunk of chunksOf(handle, limitBytes ?? Number.POSITIVE_INFINITY)) {
        hash.update(chunk);
        sizeBytes += chunk.length;
        yield chunk;
      }
    };
    if (target === undefined) for await (const _ of counted());
    else await pipeline(counted, createWriteStream(target, { mode: 0o600 }));
    return { sizeBytes, sha256: hash.digest('hex') };
  } catch (error) {
    throw fileError(error, pathOf(error, path), isForbidden(error) ? 'forbidden' : 'server-error');
  }
}

/** The path that a system error names: the disk that is full may be the one of the copy. */
function pathOf(error: unknown, fallback: string): string {
  const named = error instanceof Error && 'path' in error && typeof error.path === 'string' ? error.path : fallback;
  return named.startsWith('/proc/self/fd/') ? fallback : named;
}
