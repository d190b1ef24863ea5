/** Orthanc's own storage area: `<folder>/ab/cd/abcd….`, one file each, named by its uuid (FilesystemStorage.cpp). */
import { createHash } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { MirrorError } from '../../errors.ts';
import { throwIfAborted } from '../../stores/aborted.ts';
import type { CallOptions } from '../../stores/store.ts';
import { fileError, systemCode } from '../file-error.ts';
import type { IndexedFile } from '../index/index-reader.ts';
import { type FileContent, isUuid, type StorageArea, type StoredFile } from './storage-area.ts';

const chunkBytes = 1024 * 1024;

/** Where Orthanc puts a file, below the storage folder. */
export function storagePath(uuid: string): string {
  return join(uuid.slice(0, 2), uuid.slice(2, 4), uuid);
}

/** Where the file of a row lies: where a plugin put it, else where Orthanc does. */
export function pathOfRow(folder: string, file: Pick<IndexedFile, 'uuid' | 'customPath'>): string {
  const { uuid, customPath } = file;
  if (customPath === undefined) return join(folder, storagePath(uuid));
  return isAbsolute(customPath) ? customPath : join(folder, customPath);
}

/** Opens the storage of a folder. Throws `configuration` if the folder is missing or unreadable. */
export async function openFolderStorage(folder: string): Promise<StorageArea> {
  await names(folder);
  return {
    name: folder,
    list: (options) => list(folder, options),
    find: (file) => stored(file.uuid, pathOfRow(folder, file)),
    hash: (file, options) => hashFile(file.place, options),
    expectedBytes: (_file, sizeBytes) => sizeBytes,
    close: async () => undefined,
  };
}

async function* list(folder: string, options: CallOptions = {}): AsyncGenerator<StoredFile> {
  for (const first of await subfolders(folder)) {
    // Orthanc removes a folder when it deletes the last file in it.
    for (const second of await subfolders(join(folder, first), true)) {
      throwIfAborted(options.signal);
      const parent = join(folder, first, second);
      const inPlace = (await names(parent, true)).filter(({ name }) => name.startsWith(first + second) && isUuid(name));
      const files = await Promise.all(inPlace.map(({ name }) => stored(name, join(parent, name))));
      yield* files.filter((file) => file !== undefined);
    }
  }
}

/** The folders of two hexadecimal digits, in ascending order. */
async function subfolders(folder: string, mayVanish = false): Promise<string[]> {
  const entries = await names(folder, mayVanish);
  return entries.filter((entry) => !entry.isFile() && /^[0-9a-f]{2}$/.test(entry.name)).map(({ name }) => name);
}

async function names(folder: string, mayVanish = false): Promise<Dirent[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.sort((left, right) => (left.name < right.name ? -1 : 1));
  } catch (error) {
    if (mayVanish && systemCode(error) === 'ENOENT') return [];
    throw fileError(error, folder, 'configuration');
  }
}

/** `undefined` for what vanished meanwhile, and for anything that is no regular file. */
async function stored(uuid: string, place: string): Promise<StoredFile | undefined> {
  try {
    const found = await stat(place);
    return found.isFile() ? { uuid, place, sizeBytes: found.size, modifiedAt: found.mtime } : undefined;
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw fileError(error, place, 'source-corrupt');
  }
}

/** Reads and hashes a file; `undefined` if it is gone. Throws `source-corrupt` if the disk or the rights refuse it. */
export async function hashFile(path: string, { signal }: CallOptions = {}): Promise<FileContent | undefined> {
  const hash = createHash('md5');
  let sizeBytes = 0;
  try {
    for await (const chunk of readFileChunks(path, signal)) {
      hash.update(chunk);
      sizeBytes += chunk.length;
    }
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error instanceof MirrorError ? error : fileError(error, path, 'source-corrupt');
  }
  return { sizeBytes, md5: hash.digest('hex') };
}

/** The bytes of a file in chunks of up to 1 MiB. Throws the errors of the file system as they are. */
export async function* readFileChunks(path: string, signal?: AbortSignal): AsyncGenerator<Buffer> {
  const handle = await open(path, 'r');
  try {
    while (true) {
      throwIfAborted(signal);
      const buffer = Buffer.allocUnsafe(chunkBytes);
      const { bytesRead } = await handle.read(buffer, 0, chunkBytes, null);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}
