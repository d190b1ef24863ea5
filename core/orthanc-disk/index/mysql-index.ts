/** The index that the MySQL plugin keeps, in MySQL or MariaDB. Reads one snapshot of a database in use. */
import * as z from 'zod';
import { MirrorError } from '../../errors.ts';
import { isUuid } from '../storage/storage-names.ts';
import type { IndexDescription, IndexedFile, IndexReader } from './index-reader.ts';
import { indexedFile } from './indexed-row.ts';
import type { MysqlConnection } from './mysql-connection.ts';
import { MysqlSession } from './mysql-session.ts';

/** Rows may be read slowly: the server would otherwise give up a reader that pauses for a minute. */
const patience = 'SET SESSION net_write_timeout = 86400, SESSION wait_timeout = 86400';

/**
 * Opens a read-only transaction that sees one moment of the database.
 * Throws `unreachable`, `unauthorized`, `forbidden`, `tls-untrusted`, or `configuration` (no such database, no index of Orthanc in it, no
 * client program).
 */
export async function openMysqlIndex(connection: MysqlConnection, signal?: AbortSignal): Promise<IndexReader> {
  const session = await MysqlSession.open(connection, signal);
  try {
    const columns = await columnsOf(session, 'AttachedFiles');
    if (!columns.has('uuid')) throw new MirrorError('configuration', `${session.name} holds no index of Orthanc`);
    await session.execute(patience);
    await session.execute('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
    await session.execute('START TRANSACTION WITH CONSISTENT SNAPSHOT');
    return reader(session, columns);
  } catch (error) {
    await session.close();
    throw error;
  }
}

function reader(session: MysqlSession, columns: ReadonlySet<string>): IndexReader {
  return {
    name: session.name,
    live: true,
    describe: () => describe(session),
    files: () => files(session, `${filesQuery(columns)} ORDER BY CAST(file.uuid AS BINARY)`),
    among: (uuids) => among(session, columns, uuids),
    // As in PostgreSQL, table DeletedFiles is scratch space of the plugin and no queue.
    pendingDeletions: async () => new Set(),
    close: () => session.close(),
  };
}

/** Column `customData` came with revision 9 of the plugin. */
function filesQuery(columns: ReadonlySet<string>): string {
  const customData = columns.has('customData') ? "COALESCE(HEX(file.customData), '')" : "''";
  return `SELECT file.uuid, file.fileType, file.compressionType,
    COALESCE(file.compressedSize, 0), COALESCE(file.compressedHash, ''),
    COALESCE(file.uncompressedSize, 0), COALESCE(file.uncompressedHash, ''),
    ${customData}, resource.resourceType, resource.publicId
    FROM AttachedFiles AS file JOIN Resources AS resource ON resource.internalId = file.id`;
}

async function* files(session: MysqlSession, query: string): AsyncGenerator<IndexedFile> {
  for await (const row of session.rows(query)) {
    const [uuid, fileType, compression, storedSize, storedMd5, contentSize, contentMd5, ...rest] = row;
    const [customData = '', resourceType, publicId] = rest;
    const content = { compression, storedSize, storedMd5, contentSize, contentMd5 };
    const columns = { uuid, fileType, ...content, customData: Buffer.from(customData, 'hex'), resourceType, publicId };
    yield indexedFile(columns, 0);
  }
}

/** How many uuids are asked for in one statement: some 40 KB. */
const uuidsAtOnce = 1000;

async function among(
  session: MysqlSession,
  columns: ReadonlySet<string>,
  uuids: ReadonlySet<string>,
): Promise<ReadonlyMap<string, IndexedFile>> {
  const found = new Map<string, IndexedFile>();
  // Names of files: anything else would be no uuid of a row.
  const asked = [...uuids].filter(isUuid);
  for (let from = 0; from < asked.length; from += uuidsAtOnce) {
    const list = asked.slice(from, from + uuidsAtOnce).map((uuid) => `'${uuid}'`);
    for await (const file of files(session, `${filesQuery(columns)} WHERE file.uuid IN (${list.join(', ')})`)) {
      found.set(file.uuid, file);
    }
  }
  return found;
}

const count = z.coerce.number();

async function describe(session: MysqlSession): Promise<IndexDescription> {
  const totals = await rowsOf(
    session,
    `SELECT (SELECT COUNT(*) FROM Resources WHERE resourceType = 3),
      (SELECT COALESCE(SUM(compressedSize), 0) FROM AttachedFiles)`,
  );
  const [instances, storedBytes] = z.tuple([count, count]).parse(totals[0]);
  const properties = await rowsOf(session, 'SELECT property, value FROM GlobalProperties WHERE property IN (1, 4)');
  const values = new Map(properties.map(([property, value]) => [property, Number(value)]));
  return {
    backend: 'mysql',
    schema: values.get('1') ?? 'unversioned',
    revision: values.get('4') ?? 0,
    revisionIsExact: true,
    sqliteAdditions: undefined,
    instances,
    storedBytes,
  };
}

async function columnsOf(session: MysqlSession, table: string): Promise<ReadonlySet<string>> {
  const query = `SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = '${table}'`;
  return new Set((await rowsOf(session, query)).flat());
}

function rowsOf(session: MysqlSession, query: string): Promise<(readonly string[])[]> {
  return Array.fromAsync(session.rows(query));
}
