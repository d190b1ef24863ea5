/** Makes index files of the schemas that Orthanc has had, from its documented tables (ORTHANC.md, section 2.2). */
import { DatabaseSync } from 'node:sqlite';
import type { OrthancId } from '../../../core/identifiers.ts';

export interface IndexContent {
  readonly resources: readonly {
    /** 1 patient to 4 instance. */
    readonly level: number;
    readonly id: OrthancId;
    readonly metadata?: Readonly<Record<number, string>>;
    /** Written in schema 6 only. */
    readonly labels?: readonly string[];
    readonly isProtected?: boolean;
    /** Position of the parent, from 1; the resource before by default. */
    readonly parent?: number;
  }[];
  readonly files: readonly {
    readonly id: OrthancId;
    readonly uuid: string;
    readonly type: number;
    readonly sizeBytes: number;
    /** Written from schema 4 on. */
    readonly md5: string;
  }[];
}

/** Writes an index of schema 2 to 7 with the tables that are read from it. */
export function makeIndex(path: string, schema: number, { resources, files }: IndexContent): void {
  const database = new DatabaseSync(path);
  const md5Columns = schema >= 4 ? ', uncompressedMD5 TEXT, compressedMD5 TEXT' : '';
  database.exec(`
    CREATE TABLE GlobalProperties(property INTEGER PRIMARY KEY, value TEXT);
    INSERT INTO GlobalProperties VALUES (1, '${schema}');
    CREATE TABLE Resources(internalId INTEGER PRIMARY KEY AUTOINCREMENT, resourceType INTEGER, publicId TEXT, parentId INTEGER);
    CREATE TABLE Metadata(id INTEGER, type INTEGER, value TEXT, PRIMARY KEY(id, type));
    CREATE TABLE AttachedFiles(id INTEGER, fileType INTEGER, uuid TEXT, compressedSize INTEGER, uncompressedSize INTEGER,
      compressionType INTEGER${md5Columns}, PRIMARY KEY(id, fileType));
    CREATE TABLE PatientRecyclingOrder(seq INTEGER PRIMARY KEY AUTOINCREMENT, patientId INTEGER);
    ${schema >= 6 ? 'CREATE TABLE Labels(id INTEGER, label TEXT, PRIMARY KEY(id, label));' : ''}`);
  resources.forEach(({ level, id, metadata = {}, labels = [], isProtected, parent }, position) => {
    const internalId = position + 1;
    database
      .prepare('INSERT INTO Resources VALUES (?, ?, ?, ?)')
      .run(internalId, level, id, level === 1 ? null : (parent ?? position));
    for (const [type, value] of Object.entries(metadata)) {
      database.prepare('INSERT INTO Metadata VALUES (?, ?, ?)').run(internalId, Number(type), value);
    }
    for (const label of schema >= 6 ? labels : []) {
      database.prepare('INSERT INTO Labels VALUES (?, ?)').run(internalId, label);
    }
    if (level === 1 && isProtected !== true) {
      database.prepare('INSERT INTO PatientRecyclingOrder(patientId) VALUES (?)').run(internalId);
    }
  });
  for (const { id, uuid, type, sizeBytes, md5 } of files) {
    const internalId = resources.findIndex((resource) => resource.id === id) + 1;
    const hashes = schema >= 4 ? [md5, md5] : [];
    database
      .prepare(`INSERT INTO AttachedFiles VALUES (?, ?, ?, ?, ?, 1${', ?'.repeat(hashes.length)})`)
      .run(internalId, type, uuid, sizeBytes, sizeBytes, ...hashes);
  }
  database.close();
}
