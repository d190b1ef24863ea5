/**
 * The SQLite index of an Orthanc storage, of every schema from 3 to 6 (ORTHANC.md, section 2.2): which file is what,
 * and which instance it belongs to.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { z } from 'zod';
import { MirrorError } from '../errors.ts';
import { isMd5, isOrthancId, type Md5, type OrthancId } from '../identifiers.ts';
import { copyIndex } from './index-copy.ts';
import { type HashAttachment, IndexedStudies } from './indexed-studies.ts';

/** Kind of an attachment (Enumerations.h, FileContentType). */
export const contentTypes = { dicom: 1, jsonSummary: 2, untilPixelData: 3, firstUser: 1024 } as const;

/** What the index knows of one file of the storage. */
export interface IndexedFile {
  readonly uuid: string;
  /** Orthanc id of the resource that it is attached to, as this server computed it. */
  readonly resourceId: OrthancId;
  readonly contentType: number;
  /** Size of the content, uncompressed. */
  readonly sizeBytes: number;
  /** Whether it lies compressed in the storage. */
  readonly isCompressed: boolean;
  /** MD5 of the content, uncompressed; `undefined` in schema 3 or with `StoreMD5ForAttachments` off. */
  readonly md5: Md5 | undefined;
  /** Whether a plugin keeps the file at a place of its own choice (column `customData`, advanced-storage). */
  readonly isElsewhere: boolean;
}

const fileRow = z.object({
  uuid: z.string(),
  id: z.custom<OrthancId>(isOrthancId),
  contentType: z.number(),
  sizeBytes: z.number(),
  compression: z.number(),
  md5: z.string().nullable(),
  customData: z.unknown(),
});
const versionRow = z.object({ value: z.coerce.number() });
const nameRow = z.object({ name: z.string() });
const oldestSchema = 3;
const newestSchema = 6;
/** CompressionType_ZlibWithSize (Enumerations.h). */
const zlibWithSize = 2;

export class StorageIndex {
  readonly schemaVersion: number;
  readonly #database: DatabaseSync;
  readonly #removeCopy: () => Promise<void>;
  readonly #tables: ReadonlySet<string>;
  readonly #hasMd5: boolean;
  readonly #selectFiles: string;
  readonly #fileByUuid: StatementSync;

  private constructor(database: DatabaseSync, removeCopy: () => Promise<void>) {
    this.#database = database;
    this.#removeCopy = removeCopy;
    this.schemaVersion = schemaVersionOf(database);
    this.#tables = namesIn(database, "SELECT name FROM sqlite_master WHERE type = 'table'");
    const columns = namesIn(database, 'PRAGMA table_info(AttachedFiles)');
    this.#hasMd5 = columns.has('uncompressedMD5');
    this.#selectFiles = `SELECT f.uuid, r.publicId AS id, f.fileType AS contentType, f.uncompressedSize AS sizeBytes,
      f.compressionType AS compression, ${this.#hasMd5 ? 'f.uncompressedMD5' : 'NULL'} AS md5,
      ${columns.has('customData') ? "NULLIF(f.customData, '')" : 'NULL'} AS customData
      FROM AttachedFiles f JOIN Resources r ON r.internalId = f.id`;
    database.exec('CREATE INDEX IF NOT EXISTS orthancMirrorUuid ON AttachedFiles(uuid)');
    this.#fileByUuid = database.prepare(`${this.#selectFiles} WHERE f.uuid = ?`);
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
    const row = this.#fileByUuid.get(uuid);
    return row === undefined ? undefined : toFile(row);
  }

  /** The files of all instances. */
  *instanceFiles(): Generator<IndexedFile> {
    const query = `${this.#selectFiles} WHERE f.fileType = ?`;
    for (const row of this.#database.prepare(query).iterate(contentTypes.dicom)) {
      yield toFile(row);
    }
  }

  /** The file of an attachment. */
  attachmentOf(resourceId: OrthancId, number: number): IndexedFile | undefined {
    const query = `${this.#selectFiles} WHERE r.publicId = ? AND f.fileType = ?`;
    const row = this.#database.prepare(query).get(resourceId, number);
    return row === undefined ? undefined : toFile(row);
  }

  /** What the DICOM files do not hold. @param hash for indexes that keep no hashes */
  studies(hash: HashAttachment): IndexedStudies {
    return new IndexedStudies(this.#database, this.#tables, this.#hasMd5, hash);
  }

  /** Deletes the copy. Idempotent. */
  async close(): Promise<void> {
    if (this.#database.isOpen) {
      this.#database.close();
    }
    await this.#removeCopy();
  }
}

function schemaVersionOf(database: DatabaseSync): number {
  const row = database.prepare('SELECT value FROM GlobalProperties WHERE property = 1').get();
  const version = row === undefined ? undefined : versionRow.parse(row).value;
  if (version === undefined || !(version >= oldestSchema && version <= newestSchema)) {
    throw new MirrorError(
      'configuration',
      `the index has schema ${version ?? 'unknown'}; 3 to 6 can be read: import without it (--no-index)`,
    );
  }
  return version;
}

function namesIn(database: DatabaseSync, query: string): ReadonlySet<string> {
  const rows = database.prepare(query).all();
  return new Set(rows.map((row) => nameRow.parse(row).name));
}

function toFile(row: unknown): IndexedFile {
  const { uuid, id, contentType, sizeBytes, compression, md5, customData } = fileRow.parse(row);
  return {
    uuid,
    resourceId: id,
    contentType,
    sizeBytes,
    isCompressed: compression === zlibWithSize,
    md5: isMd5(md5) ? md5 : undefined,
    isElsewhere: customData !== null,
  };
}
