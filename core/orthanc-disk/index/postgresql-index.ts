/** The index that the PostgreSQL plugin keeps, of every revision. Reads one snapshot of a database in use. */
import pg from 'pg';
import * as z from 'zod';
import { MirrorError } from '../../errors.ts';
import type { IndexDescription, IndexedFile, IndexReader } from './index-reader.ts';
import { indexedFile } from './indexed-row.ts';
import { clientConfig, connectionName, type PostgresqlConnection } from './postgresql-connection.ts';

const rowsPerFetch = 5000;

/** A view of a PostgreSQL index; `snapshot` lets pg_dump see exactly the same. */
export interface PostgresqlIndexReader extends IndexReader {
  readonly snapshot: string;
}

/**
 * Opens a read-only transaction that sees one moment of the database.
 * Throws `unreachable`, `unauthorized`, or `configuration` (no such database, no index of Orthanc in it).
 */
export async function openPostgresqlIndex(connection: PostgresqlConnection): Promise<PostgresqlIndexReader> {
  const name = connectionName(connection);
  const client = new pg.Client(clientConfig(connection));
  // A connection that breaks while idle is noticed by the next query.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const columns = await columnsOf(client, 'attachedfiles');
    if (!columns.has('uuid')) throw new MirrorError('configuration', `${name} holds no index of Orthanc`);
    const snapshot = z.object({ id: z.string() }).parse((await client.query(snapshotQuery)).rows[0]).id;
    return reader(name, client, columns, snapshot);
  } catch (error) {
    await client.end().catch(() => undefined);
    throw postgresqlError(error, name);
  }
}

const snapshotQuery = 'SELECT pg_export_snapshot() AS id';

function reader(
  name: string,
  client: pg.Client,
  columns: ReadonlySet<string>,
  snapshot: string,
): PostgresqlIndexReader {
  const guard = async <T>(action: Promise<T>): Promise<T> => {
    try {
      return await action;
    } catch (error) {
      throw postgresqlError(error, name);
    }
  };
  return {
    name,
    live: true,
    snapshot,
    describe: () => guard(describe(client)),
    files: () => files(name, client, columns),
    among: (uuids) => guard(among(client, columns, uuids)),
    // Table DeletedFiles is no queue here: the plugin fills it while it deletes, and empties it when it next deletes.
    pendingDeletions: async () => new Set(),
    close: () => client.end(),
  };
}

/** Unquoted names are folded to lower case by PostgreSQL. `customData` came with revision 5. */
function filesQuery(columns: ReadonlySet<string>): string {
  const customData = columns.has('customdata') ? 'file.customData' : 'NULL';
  return `SELECT file.uuid AS "uuid", file.fileType AS "fileType", file.compressionType AS "compression",
      file.compressedSize AS "storedSize", file.compressedHash AS "storedMd5",
      file.uncompressedSize AS "contentSize", file.uncompressedHash AS "contentMd5", ${customData} AS "customData",
      resource.resourceType AS "resourceType", resource.publicId AS "publicId"
    FROM AttachedFiles AS file JOIN Resources AS resource ON resource.internalId = file.id`;
}

/** The index of a running server has rows without number: they are fetched in portions through a cursor. */
async function* files(name: string, client: pg.Client, columns: ReadonlySet<string>): AsyncGenerator<IndexedFile> {
  try {
    await client.query(`DECLARE listed NO SCROLL CURSOR FOR ${filesQuery(columns)} ORDER BY file.uuid COLLATE "C"`);
    while (true) {
      const { rows } = await client.query(`FETCH ${rowsPerFetch} FROM listed`);
      for (const row of rows) yield indexedFile(row, 0);
      if (rows.length < rowsPerFetch) break;
    }
    await client.query('CLOSE listed');
  } catch (error) {
    throw postgresqlError(error, name);
  }
}

async function among(
  client: pg.Client,
  columns: ReadonlySet<string>,
  uuids: ReadonlySet<string>,
): Promise<ReadonlyMap<string, IndexedFile>> {
  const { rows } = await client.query(`${filesQuery(columns)} WHERE file.uuid = ANY($1)`, [[...uuids]]);
  return new Map(rows.map((row) => indexedFile(row, 0)).map((file) => [file.uuid, file]));
}

const totals = z.object({ instances: z.coerce.number(), bytes: z.coerce.number() });
const properties = z.array(z.object({ property: z.number(), value: z.string() }));

async function describe(client: pg.Client): Promise<IndexDescription> {
  const result = await client.query(
    `SELECT (SELECT COUNT(*) FROM Resources WHERE resourceType = 3) AS instances,
      (SELECT COALESCE(SUM(compressedSize), 0) FROM AttachedFiles) AS bytes`,
  );
  const { instances, bytes } = totals.parse(result.rows[0]);
  const { rows } = await client.query('SELECT property, value FROM GlobalProperties WHERE property IN (1, 4)');
  const values = new Map(properties.parse(rows).map(({ property, value }) => [property, Number(value)]));
  return {
    backend: 'postgresql',
    schema: values.get(1) ?? 'unversioned',
    revision: values.get(4) ?? 0,
    revisionIsExact: true,
    sqliteAdditions: undefined,
    instances,
    storedBytes: bytes,
  };
}

async function columnsOf(client: pg.Client, table: string): Promise<ReadonlySet<string>> {
  const { rows } = await client.query(
    'SELECT column_name AS name FROM information_schema.columns WHERE table_name = $1 AND table_schema = ANY(current_schemas(false))',
    [table],
  );
  return new Set(
    z
      .array(z.object({ name: z.string() }))
      .parse(rows)
      .map(({ name }) => name),
  );
}

/** Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html */
export function postgresqlError(error: unknown, name: string): MirrorError {
  if (error instanceof MirrorError) return error;
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  const options = { cause: error };
  if (code.startsWith('28')) return new MirrorError('unauthorized', `${name} refuses user or password`, options);
  if (code === '3D000') return new MirrorError('configuration', `${name}: there is no such database`, options);
  if (code === '42501') return new MirrorError('forbidden', `${name}: this user may not read the index`, options);
  if (code.startsWith('5') || /^E[A-Z]+$/.test(code) || code === '') {
    return new MirrorError('unreachable', `${name} cannot be reached (${code || 'connection lost'})`, options);
  }
  return new MirrorError('server-error', `${name} reports error ${code}`, options);
}
