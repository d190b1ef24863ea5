/** The SQLite index of an Orthanc, of every schema version. */
import { stat } from 'node:fs/promises';
import type { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { MirrorError } from '../../errors.ts';
import { fileError, systemCode } from '../files/file-error.ts';
import { makeWorkFolder } from '../files/work-folder.ts';
import type { SchemaVersion, SqliteAddition } from '../schema-matrix.ts';
import type { IndexDescription, IndexedFile, IndexReader } from './index-reader.ts';
import { indexedFile } from './indexed-row.ts';
import { copyLiveIndex, sqliteFiles } from './sqlite-copy.ts';
import { foldLog, guarded, openUnused } from './sqlite-database.ts';

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

/** Reads the folded copy of an index at `path`; for a caller that made the copy itself. */
export function openFoldedIndex(path: string): IndexReader {
  return readerOf(path, openUnused(path), false);
}

async function openCopy(path: string, options: SqliteIndexOptions): Promise<IndexReader> {
  const folder = await makeWorkFolder(options.workFolder);
  try {
    const copy = await copyLiveIndex(path, folder.path, { signal: options.signal });
    foldLog(copy);
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
  if (!tables.has('Resources')) {
    database.close();
    throw new MirrorError('answer-malformed', `${name} is a SQLite database, but no index of Orthanc`);
  }
  const columns = columnsOf(database, 'AttachedFiles');
  const select = filesQuery(columns);
  return {
    name,
    live,
    describe: async () => guarded(name, () => describe(database, tables, columns)),
    files: () => iterate(name, database, `${select} ORDER BY file.uuid`),
    among: async (uuids) => filesAmong(iterate(name, database, select), uuids),
    pendingDeletions: async () => guarded(name, () => pendingDeletions(database, tables)),
    close: async () => database.close(),
  };
}

function tablesOf(name: string, database: DatabaseSync): ReadonlySet<string> {
  const rows = guarded(name, () => database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all());
  return new Set(rows.map((row) => String(row.name)));
}

function columnsOf(database: DatabaseSync, table: string): ReadonlySet<string> {
  return new Set(
    database
      .prepare('SELECT name FROM pragma_table_info(?)')
      .all(table)
      .map((row) => String(row.name)),
  );
}

/** Versions 2 and 3 keep no MD5; custom data came with 1.12.8. */
function filesQuery(columns: ReadonlySet<string>): string {
  const column = (name: string) => (columns.has(name) ? `file.${name}` : 'NULL');
  return `SELECT file.uuid AS uuid, file.fileType AS fileType, file.compressedSize AS storedSize,
      ${column('compressedMD5')} AS storedMd5, ${column('customData')} AS customData,
      resource.resourceType AS resourceType, resource.publicId AS publicId
    FROM AttachedFiles AS file JOIN Resources AS resource ON resource.internalId = file.id`;
}

async function* iterate(name: string, database: DatabaseSync, query: string): AsyncGenerator<IndexedFile> {
  const rows = guarded(name, () => database.prepare(query).iterate());
  while (true) {
    const next = guarded(name, () => rows.next());
    if (next.done === true) return;
    yield indexedFile(next.value, 1);
  }
}

async function filesAmong(
  files: AsyncIterable<IndexedFile>,
  uuids: ReadonlySet<string>,
): Promise<ReadonlyMap<string, IndexedFile>> {
  const found = new Map<string, IndexedFile>();
  for await (const file of files) if (uuids.has(file.uuid)) found.set(file.uuid, file);
  return found;
}

const totals = z.object({ instances: z.number(), bytes: z.number() });

function describe(
  database: DatabaseSync,
  tables: ReadonlySet<string>,
  fileColumns: ReadonlySet<string>,
): IndexDescription {
  const { instances, bytes } = totals.parse(
    database
      .prepare(
        `SELECT (SELECT COUNT(*) FROM Resources WHERE resourceType = 4) AS instances,
          (SELECT IFNULL(SUM(compressedSize), 0) FROM AttachedFiles) AS bytes`,
      )
      .get(),
  );
  return {
    backend: 'sqlite',
    schema: schemaOf(database, tables),
    revision: undefined,
    revisionIsExact: false,
    sqliteAdditions: additionsOf(database, tables, fileColumns),
    instances,
    storedBytes: bytes,
  };
}

function schemaOf(database: DatabaseSync, tables: ReadonlySet<string>): SchemaVersion {
  if (!tables.has('GlobalProperties')) return 'unversioned';
  const row = database.prepare('SELECT value FROM GlobalProperties WHERE property = 1').get();
  return row === undefined ? 'unversioned' : Number(row.value);
}

function additionsOf(
  database: DatabaseSync,
  tables: ReadonlySet<string>,
  fileColumns: ReadonlySet<string>,
): readonly SqliteAddition['name'][] {
  const additions: readonly (readonly [SqliteAddition['name'], boolean])[] = [
    ['size-triggers', tables.has('GlobalIntegers')],
    ['labels', tables.has('Labels')],
    ['revisions-and-custom-data', fileColumns.has('customData')],
    ['queue-reservations', tables.has('Queues') && columnsOf(database, 'Queues').has('reservedUntil')],
  ];
  return additions.flatMap(([name, present]) => (present ? [name] : []));
}

function pendingDeletions(database: DatabaseSync, tables: ReadonlySet<string>): ReadonlySet<string> {
  if (!tables.has('DeletedFiles')) return new Set();
  return new Set(
    database
      .prepare('SELECT uuid FROM DeletedFiles')
      .all()
      .map((row) => String(row.uuid)),
  );
}
