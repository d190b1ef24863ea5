/**
 * Reads the SQLite index of an Orthanc storage, of every schema from 3 to 6 (ORTHANC.md, section 2.2): which file is
 * what, which instance it belongs to, and what the DICOM files themselves do not hold.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { z } from 'zod';
import { MirrorError } from '../errors.ts';
import { isMd5, isOrthancId, type Md5, type OrthancId, type ResourceLevel, resourceLevels } from '../identifiers.ts';
import { copyIndex } from './index-copy.ts';

/** Kind of an attachment (Enumerations.h, FileContentType). */
export const contentTypes = { dicom: 1, jsonSummary: 2, untilPixelData: 3, firstUser: 1024 } as const;

/** What the index knows of one file of the storage. */
export interface IndexedFile {
  readonly uuid: string;
  readonly level: ResourceLevel;
  /** Orthanc id of the resource that it is attached to, as this server computed it. */
  readonly resourceId: OrthancId;
  readonly contentType: number;
  /** Size of the content, uncompressed. */
  readonly sizeBytes: number;
  /** MD5 of the content, uncompressed; `undefined` in schema 3 or with `StoreMD5ForAttachments` off. */
  readonly md5: Md5 | undefined;
  /** Whether a plugin keeps the file at a place of its own choice (column `customData`, advanced-storage). */
  readonly isElsewhere: boolean;
}

/** What an index holds about one resource beyond its DICOM files: what a study document is made of. */
export interface CollectedDocument {
  readonly level: ResourceLevel;
  readonly id: OrthancId;
  /** User metadata by number (1024 and above). */
  readonly metadata: ReadonlyMap<number, string>;
  readonly labels: readonly string[];
  /** User attachments (1024 and above); their bytes are files of the storage, by uuid. */
  readonly attachments: readonly IndexedFile[];
  /** Whether a patient is protected from recycling; `undefined` for other levels. */
  readonly isProtected: boolean | undefined;
}

const fileRow = z.object({
  uuid: z.string(),
  level: z.number(),
  id: z.string(),
  contentType: z.number(),
  sizeBytes: z.number(),
  md5: z.string().nullable(),
  customData: z.unknown(),
});
const versionRow = z.object({ value: z.coerce.number() });
const resourceRow = z.object({ internalId: z.number(), level: z.number(), id: z.string() });
const metadataRow = z.object({ type: z.number(), value: z.coerce.string() });
const labelRow = z.object({ label: z.string() });
const nameRow = z.object({ name: z.string() });
const oldestSchema = 3;
const newestSchema = 6;

export class StorageIndex {
  readonly schemaVersion: number;
  readonly #database: DatabaseSync;
  readonly #removeCopy: () => Promise<void>;
  readonly #fileByUuid: StatementSync;
  readonly #filesOfType: string;
  readonly #tables: ReadonlySet<string>;

  private constructor(database: DatabaseSync, removeCopy: () => Promise<void>) {
    this.#database = database;
    this.#removeCopy = removeCopy;
    this.schemaVersion = schemaVersionOf(database);
    this.#tables = new Set(
      rows(database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'"), nameRow).map(({ name }) => name),
    );
    database.exec('CREATE INDEX IF NOT EXISTS orthancMirrorUuid ON AttachedFiles(uuid)');
    const columns = new Set(
      rows(database.prepare('PRAGMA table_info(AttachedFiles)'), nameRow).map(({ name }) => name),
    );
    const md5 = columns.has('uncompressedMD5') ? 'f.uncompressedMD5' : 'NULL';
    const customData = columns.has('customData') ? "NULLIF(f.customData, '')" : 'NULL';
    const select = `SELECT f.uuid AS uuid, r.resourceType AS level, r.publicId AS id, f.fileType AS contentType,
      f.uncompressedSize AS sizeBytes, ${md5} AS md5, ${customData} AS customData FROM AttachedFiles f JOIN Resources r ON r.internalId = f.id`;
    this.#fileByUuid = database.prepare(`${select} WHERE f.uuid = ?`);
    this.#filesOfType = `${select} WHERE `;
  }

  /**
   * Opens a copy of an index. Throws `configuration` if it cannot be copied, is damaged, or is of a schema that no
   * Orthanc from 0.4.0 on has written.
   */
  static async open(path: string): Promise<StorageIndex> {
    const copy = await copyIndex(path);
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(copy.path);
      return new StorageIndex(database, () => copy.remove());
    } catch (cause) {
      database?.close();
      await copy.remove();
      if (cause instanceof MirrorError) {
        throw cause;
      }
      throw new MirrorError('configuration', 'the index cannot be read; import without it (--no-index)', { cause });
    }
  }

  /** What is known of a file of the storage; `undefined` if the index does not know it. */
  fileOf(uuid: string): IndexedFile | undefined {
    return rows(this.#fileByUuid, fileRow, uuid).map(toFile)[0];
  }

  /** The files of all instances. */
  *instanceFiles(): Generator<IndexedFile> {
    const statement = this.#database.prepare(`${this.#filesOfType} f.fileType = ${contentTypes.dicom}`);
    for (const row of statement.iterate()) {
      yield toFile(fileRow.parse(row));
    }
  }

  /** The resources that have user metadata, labels, user attachments or protection, parents before children. */
  *documents(): Generator<CollectedDocument> {
    const statement = this.#database.prepare(
      `SELECT internalId, resourceType AS level, publicId AS id FROM Resources WHERE internalId IN (${this.#documented()})
       ORDER BY resourceType, publicId`,
    );
    for (const row of statement.iterate()) {
      yield this.#document(resourceRow.parse(row));
    }
  }

  /** Deletes the copy. Idempotent. */
  async close(): Promise<void> {
    if (this.#database.isOpen) {
      this.#database.close();
    }
    await this.#removeCopy();
  }

  #documented(): string {
    const queries = [
      `SELECT id FROM Metadata WHERE type >= ${contentTypes.firstUser}`,
      `SELECT id FROM AttachedFiles WHERE fileType >= ${contentTypes.firstUser}`,
    ];
    if (this.#tables.has('Labels')) {
      queries.push('SELECT id FROM Labels');
    }
    if (this.#tables.has('PatientRecyclingOrder')) {
      queries.push(`SELECT internalId FROM Resources WHERE ${isProtectedPatient}`);
    }
    return queries.join(' UNION ');
  }

  #document({ internalId, level, id }: z.infer<typeof resourceRow>): CollectedDocument {
    const metadata = rows(
      this.#database.prepare('SELECT type, value FROM Metadata WHERE id = ? AND type >= ? ORDER BY type'),
      metadataRow,
      internalId,
      contentTypes.firstUser,
    );
    const labels = this.#tables.has('Labels')
      ? rows(this.#database.prepare('SELECT label FROM Labels WHERE id = ? ORDER BY label'), labelRow, internalId)
      : [];
    const attachments = rows(
      this.#database.prepare(`${this.#filesOfType} f.id = ? AND f.fileType >= ? ORDER BY f.fileType`),
      fileRow,
      internalId,
      contentTypes.firstUser,
    );
    return {
      level: levelOf(level),
      id: orthancId(id),
      metadata: new Map(metadata.map(({ type, value }) => [type, value])),
      labels: labels.map(({ label }) => label),
      attachments: attachments.map(toFile),
      isProtected: level === 1 ? this.#isProtected(internalId) : undefined,
    };
  }

  #isProtected(internalId: number): boolean {
    if (!this.#tables.has('PatientRecyclingOrder')) {
      return false;
    }
    const query = `SELECT internalId, resourceType AS level, publicId AS id FROM Resources WHERE internalId = ? AND ${isProtectedPatient}`;
    return rows(this.#database.prepare(query), resourceRow, internalId).length > 0;
  }
}

/** A protected patient is absent from the order in which patients are recycled. */
const isProtectedPatient = 'resourceType = 1 AND internalId NOT IN (SELECT patientId FROM PatientRecyclingOrder)';

function schemaVersionOf(database: DatabaseSync): number {
  const version = rows(database.prepare('SELECT value FROM GlobalProperties WHERE property = 1'), versionRow)[0]?.value;
  if (version === undefined || !(version >= oldestSchema && version <= newestSchema)) {
    throw new MirrorError(
      'configuration',
      `the index has schema ${version ?? 'unknown'}; 3 to 6 can be read: import without it (--no-index)`,
    );
  }
  return version;
}

function rows<Row>(statement: StatementSync, row: z.ZodType<Row>, ...parameters: readonly (string | number)[]): Row[] {
  return statement.all(...parameters).map((each) => row.parse(each));
}

function toFile({ uuid, level, id, contentType, sizeBytes, md5, customData }: z.infer<typeof fileRow>): IndexedFile {
  return {
    uuid,
    level: levelOf(level),
    resourceId: orthancId(id),
    contentType,
    sizeBytes,
    md5: isMd5(md5) ? md5 : undefined,
    isElsewhere: customData !== null,
  };
}

function levelOf(resourceType: number): ResourceLevel {
  const level = resourceLevels[resourceType - 1];
  if (level === undefined) {
    throw new MirrorError('configuration', `the index has a resource of unknown type ${resourceType}`);
  }
  return level;
}

function orthancId(id: string): OrthancId {
  if (!isOrthancId(id)) {
    throw new MirrorError('configuration', 'the index has a resource without Orthanc id');
  }
  return id;
}
