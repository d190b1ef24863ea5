/**
 * Remembers, on disk and without a limit of memory, which instances were seen with pixel data and which files may be
 * only the beginning of one. In a storage with the option `StorageCompression` every instance has such a companion.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import * as z from 'zod';
import type { InstanceId } from '../identifiers.ts';
import type { Found, FoundAt } from './found.ts';

/** A file without pixel data that was put off. */
export interface PutOffFile {
  readonly at: FoundAt;
  /** By which the source finds it again; `undefined` for members of archives. */
  readonly reference: string | undefined;
  /** Whether it lies compressed in the storage. */
  readonly isCompressed: boolean;
  /** Whether an instance with the same id and with pixel data was seen: then it is a part of that one. */
  readonly isPart: boolean;
}

const row = z.object({
  at: z.string(),
  reference: z.string().nullable(),
  isCompressed: z.number(),
  isPart: z.number(),
});
const foundAt = z.object({ path: z.string(), pathBase64: z.string().exactOptional() });
const insertsPerTransaction = 10_000;

export class PutOffFiles {
  /** Without a name SQLite keeps a database in a temporary file that vanishes with the process. */
  readonly #database = new DatabaseSync('');
  readonly #insertWhole: StatementSync;
  readonly #insertFile: StatementSync;
  #inserts = 0;

  constructor() {
    this.#database.exec(`
      PRAGMA journal_mode = OFF;
      CREATE TABLE whole(id TEXT PRIMARY KEY) WITHOUT ROWID;
      CREATE TABLE file(at TEXT, reference TEXT, id TEXT, isCompressed INTEGER);
      BEGIN`);
    this.#insertWhole = this.#database.prepare('INSERT OR IGNORE INTO whole VALUES (?)');
    this.#insertFile = this.#database.prepare('INSERT INTO file VALUES (?, ?, ?, ?)');
  }

  /** An instance that is whole was seen. */
  sawWhole(id: InstanceId): void {
    this.#insertWhole.run(id);
    this.#commitSometimes();
  }

  /** A file is put off until all were seen. */
  putOff({ at, reference }: Pick<Found, 'at' | 'reference'>, id: InstanceId, isCompressed: boolean): void {
    this.#insertFile.run(JSON.stringify(at), reference ?? null, id, isCompressed ? 1 : 0);
    this.#commitSometimes();
  }

  /** Everything that was put off, when all files were seen. */
  *all(): Generator<PutOffFile> {
    const statement = this.#database.prepare(
      'SELECT at, reference, isCompressed, id IN (SELECT id FROM whole) AS isPart FROM file',
    );
    for (const each of statement.iterate()) {
      const { at, reference, isCompressed, isPart } = row.parse(each);
      yield {
        at: foundAt.parse(JSON.parse(at)),
        reference: reference ?? undefined,
        isCompressed: isCompressed === 1,
        isPart: isPart === 1,
      };
    }
  }

  close(): void {
    this.#database.close();
  }

  #commitSometimes(): void {
    this.#inserts += 1;
    if (this.#inserts % insertsPerTransaction === 0) {
      this.#database.exec('COMMIT; BEGIN');
    }
  }
}
