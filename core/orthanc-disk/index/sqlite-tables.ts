/** The tables of a SQLite index of Orthanc, of every schema version. */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { MirrorError } from '../../errors.ts';
import type { SchemaVersion } from '../schema-matrix.ts';
import type { IndexedFile } from './index-reader.ts';
import { indexedFile } from './indexed-row.ts';
import { guarded } from './sqlite-database.ts';

export class SqliteTables {
  /** How the index is called in messages. */
  readonly name: string;
  readonly database: DatabaseSync;
  readonly #names: ReadonlySet<string>;
  readonly #selectFiles: string;

  /** Throws `answer-malformed` for a database that is damaged, or no index of Orthanc. The caller closes it. */
  constructor(name: string, database: DatabaseSync) {
    this.name = name;
    this.database = database;
    this.#names = this.#namesIn("SELECT name FROM sqlite_master WHERE type = 'table'");
    if (!this.has('Resources')) {
      throw new MirrorError('answer-malformed', `${name} is a SQLite database, but no index of Orthanc`);
    }
    this.#selectFiles = filesQuery(this.columnsOf('AttachedFiles'));
  }

  /** Which tables there are depends on the version. */
  has(table: string): boolean {
    return this.#names.has(table);
  }

  columnsOf(table: string): ReadonlySet<string> {
    return this.#namesIn('SELECT name FROM pragma_table_info(?)', table);
  }

  schema(): SchemaVersion {
    const [row] = this.has('GlobalProperties')
      ? this.rows('SELECT value FROM GlobalProperties WHERE property = 1')
      : [];
    return row === undefined ? 'unversioned' : Number(row.value);
  }

  /**
   * Rows of `AttachedFiles` (`file`) joined to `Resources` (`resource`).
   * @param which what follows in the query: `WHERE …`, `ORDER BY …`, with the values of its parameters
   */
  *files(which: string, ...values: readonly SQLInputValue[]): Generator<IndexedFile> {
    for (const row of this.rows(`${this.#selectFiles} ${which}`, ...values)) yield indexedFile(row, 1);
  }

  /** Throws `answer-malformed` where the database is damaged. */
  *rows(query: string, ...values: readonly SQLInputValue[]): Generator<Record<string, unknown>> {
    const rows = guarded(this.name, () => this.database.prepare(query).iterate(...values));
    for (;;) {
      const next = guarded(this.name, () => rows.next());
      if (next.done === true) return;
      yield next.value;
    }
  }

  #namesIn(query: string, ...values: readonly SQLInputValue[]): ReadonlySet<string> {
    return new Set(Array.from(this.rows(query, ...values), (row) => String(row.name)));
  }
}

/** Versions 2 and 3 keep no MD5; custom data came with 1.12.8. */
function filesQuery(columns: ReadonlySet<string>): string {
  const column = (name: string) => (columns.has(name) ? `file.${name}` : 'NULL');
  return `SELECT file.uuid AS uuid, file.fileType AS fileType, file.compressionType AS compression,
      file.compressedSize AS storedSize, ${column('compressedMD5')} AS storedMd5,
      file.uncompressedSize AS contentSize, ${column('uncompressedMD5')} AS contentMd5,
      ${column('customData')} AS customData,
      resource.resourceType AS resourceType, resource.publicId AS publicId
    FROM AttachedFiles AS file JOIN Resources AS resource ON resource.internalId = file.id`;
}
