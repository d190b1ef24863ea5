/**
 * A folder of DICOM files as a store to read from: any names, any depth, gzip and the storage of Orthanc included.
 * Archives (zip, tar) are not looked into: `import` does that.
 */
import { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { MirrorError } from '../../errors.ts';
import { type InstanceId, isInstanceId, isMd5, type Md5 } from '../../identifiers.ts';
import type { ConsiderContext } from '../../import/consider.ts';
import { defaultExpansionLimits } from '../../import/expansion-limits.ts';
import { findInstances } from '../../import/find-instances.ts';
import { folderSource } from '../../import/folder-source.ts';
import type { ImportSource, RereadableBytes } from '../../import/found.ts';
import { HoldingPlace } from '../../import/holding-place.ts';
import { PutOffFiles } from '../../import/put-off.ts';
import { unfold } from '../../import/unfold.ts';
import { throwIfAborted } from '../aborted.ts';
import type { CallOptions, InventoryEntry, InventoryOptions, OpenInstance, OpenOptions, Store } from '../store.ts';

const row = z.object({
  id: z.custom<InstanceId>(isInstanceId),
  md5: z.custom<Md5>(isMd5),
  sizeBytes: z.number(),
  reference: z.string(),
});
type CatalogueRow = z.infer<typeof row>;

const filesAtOnce = 4;

/** What a folder held when it was looked through; on disk, so that its size does not matter. */
class Catalogue {
  readonly #database = new DatabaseSync('');

  constructor() {
    this.#database.exec(`
      PRAGMA journal_mode = OFF;
      CREATE TABLE instance(id TEXT PRIMARY KEY, md5 TEXT, sizeBytes INTEGER, reference TEXT) WITHOUT ROWID`);
  }

  /** Of several files with one id the first by name counts, whatever the order in which they are found. */
  add({ id, md5, sizeBytes, reference }: CatalogueRow): void {
    this.#database
      .prepare(
        `INSERT INTO instance VALUES (?, ?, ?, ?) ON CONFLICT(id) DO UPDATE
         SET md5 = excluded.md5, sizeBytes = excluded.sizeBytes, reference = excluded.reference
         WHERE excluded.reference < reference`,
      )
      .run(id, md5, sizeBytes, reference);
  }

  find(id: InstanceId): CatalogueRow | undefined {
    const found = this.#database.prepare('SELECT * FROM instance WHERE id = ?').get(id);
    return found === undefined ? undefined : row.parse(found);
  }

  *after(id: string): Generator<CatalogueRow> {
    for (const each of this.#database.prepare('SELECT * FROM instance WHERE id > ? ORDER BY id').iterate(id)) {
      yield row.parse(each);
    }
  }
}

/** Reads every file of the folder at each {@link inventory}, because nothing else tells what it holds. */
export class FolderStore implements Store {
  readonly name: string;
  readonly #source: ImportSource;
  #catalogue: Catalogue | undefined;

  /** @param name how messages call the folder: its path may hold names of patients */
  constructor(path: string, name = 'the folder') {
    this.name = name;
    this.#source = folderSource(Buffer.from(path));
  }

  async *inventory({ after, signal }: InventoryOptions = {}): AsyncGenerator<InventoryEntry> {
    const catalogue = await this.#look(signal);
    for (const { id, md5, sizeBytes } of catalogue.after(after ?? '')) {
      throwIfAborted(signal);
      yield { id, md5, sizeBytes };
    }
  }

  async lookup(id: InstanceId, { signal }: CallOptions = {}): Promise<readonly InventoryEntry[]> {
    const found = await this.#find(id, signal);
    return found === undefined ? [] : [{ id, md5: found.md5, sizeBytes: found.sizeBytes }];
  }

  async open(id: InstanceId, { signal }: OpenOptions = {}): Promise<OpenInstance> {
    throwIfAborted(signal);
    const found = await this.#find(id, signal);
    if (found === undefined) {
      throw new MirrorError('vanished', `${this.name} does not hold instance ${id}`);
    }
    const bytes = await this.#bytesOf(found);
    return { id, md5: found.md5, sizeBytes: found.sizeBytes, body: bytes.read(), cancel: () => bytes.release() };
  }

  async close(): Promise<void> {
    this.#catalogue = undefined;
    await this.#source.close();
  }

  /** Looks again where an instance was not known: it may have come since. */
  async #find(id: InstanceId, signal: AbortSignal | undefined): Promise<CatalogueRow | undefined> {
    return this.#catalogue?.find(id) ?? (await this.#look(signal)).find(id);
  }

  async #bytesOf({ id, reference }: CatalogueRow): Promise<RereadableBytes> {
    for await (const leaf of unfold(await this.#source.again(reference), unfoldContext())) {
      if (leaf.kind === 'dicom') {
        return leaf.found.bytes;
      }
      if (leaf.kind === 'error') {
        throw leaf.error;
      }
    }
    throw new MirrorError('source-corrupt', `the file of instance ${id} is no DICOM file any more`);
  }

  async #look(signal: AbortSignal | undefined): Promise<Catalogue> {
    throwIfAborted(signal);
    const catalogue = new Catalogue();
    const putOff = new PutOffFiles();
    const context: ConsiderContext = { ...unfoldContext(), index: undefined, putOff };
    const options = { concurrency: filesAtOnce, acceptWithoutPixelData: false };
    try {
      for await (const each of findInstances(this.#source, context, options)) {
        throwIfAborted(signal);
        if (each.kind === 'instance') {
          const { instance } = each;
          instance.bytes.release();
          if (instance.reference !== undefined) {
            catalogue.add({ ...instance, reference: instance.reference });
          }
        } else if (each.kind === 'obstacle' || each.line.outcome === 'failed') {
          throw new MirrorError(
            'forbidden',
            `${this.name} cannot be read to its end: ${each.line.reason ?? 'unknown'}`,
          );
        }
      }
    } finally {
      putOff.close();
    }
    this.#catalogue = catalogue;
    return catalogue;
  }
}

function unfoldContext() {
  return { limits: defaultExpansionLimits, holdingPlace: new HoldingPlace(), masterKeys: new Map() };
}
