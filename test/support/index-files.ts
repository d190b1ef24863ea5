/** Makes SQLite index files of every schema version, from the documented tables. */
import { randomUUID } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { type Md5, orthancIdOf } from '../../core/identifiers.ts';
import type { SchemaVersion } from '../../core/orthanc-disk/schema-matrix.ts';

/** A row of AttachedFiles to write; sizes and hash of the bytes in the storage. */
export interface FileRow {
  readonly uuid: string;
  readonly sizeBytes: number;
  readonly md5?: Md5;
  readonly customData?: string;
}

const commonTables = `
  CREATE TABLE Resources(internalId INTEGER PRIMARY KEY AUTOINCREMENT, resourceType INTEGER, publicId TEXT, parentId INTEGER);
  CREATE TABLE MainDicomTags(id INTEGER, tagGroup INTEGER, tagElement INTEGER, value TEXT, PRIMARY KEY(id, tagGroup, tagElement));
  CREATE TABLE Metadata(id INTEGER, type INTEGER, value TEXT, PRIMARY KEY(id, type));
  CREATE TABLE Changes(seq INTEGER PRIMARY KEY AUTOINCREMENT, changeType INTEGER, internalId INTEGER, resourceType INTEGER, date TEXT);`;

/** Writes an index of a schema version with one instance per row. */
export function makeIndexFile(path: string, schema: SchemaVersion, rows: readonly FileRow[] = []): void {
  const number = schema === 'unversioned' ? 1 : schema;
  const database = new DatabaseSync(path);
  database.exec(commonTables);
  const hashes = number >= 4 ? ', uncompressedMD5 TEXT, compressedMD5 TEXT' : '';
  const custom = number >= 6 ? ', revision INTEGER, customData BLOB' : '';
  database.exec(`CREATE TABLE AttachedFiles(id INTEGER, fileType INTEGER, uuid TEXT, compressedSize INTEGER,
    uncompressedSize INTEGER, compressionType INTEGER${hashes}${custom}, PRIMARY KEY(id, fileType))`);
  if (number >= 5) {
    database.exec(`CREATE TABLE DicomIdentifiers(id INTEGER, tagGroup INTEGER, tagElement INTEGER, value TEXT,
      PRIMARY KEY(id, tagGroup, tagElement))`);
  }
  if (number >= 6) database.exec('CREATE TABLE DeletedFiles(uuid TEXT NOT NULL, customData BLOB)');
  if (schema !== 'unversioned') {
    database.exec('CREATE TABLE GlobalProperties(property INTEGER PRIMARY KEY, value TEXT)');
    database.prepare('INSERT INTO GlobalProperties VALUES (1, ?)').run(String(schema));
  }
  database.exec('BEGIN');
  for (const row of rows) insertRow(database, number, row);
  database.exec('COMMIT');
  database.close();
}

function insertRow(database: DatabaseSync, schema: number, { uuid, sizeBytes, md5, customData }: FileRow): void {
  const { lastInsertRowid } = database
    .prepare('INSERT INTO Resources(resourceType, publicId) VALUES (4, ?)')
    .run(orthancIdOf(uuid));
  const hashes = schema >= 4 ? [md5 ?? '', md5 ?? ''] : [];
  const custom = schema >= 6 ? [0, customData === undefined ? null : Buffer.from(customData)] : [];
  const values = [lastInsertRowid, 1, uuid, sizeBytes, sizeBytes, 1, ...hashes, ...custom];
  database.prepare(`INSERT INTO AttachedFiles VALUES (${values.map(() => '?').join(', ')})`).run(...values);
}

/** A uuid as Orthanc makes them. */
export function newUuid(): string {
  return randomUUID();
}
