/** Objects as files in a folder. Once `putOnce` or `replaceIf` returned, a power cut loses nothing of it. */
import { stat, utimes } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { CallOptions } from '../../call-options.ts';
import { throwIfAborted, untilAborted } from '../aborted.ts';
import type { InstanceBytes } from '../store.ts';
import { DurableFolders } from './durable-folders.ts';
import { fileBody, openIfPresent } from './file-body.ts';
import { FolderAnchor } from './folder-anchor.ts';
import { type FolderCalls, systemCalls } from './folder-calls.ts';
import { folderError, hasErrorCode, onFolder, specialFile, unlessAbsent } from './folder-errors.ts';
import { entryOf, etagOf, listFolderNames, listFolderTree, temporaryFolder } from './folder-listing.ts';
import { FolderLock } from './folder-lock.ts';
import { checkKey } from './key-check.ts';
import { keyTime } from './keys.ts';
import type { GetOptions, ListOptions, ObjectEntry, ObjectStorage, OpenObject, PutOptions } from './object-storage.ts';
import { makeNewer, removeLeftovers, temporaryName, writeSynced } from './temporary-files.ts';
import { verifiedBody } from './verified-body.ts';

export interface FolderObjectsOptions {
  /** How the folder is called in messages. Default: its path. */
  readonly name?: string | undefined;
  /** What calls the file system. Default: the file system itself. */
  readonly calls?: FolderCalls | undefined;
}

/**
 * New objects are written to `.tmp/` within the folder, synced, and linked to their final name, which fails if that
 * exists: the file system must have hard links, and the folder must not span several.
 */
export class FolderObjects implements ObjectStorage {
  readonly name: string;
  readonly #root: string;
  readonly #calls: FolderCalls;
  readonly #folders: DurableFolders;
  readonly #lock: FolderLock;
  #prepared: Promise<void> | undefined;
  #anchor: FolderAnchor | undefined;

  constructor(path: string, options: FolderObjectsOptions = {}) {
    this.#root = resolve(path);
    this.name = options.name ?? this.#root;
    this.#calls = options.calls ?? systemCalls;
    this.#folders = new DurableFolders(this.#root, this.#calls, () => this.#hold());
    this.#lock = new FolderLock(join(this.#root, temporaryFolder, 'state.lock'));
  }

  prepare(): Promise<void> {
    return this.#onFolder(() => this.#prepare());
  }

  anchor(key: string): Promise<void> {
    return onFolder(this.name, async () => {
      this.#anchor = await FolderAnchor.at(this.name, this.#pathOf(key));
    });
  }

  async putOnce(key: string, bytes: InstanceBytes, options: PutOptions): Promise<'created' | 'exists'> {
    if ((await this.head(key, options)) !== undefined) {
      await onFolder(this.name, () => this.#folders.sync(dirname(this.#pathOf(key))));
      return 'exists';
    }
    return this.#withTemporary(async (temporary) => {
      await writeSynced(this.#calls, this.name, temporary, verifiedBody(bytes, options));
      throwIfAborted(options.signal);
      return onFolder(this.name, () => this.#publish(temporary, this.#pathOf(key)));
    });
  }

  get(key: string, options: GetOptions = {}): Promise<OpenObject | undefined> {
    return this.#onFolder(async () => {
      throwIfAborted(options.signal);
      const handle = await openIfPresent(this.#pathOf(key), () => this.#refuseSpecial(key));
      if (handle === undefined) {
        return undefined;
      }
      const found = await handle.stat({ bigint: true });
      const sizeBytes = Number(found.size);
      const body = fileBody(this.name, handle, sizeBytes, options.range);
      return {
        key,
        sizeBytes,
        lastModified: new Date(Number(found.mtimeMs)),
        etag: etagOf(found.mtimeNs, found.size),
        bodyBytes: body.sizeBytes,
        body: untilAborted(body.bytes, options.signal, body.cancel),
        cancel: body.cancel,
      };
    });
  }

  head(key: string, options: CallOptions = {}): Promise<ObjectEntry | undefined> {
    return this.#onFolder(async () => {
      throwIfAborted(options.signal);
      checkKey(key, temporaryFolder);
      return entryOf(this.#root, key, () => this.#refuseSpecial(key));
    });
  }

  list(prefix: string, options: ListOptions = {}): AsyncIterable<ObjectEntry> {
    return this.#listed(listFolderTree(this.#root, prefix, options), options);
  }

  listFolders(prefix: string, options: ListOptions = {}): AsyncIterable<string> {
    return this.#listed(listFolderNames(this.#root, prefix, options), options);
  }

  replaceIf(
    key: string,
    bytes: Uint8Array,
    expectedEtag: string | null,
    options: CallOptions = {},
  ): Promise<{ readonly etag: string } | 'changed'> {
    return this.#onFolder(async () => {
      const path = this.#pathOf(key);
      throwIfAborted(options.signal);
      return this.#withTemporary(async (temporary) => {
        await writeSynced(this.#calls, this.name, temporary, [bytes]);
        return this.#lock.hold(() => this.#replaceIfUnchanged(path, temporary, expectedEtag), options.signal);
      });
    });
  }

  async supersede(key: string, bytes: InstanceBytes, options: PutOptions): Promise<void> {
    await this.prepare();
    return this.#withTemporary(async (temporary) => {
      await writeSynced(this.#calls, this.name, temporary, verifiedBody(bytes, options));
      throwIfAborted(options.signal);
      await onFolder(this.name, () => this.#putInPlaceOf(key, temporary));
    });
  }

  setAside(key: string, options: CallOptions = {}): Promise<void> {
    return this.#onFolder(async () => {
      throwIfAborted(options.signal);
      const path = this.#pathOf(key);
      if ((await unlessAbsent(stat(path))) === undefined) {
        return;
      }
      await this.#linkAside(key);
      await this.#calls.unlink(path);
      await this.#folders.sync(dirname(path));
    });
  }

  async delete(key: string, options: CallOptions = {}): Promise<void> {
    if ((await this.head(key, options)) === undefined) {
      return;
    }
    const path = this.#pathOf(key);
    await onFolder(this.name, async () => {
      await this.#prepare();
      await this.#folders.create(dirname(path));
      await this.#lock.hold(async () => {
        await unlessAbsent(this.#calls.unlink(path));
        await this.#folders.sync(dirname(path));
      }, options.signal);
    });
  }

  async close(): Promise<void> {
    this.#lock.close();
  }

  /** Gives a written temporary file its final name, unless there is a file of that name. */
  async #publish(temporary: string, path: string): Promise<'created' | 'exists'> {
    await this.#folders.create(dirname(path));
    let outcome: 'created' | 'exists' = 'created';
    try {
      await this.#calls.link(temporary, path);
    } catch (error) {
      if (!hasErrorCode(error, 'EEXIST')) {
        throw error;
      }
      outcome = 'exists';
    }
    // Also when another writer was quicker: its file was synced before it was linked, but perhaps not its name yet.
    await this.#folders.sync(dirname(path));
    return outcome;
  }

  /** Only for the holder of the lock. */
  async #replaceIfUnchanged(
    path: string,
    temporary: string,
    expectedEtag: string | null,
  ): Promise<{ readonly etag: string } | 'changed'> {
    await this.#folders.create(dirname(path));
    const present = await unlessAbsent(stat(path, { bigint: true }));
    const presentEtag = present === undefined ? null : etagOf(present.mtimeNs, present.size);
    if (presentEtag !== expectedEtag) {
      return 'changed';
    }
    const etag = await makeNewer(temporary, present?.mtimeNs);
    await this.#calls.rename(temporary, path);
    await this.#folders.sync(dirname(path));
    return { etag };
  }

  /** Links the damaged file aside first, then gives its name to the right one in one step: the name is never absent. */
  async #putInPlaceOf(key: string, temporary: string): Promise<void> {
    const path = this.#pathOf(key);
    const damaged = await unlessAbsent(stat(path));
    if (damaged !== undefined) {
      await this.#linkAside(key);
      // The time tells when the archive received these bytes; that does not change by repairing them.
      await utimes(temporary, damaged.atime, damaged.mtime);
    }
    await this.#folders.create(dirname(path));
    await this.#calls.rename(temporary, path);
    await this.#folders.sync(dirname(path));
  }

  /** Gives what lies under a key a second name, under which it is kept. */
  async #linkAside(key: string): Promise<void> {
    const aside = this.#pathOf(`superseded/${key}.${keyTime(new Date())}`);
    await this.#folders.create(dirname(aside));
    await this.#calls.link(this.#pathOf(key), aside);
    await this.#folders.sync(dirname(aside));
  }

  /** Does what calls the file system, if the folder is still the one that it was. */
  #onFolder<T>(work: () => Promise<T>): Promise<T> {
    return onFolder(this.name, async () => {
      await this.#hold();
      return work();
    });
  }

  /** Throws if the folder is not the one that it was. */
  async #hold(): Promise<void> {
    if (this.#anchor === undefined || (await this.#anchor.holds())) return;
    // It was mounted anew: what was prepared and locked lies on a file system that is gone.
    this.#prepared = undefined;
    this.#lock.renew();
  }

  /** Does work with a name that nobody else uses, in a folder that was just found to be the one that it was. */
  async #withTemporary<T>(work: (path: string) => Promise<T>): Promise<T> {
    await onFolder(this.name, () => this.#prepare());
    const temporary = join(this.#root, temporaryFolder, temporaryName());
    try {
      return await work(temporary);
    } catch (error) {
      this.#prepared = undefined;
      throw error;
    } finally {
      await onFolder(this.name, () => unlessAbsent(this.#calls.unlink(temporary)));
    }
  }

  #prepare(): Promise<void> {
    this.#prepared ??= this.#createTemporaryFolder().catch((error: unknown) => {
      this.#prepared = undefined;
      throw error;
    });
    return this.#prepared;
  }

  async #createTemporaryFolder(): Promise<void> {
    const folder = join(this.#root, temporaryFolder);
    if (this.#anchor === undefined) await this.#folders.createRoot();
    await this.#folders.create(folder);
    await removeLeftovers(folder);
  }

  #refuseSpecial(key: string): never {
    throw specialFile(this.name, key);
  }

  #pathOf(key: string): string {
    checkKey(key, temporaryFolder);
    return join(this.#root, key);
  }

  async *#listed<T>(listing: AsyncIterable<T>, options: ListOptions): AsyncGenerator<T> {
    throwIfAborted(options.signal);
    try {
      await this.#hold();
      // An absent folder is not an empty one: perhaps what it lies on is not mounted.
      await stat(this.#root);
      yield* listing;
      // Of what was taken away meanwhile the rest was found absent.
      await this.#hold();
    } catch (error) {
      throw folderError(this.name, error);
    }
  }
}
