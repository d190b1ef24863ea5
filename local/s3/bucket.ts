/**
 * One bucket on disk. All versions of a key stand in one document, which is replaced by a rename: that is the moment at
 * which a write happens. Files of bytes that no document names were left by a process that was killed.
 *
 *     bucket.json           settings
 *     keys/ab/abcd….json    the versions of one key, by the SHA-256 of the key
 *     bytes/                the bytes of objects, each file one part
 *     incoming/             bodies being received
 *     uploads/              multipart uploads
 */
import { createHash, randomUUID } from 'node:crypto';
import { link, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { compareKeys } from '../../core/stores/archive/key-order.ts';
import {
  type BucketDocument,
  bucketDocumentSchema,
  type KeyDocument,
  keyDocumentSchema,
  type ObjectVersion,
} from './object-version.ts';

export class Bucket {
  readonly folder: string;
  #settings: BucketDocument;
  readonly #versions = new Map<string, readonly ObjectVersion[]>();
  /** All keys that have a version, in the order of listings. */
  #keys: string[] = [];
  /** The end of the last change of each key that is being changed. */
  readonly #changes = new Map<string, Promise<unknown>>();

  private constructor(folder: string, settings: BucketDocument) {
    this.folder = folder;
    this.#settings = settings;
  }

  static async create(folder: string, settings: BucketDocument): Promise<Bucket> {
    const bucket = new Bucket(folder, settings);
    await bucket.#createFolders();
    await bucket.changeSettings(settings);
    return bucket;
  }

  /** Opens a bucket that an earlier process made, and clears away what that one left unfinished. */
  static async load(folder: string): Promise<Bucket> {
    const settings = bucketDocumentSchema.parse(JSON.parse(await readFile(join(folder, 'bucket.json'), 'utf8')));
    const bucket = new Bucket(folder, settings);
    await rm(bucket.incomingFolder, { recursive: true, force: true });
    await bucket.#createFolders();
    await bucket.#loadKeys();
    await bucket.#removeUnnamedBytes();
    return bucket;
  }

  get settings(): BucketDocument {
    return this.#settings;
  }

  get incomingFolder(): string {
    return join(this.folder, 'incoming');
  }

  get uploadsFolder(): string {
    return join(this.folder, 'uploads');
  }

  /** Keys in byte order, also those whose newest version is a delete marker. */
  get keys(): readonly string[] {
    return this.#keys;
  }

  versionsOf(key: string): readonly ObjectVersion[] {
    return this.#versions.get(key) ?? [];
  }

  /** @returns the object under a key as readers without a version see it. */
  current(key: string): ObjectVersion | undefined {
    const newest = this.versionsOf(key)[0];
    return newest?.isDeleteMarker ? undefined : newest;
  }

  pathOf(file: string): string {
    return join(this.folder, 'bytes', file);
  }

  /** Gives a file of bytes a second name in this bucket. @returns that name. */
  async adopt(path: string): Promise<string> {
    const name = randomUUID();
    await link(path, this.pathOf(name));
    return name;
  }

  async changeSettings(settings: BucketDocument): Promise<void> {
    await this.#writeDocument(join(this.folder, 'bucket.json'), settings);
    this.#settings = settings;
  }

  /**
   * Replaces the versions of a key by what `decide` makes of them, one change after the other; whatever `decide` throws
   * changes nothing. Removes the files of bytes that are no longer named.
   */
  change(
    key: string,
    decide: (versions: readonly ObjectVersion[]) => readonly ObjectVersion[],
  ): Promise<readonly ObjectVersion[]> {
    const before = this.#changes.get(key) ?? Promise.resolve();
    const change = before.catch(() => undefined).then(() => this.#changeNow(key, decide));
    this.#changes.set(key, change);
    return change.finally(() => {
      if (this.#changes.get(key) === change) {
        this.#changes.delete(key);
      }
    });
  }

  async #changeNow(
    key: string,
    decide: (versions: readonly ObjectVersion[]) => readonly ObjectVersion[],
  ): Promise<readonly ObjectVersion[]> {
    const before = this.versionsOf(key);
    const after = decide(before);
    const path = this.#documentPath(key);
    if (after.length === 0) {
      await rm(path, { force: true });
    } else {
      await mkdir(dirname(path), { recursive: true });
      await this.#writeDocument(path, { key, versions: [...after] } satisfies KeyDocument);
    }
    this.#remember(key, after);
    const named = new Set(filesOf(after));
    const removed = filesOf(before).filter((file) => !named.has(file));
    await Promise.all(removed.map((file) => rm(this.pathOf(file), { force: true })));
    return after;
  }

  #remember(key: string, versions: readonly ObjectVersion[]): void {
    const position = lowerBound(this.#keys, key);
    const isListed = this.#keys[position] === key;
    if (versions.length === 0) {
      this.#versions.delete(key);
      this.#keys.splice(position, isListed ? 1 : 0);
      return;
    }
    this.#versions.set(key, versions);
    if (!isListed) {
      this.#keys.splice(position, 0, key);
    }
  }

  async #createFolders(): Promise<void> {
    for (const folder of ['keys', 'bytes', 'incoming', 'uploads']) {
      await mkdir(join(this.folder, folder), { recursive: true });
    }
  }

  async #loadKeys(): Promise<void> {
    const root = join(this.folder, 'keys');
    for (const file of await readdir(root, { recursive: true })) {
      if (file.endsWith('.json')) {
        const document = keyDocumentSchema.parse(JSON.parse(await readFile(join(root, file), 'utf8')));
        this.#versions.set(document.key, document.versions);
      }
    }
    this.#keys = [...this.#versions.keys()].sort(compareKeys);
  }

  async #removeUnnamedBytes(): Promise<void> {
    const named = new Set([...this.#versions.values()].flatMap(filesOf));
    for (const file of await readdir(join(this.folder, 'bytes'))) {
      if (!named.has(file)) {
        await rm(this.pathOf(file));
      }
    }
  }

  #documentPath(key: string): string {
    const hash = createHash('sha256').update(key).digest('hex');
    return join(this.folder, 'keys', hash.slice(0, 2), `${hash}.json`);
  }

  async #writeDocument(path: string, document: unknown): Promise<void> {
    const temporary = join(this.incomingFolder, randomUUID());
    await writeFile(temporary, JSON.stringify(document));
    await rename(temporary, path);
  }
}

/** @returns the position of the first key that is not less than `key`. */
export function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareKeys(keys[middle] ?? '', key) < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

function filesOf(versions: readonly ObjectVersion[]): string[] {
  return versions.flatMap(({ files }) => files.map(({ name }) => name));
}
