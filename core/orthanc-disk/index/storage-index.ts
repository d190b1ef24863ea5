/**
 * The SQLite index of an Orthanc storage that is imported, of every schema from 3 to 6 (ORTHANC.md, section 2.2): which
 * file is what, and which instance it belongs to. It is asked file by file, so a copy is read that finds files by uuid.
 */
import { realpath } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { MirrorError } from '../../errors.ts';
import type { OrthancId } from '../../identifiers.ts';
import { fileError } from '../files/file-error.ts';
import { makeWorkFolder } from '../files/work-folder.ts';
import { contentTypes, type IndexedFile } from './index-reader.ts';
import { type HashAttachment, IndexedStudies } from './indexed-studies.ts';
import { type CopyOptions, copyRecovered } from './sqlite-copy.ts';
import { guarded } from './sqlite-database.ts';
import { SqliteTables } from './sqlite-tables.ts';

const oldestSchema = 3;
const newestSchema = 6;

export class StorageIndex {
  readonly #tables: SqliteTables;
  readonly #opened: AsyncDisposableStack;

  private constructor(tables: SqliteTables, opened: AsyncDisposableStack) {
    this.#tables = tables;
    this.#opened = opened;
  }

  /**
   * Opens a copy of an index that is proven to be of one moment.
   * Throws what {@link copyRecovered} throws, and `configuration` if it is of a schema that no Orthanc from 0.4.0 on has
   * written.
   */
  static async open(path: string, options: CopyOptions = {}): Promise<StorageIndex> {
    await using opening = new AsyncDisposableStack();
    const folder = opening.use(await makeWorkFolder());
    const copy = await copyRecovered(await linkedPath(path), folder.path, options);
    const database = guarded(path, () => new DatabaseSync(copy));
    opening.defer(() => database.close());
    const tables = new SqliteTables(path, database);
    refuseUnknownSchema(tables);
    guarded(path, () => database.exec('CREATE INDEX IF NOT EXISTS orthancMirrorUuid ON AttachedFiles(uuid)'));
    return new StorageIndex(tables, opening.move());
  }

  /** What is known of a file of the storage; `undefined` if the index does not know it. */
  fileOf(uuid: string): IndexedFile | undefined {
    return this.#tables.files('WHERE file.uuid = ?', uuid).next().value;
  }

  /** The files of all instances. */
  instanceFiles(): Iterable<IndexedFile> {
    return this.#tables.files('WHERE file.fileType = ?', contentTypes.dicom);
  }

  /** The file of an attachment. */
  attachmentOf(resource: OrthancId, number: number): IndexedFile | undefined {
    return this.#tables.files('WHERE resource.publicId = ? AND file.fileType = ?', resource, number).next().value;
  }

  /** What the DICOM files do not hold. @param hash for indexes that keep no hashes */
  studies(hash: HashAttachment): IndexedStudies {
    return new IndexedStudies(this.#tables, hash);
  }

  /** Deletes the copy. Idempotent. */
  close(): Promise<void> {
    return this.#opened.disposeAsync();
  }
}

/** Where a link leads that the user named as the index: those in the storage itself are not followed. */
async function linkedPath(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    throw fileError(error, path, 'configuration');
  }
}

function refuseUnknownSchema(tables: SqliteTables): void {
  const schema = tables.schema();
  if (typeof schema === 'number' && schema >= oldestSchema && schema <= newestSchema) return;
  throw new MirrorError(
    'configuration',
    `the index has schema ${schema}; ${oldestSchema} to ${newestSchema} can be read`,
  );
}
