/** Orthanc's own storage area: `<folder>/ab/cd/abcd….`, one file each, named by its uuid (FilesystemStorage.cpp). */
import { createHash } from 'node:crypto';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import type { CallOptions } from '../../call-options.ts';
import { isMirrorError, MirrorError } from '../../errors.ts';
import { throwIfAborted } from '../../stores/aborted.ts';
import { chunksOf } from '../files/file-bytes.ts';
import { fileError, isForbidden, systemCode } from '../files/file-error.ts';
import { HeldFolder, type OpenFile } from '../files/held-folder.ts';
import type { IndexedFile } from '../index/index-reader.ts';
import type { FileContent, StorageArea, StoredFile } from './storage-area.ts';
import {
  allFolders,
  type PlaceInFolder,
  pathOfRow,
  placeOfPath,
  placeOfRow,
  type RowPlace,
  type StorageFolders,
} from './storage-folders.ts';
import { isUuid, storagePath } from './storage-names.ts';

/** A storage area of folders. Files are reached from folders that are held open, and no link is followed. */
export class FolderStorage implements StorageArea {
  readonly name: string;
  readonly #folders: StorageFolders;
  readonly #all: readonly string[];
  readonly #held = new Map<number, Promise<HeldFolder>>();

  /** Throws `configuration` if the main folder is missing or may not be looked into. */
  static async open(folders: StorageFolders): Promise<FolderStorage> {
    const storage = new FolderStorage(folders);
    try {
      await onFolder(folders.main, async () => (await storage.#hold(0)).names());
      return storage;
    } catch (error) {
      await storage.close();
      throw error;
    }
  }

  private constructor(folders: StorageFolders) {
    this.name = folders.main;
    this.#folders = folders;
    this.#all = allFolders(folders);
  }

  async *list(options: CallOptions = {}): AsyncGenerator<StoredFile> {
    const main = await this.#hold(0);
    for await (const first of subfolders(main)) {
      // Orthanc removes a folder when it deletes the last file in it.
      for await (const second of subfolders(first)) {
        throwIfAborted(options.signal);
        yield* this.#filesIn(second);
      }
    }
  }

  async find(row: IndexedFile): Promise<StoredFile | undefined> {
    const file = await this.open(row).catch(onlyCorrupt);
    if (file === undefined) return undefined;
    await file.handle.close();
    const { size, mtime } = file.stats;
    return { uuid: row.uuid, place: pathOfRow(this.#folders, row), sizeBytes: size, modifiedAt: mtime };
  }

  async hash({ uuid, place }: StoredFile, { signal }: CallOptions = {}): Promise<FileContent | undefined> {
    const inFolder = placeOfPath(this.#all, place);
    const file = inFolder && (await this.#open(inFolder, this.#labelOf(uuid, place)).catch(onlyCorrupt));
    if (file === undefined) return undefined;
    await using handle = file.handle;
    const hash = createHash('md5');
    let sizeBytes = 0;
    try {
      for await (const chunk of chunksOf(handle, Number.POSITIVE_INFINITY, signal)) {
        hash.update(chunk);
        sizeBytes += chunk.length;
      }
    } catch (error) {
      throw fileError(error, this.#labelOf(uuid, place), 'source-corrupt');
    }
    return { sizeBytes, md5: hash.digest('hex') };
  }

  expectedBytes(_file: StoredFile, sizeBytes: number): number {
    return sizeBytes;
  }

  /**
   * Opens the file of a row. `undefined`: it is not there. Throws `refused` for what is no regular file, lies outside of
   * the folders, or is reached by a link; `forbidden` if this user may not read it, `source-corrupt` if nobody can.
   */
  async open(row: RowPlace): Promise<OpenFile | undefined> {
    const place = placeOfRow(this.#folders, row);
    return this.#open(place, this.#labelOf(row.uuid, pathOfRow(this.#folders, row)));
  }

  /** Where the file of a row lies, unless that is Orthanc's own place for it, or outside of all folders. */
  placeOf(row: RowPlace): PlaceInFolder | undefined {
    const place = row.customPlace && placeOfPath(this.#all, pathOfRow(this.#folders, row));
    return place?.folder === 0 && place.path === storagePath(row.uuid) ? undefined : place;
  }

  async close(): Promise<void> {
    const held = [...this.#held.values()];
    this.#held.clear();
    await Promise.allSettled(held.map(async (folder) => (await folder)[Symbol.asyncDispose]()));
  }

  async #open({ folder, path }: PlaceInFolder, label: string): Promise<OpenFile | undefined> {
    const held = await this.#hold(folder);
    try {
      return await held.openFile(path, label);
    } catch (error) {
      throw fileError(error, label, isForbidden(error) ? 'forbidden' : 'source-corrupt');
    }
  }

  async *#filesIn(folder: HeldFolder): AsyncGenerator<StoredFile> {
    const prefix = folder.path.slice(-5).replace('/', '');
    const names = (await namesIn(folder)).filter((name) => name.startsWith(prefix) && isUuid(name));
    const files = await Promise.all(names.map((uuid) => stored(folder, uuid, this.#ownPlace(uuid))));
    yield* files.filter((file) => file !== undefined);
  }

  /** Where Orthanc itself puts a file. */
  #ownPlace(uuid: string): string {
    return join(this.#all[0] ?? this.name, storagePath(uuid));
  }

  /** A path of a plugin's own choice may name a patient: such a file is called by its uuid. */
  #labelOf(uuid: string, path: string): string {
    return path === this.#ownPlace(uuid) ? path : `file ${uuid}`;
  }

  #hold(folder: number): Promise<HeldFolder> {
    const held = this.#held.get(folder) ?? HeldFolder.open(this.#all[folder] ?? this.name);
    this.#held.set(folder, held);
    return held;
  }
}

/** For an audit, rights concern one file as well as damage does. */
function onlyCorrupt(error: unknown): never {
  if (!isMirrorError(error, 'forbidden')) throw error;
  throw new MirrorError('source-corrupt', error.message, { cause: error });
}

/** The folders of two hexadecimal digits, in ascending order. Links and files of such names are passed over. */
async function* subfolders(parent: HeldFolder): AsyncGenerator<HeldFolder> {
  for (const name of await namesIn(parent)) {
    if (!/^[0-9a-f]{2}$/.test(name)) continue;
    await using folder = await parent.child(name).catch((error: unknown) => {
      if (isMirrorError(error, 'refused')) return undefined;
      throw error;
    });
    if (folder !== undefined) yield folder;
  }
}

async function namesIn(folder: HeldFolder): Promise<string[]> {
  return (await onFolder(folder.path, () => folder.names())).sort();
}

/** `undefined` for what vanished meanwhile, and for anything that is no regular file. */
async function stored(folder: HeldFolder, uuid: string, place: string): Promise<StoredFile | undefined> {
  try {
    const found = await lstat(folder.at(uuid));
    return found.isFile() ? { uuid, place, sizeBytes: found.size, modifiedAt: found.mtime } : undefined;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw fileError(error, place, 'source-corrupt');
  }
}

async function onFolder<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw fileError(error, path, 'configuration');
  }
}
