/** The SQLite index of an Orthanc, of every schema version. */
import { stat } from 'node:fs/promises';
import type { DatabaseSync } from 'node:sqlite';
import * as z from 'zod';
import { MirrorError } from '../../errors.ts';
import { fileError, systemCode } from '../files/file-error.ts';
import { makeWorkFolder } from '../files/work-folder.ts';
import type { SqliteAddition } from '../schema-matrix.ts';
import type { IndexDescription, IndexedFile, IndexReader } from './index-reader.ts';
import { copyRecovered, sqliteFiles } from './sqlite-copy.ts';
import { guarded, openUnused } from './sqlite-database.ts';
import { SqliteTables } from './sqlite-tables.ts';

export interface SqliteIndexOptions {
  /** Where a copy of the index of a running server is put meanwhile; the system's temporary folder if absent. */
  readonly workFolder?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens a SQLite index: in place if no server has it open, else a copy that is proven to be of one moment.
 * Throws `configuration` (no such file), `answer-malformed` (no index of Orthanc, or damaged), `changed-meanwhile`
 * (no copy succeeded).
 */
export async function openSqliteIndex(path: string, options: SqliteIndexOptions = {}): Promise<IndexReader> {
  const before = await modified(path);
  if (await inUse(path)) return openCopy(path, options);
  const reader = readerOf(path, openUnused(path), false);
  return {
    ...reader,
    close: async () => {
      await reader.close();
      if ((await inUse(path)) || (await modified(path)) !== before) {
        throw new MirrorError('changed-meanwhile', `a server was started on ${path} while it was read; run again`);
      }
    },
  };
}

/** Reads the recovered copy of an index at `path`; for a caller that made the copy itself. */
export function openRecoveredIndex(path: string): IndexReader {
  return readerOf(path, openUnused(path), false);
}

async function openCopy(path: string, options: SqliteIndexOptions): Promise<IndexReader> {
  const folder = await makeWorkFolder(options.workFolder);
  try {
    const copy = await copyRecovered(path, folder.path, { signal: options.signal });
    const reader = readerOf(path, openUnused(copy), true);
    return {
      ...reader,
      close: async () => {
        await reader.close();
        await folder[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * Whether a server may have the index open, or was killed while it had: there is a log then. SQLite creates the log
 * when it opens a database in WAL mode, and removes it when the last connection closes.
 */
async function inUse(path: string): Promise<boolean> {
  const { log, journal } = sqliteFiles(path);
  return (await modified(log, true)) !== undefined || (await modified(journal, true)) !== undefined;
}

async function modified(path: string, mayBeAbsent = false): Promise<bigint | undefined> {
  try {
    const found = await stat(path, { bigint: true });
    if (!found.isFile()) throw new MirrorError('configuration', `${path} is no file`);
    return found.mtimeNs;
  } catch (error) {
    if (mayBeAbsent && systemCode(error) === 'ENOENT') return undefined;
    throw fileError(error, path, 'configuration');
  }
}

function readerOf(name: string, database: DatabaseSync, live: boolean): IndexReader {
  const tables = tablesOf(name, database);
  return {
    name,
    live,
    describe: async () => guarded(name, () => describe(tables)),
    files: () => asynchronous(tables.files('ORDER BY file.uuid')),
    among: async (uuids) => filesAmong(tables.files(''), uuids),
    pendingDeletions: async () => pendingDeletions(tables),
    close: async () => database.close(),
  };
}

function tablesOf(name: string, database: DatabaseSync): SqliteTables {
  try {
    return new SqliteTables(name, database);
  } catch (error) {
    database.close();
    throw error;
  }
}

async function* asynchronous<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}

function filesAmong(files: Iterable<IndexedFile>, uuids: ReadonlySet<string>): ReadonlyMap<string, IndexedFile> {
  const found = new Map<string, IndexedFile>();
  for (const file of files) if (uuids.has(file.uuid)) found.set(file.uuid, file);
  return found;
}

const totals = z.object({ instances: z.number(), bytes: z.number() });

function describe(tables: SqliteTables): IndexDescription {
  const [row] = tables.rows(
    `SELECT (SELECT COUNT(*) FROM Resources WHERE resourceType = 4) AS instances,
      (SELECT IFNULL(SUM(compressedSize), 0) FROM AttachedFiles) AS bytes`,
  );
  const { instances, bytes } = totals.parse(row);
  return {
    backend: 'sqlite',
    schema: tables.schema(),
    revision: undefined,
    revisionIsExact: false,
    sqliteAdditions: additionsOf(tables),
    instances,
    storedBytes: bytes,
  };
}

function additionsOf(tables: SqliteTables): readonly SqliteAddition['name'][] {
  const additions: readonly (readonly [SqliteAddition['name'], boolean])[] = [
    ['size-triggers', tables.has('GlobalIntegers')],
    ['labels', tables.has('Labels')],
    ['revisions-and-custom-data', tables.columnsOf('AttachedFiles').has('customData')],
    ['queue-reservations', tables.has('Queues') && tables.columnsOf('Queues').has('reservedUntil')],
  ];
  return additions.flatMap(([name, present]) => (present ? [name] : []));
}

function pendingDeletions(tables: SqliteTables): ReadonlySet<string> {
  const rows = tables.has('DeletedFiles') ? tables.rows('SELECT uuid FROM DeletedFiles') : [];
  return new Set(Array.from(rows, (row) => String(row.uuid)));
}
