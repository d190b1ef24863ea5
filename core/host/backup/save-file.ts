/** Copying one storage file to the archive, under its uuid and the hash of its bytes. */
import { readFile, stat } from 'node:fs/promises';
import { isMd5, type Md5, md5Of } from '../../identifiers.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import type { CallOptions } from '../../stores/store.ts';
import { fileError, isForbidden, systemCode } from '../file-error.ts';
import { hashFile, readFileChunks } from '../storage/folder-storage.ts';

import { fileKey, type HostKeys } from './backup-keys.ts';

/** Up to this size a file is read once and held in memory; larger ones are hashed first and then streamed. */
const inMemoryBytes = 8 * 1024 * 1024;

/** What was saved of a file. */
export interface SavedFile {
  readonly md5: Md5;
  readonly sizeBytes: number;
}

/**
 * Saves a file as it is. May be repeated after any error.
 * @returns `undefined` if the file is gone.
 * Throws `source-corrupt` if the disk cannot read it, `forbidden` if this user may not, `hash-mismatch` or `body-short` if
 * it changed meanwhile, and what the archive throws.
 */
export async function saveFile(
  objects: ObjectStorage,
  keys: HostKeys,
  uuid: string,
  path: string,
  options: CallOptions = {},
): Promise<SavedFile | undefined> {
  try {
    const { size } = await stat(path);
    return size <= inMemoryBytes
      ? await saveSmall(objects, keys, uuid, path, options)
      : await saveLarge(objects, keys, uuid, path, options);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw systemCode(error) === undefined
      ? error
      : fileError(error, path, isForbidden(error) ? 'forbidden' : 'source-corrupt');
  }
}

async function saveSmall(
  objects: ObjectStorage,
  keys: HostKeys,
  uuid: string,
  path: string,
  options: CallOptions,
): Promise<SavedFile> {
  const bytes = await readFile(path);
  const saved = { md5: md5Of(bytes), sizeBytes: bytes.length };
  await objects.putOnce(fileKey(keys, uuid, saved.md5), bytes, { ...saved, ...options });
  return saved;
}

async function saveLarge(
  objects: ObjectStorage,
  keys: HostKeys,
  uuid: string,
  path: string,
  options: CallOptions,
): Promise<SavedFile | undefined> {
  const content = await hashFile(path, options);
  if (content === undefined || !isMd5(content.md5)) return undefined;
  const saved = { md5: content.md5, sizeBytes: content.sizeBytes };
  const body = readFileChunks(path, options.signal);
  await objects.putOnce(fileKey(keys, uuid, saved.md5), body, { ...saved, ...options });
  return saved;
}
