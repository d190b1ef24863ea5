/** Opening files of SQLite so that nothing is ever changed in Orthanc's own folders. */
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { MirrorError } from '../../errors.ts';

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

/** Takes the log of a copied database into its main file. Throws `answer-malformed` if the copy is damaged. */
export function foldLog(path: string): void {
  const database = guarded(path, () => new DatabaseSync(path));
  try {
    guarded(path, () => database.exec('PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE;'));
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
