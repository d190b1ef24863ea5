/** Opening files of SQLite so that nothing is ever changed in Orthanc's own folders. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { MirrorError } from '../../errors.ts';
import { wholeBytesOf } from '../files/file-bytes.ts';

const magic = 'SQLite format 3\0';

/** @returns whether there is a regular file at a path, and it is a SQLite database. */
export async function isSqliteFile(path: string): Promise<boolean> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => undefined);
  if (handle === undefined) return false;
  await using file = handle;
  if (!(await file.stat()).isFile()) return false;
  return (await wholeBytesOf(file, magic.length)).toString('latin1') === magic;
}

/**
 * Opens a database that nobody has open. It is opened as immutable: without it, even reading would create `-wal` and
 * `-shm` files beside the index, owned by this user, and Orthanc could then not start.
 * Throws `answer-malformed` if the file is no SQLite database.
 */
export function openUnused(path: string): DatabaseSync {
  const url = pathToFileURL(path);
  url.searchParams.set('immutable', '1');
  const database = guarded(path, () => new DatabaseSync(url, { readOnly: true }));
  // Whoever made the file cannot have functions called by what it declares.
  database.exec('PRAGMA trusted_schema = OFF');
  return database;
}

/**
 * Brings a copied database into one file, as SQLite does after a crash: its log is taken in, and what a journal tells of
 * an unfinished transaction is undone. Throws `answer-malformed`, calling it `name`, if the copy is damaged.
 */
export function recover(path: string, name = path): void {
  const database = guarded(name, () => new DatabaseSync(path));
  try {
    guarded(name, () => database.exec('PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE;'));
  } finally {
    database.close();
  }
}

/** Reads a whole database that nobody has open. Throws `answer-malformed`, calling it `name`, if it is damaged. */
export function checkIntegrity(path: string, name = path): void {
  const database = openUnused(path);
  try {
    const problems = guarded(name, () => database.prepare('PRAGMA integrity_check').all());
    const [first] = problems;
    if (problems.length !== 1 || first?.integrity_check !== 'ok') throw damaged(name);
  } finally {
    database.close();
  }
}

/** Runs something on a database; errors of SQLite mean that the file is damaged, or no database at all. */
export function guarded<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof MirrorError) throw error;
    throw damaged(path, error);
  }
}

function damaged(path: string, cause?: unknown): MirrorError {
  const options = cause === undefined ? {} : { cause };
  return new MirrorError('answer-malformed', `${path} is no SQLite index of Orthanc, or is damaged`, options);
}
