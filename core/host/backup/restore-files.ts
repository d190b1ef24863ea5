/** Writing files of a backup to a folder so that no half-written file ever has its final name. */
import { join } from 'node:path';
import type { CallOptions } from '../../call-options.ts';
import { MirrorError } from '../../errors.ts';
import { type ContentHashes, chunksOf, hashesOf } from '../../orthanc-disk/files/file-bytes.ts';
import { fileError } from '../../orthanc-disk/files/file-error.ts';
import type { HeldFolder } from '../../orthanc-disk/files/held-folder.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import { provenChunks } from '../../streams/proven-chunks.ts';
import { fileKey, type HostKeys } from './backup-keys.ts';

/** What a restored file permits at most, whatever its backup says: nobody may run it, and strangers not read it. */
const mostPermissions = 0o640;

/** Writes a stream to a new file of a folder. Throws `full`, `configuration`, and what the stream throws. */
export async function writeFileWhole(
  folder: HeldFolder,
  name: string,
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  mode = mostPermissions,
): Promise<void> {
  const partial = `${name}.orthanc-mirror-partial`;
  try {
    // Of a restore that was interrupted.
    await folder.remove(partial);
    await using handle = await folder.createFile(partial, mode & mostPermissions);
    for await (const chunk of source) await handle.writeFile(chunk);
    await handle.sync();
    await folder.rename(partial, name);
  } catch (error) {
    await folder.remove(partial).catch(() => undefined);
    throw fileError(error, join(folder.path, name), 'configuration');
  }
}

/** The hashes of a file of a folder; `undefined` if there is none. Throws `refused`, `source-corrupt`. */
export async function hashesOfFile(
  folder: HeldFolder,
  name: string,
  { signal }: CallOptions = {},
): Promise<ContentHashes | undefined> {
  try {
    const file = await folder.openFile(name);
    if (file === undefined) return undefined;
    await using handle = file.handle;
    return await hashesOf(chunksOf(handle, Number.POSITIVE_INFINITY, signal));
  } catch (error) {
    throw fileError(error, join(folder.path, name), 'source-corrupt');
  }
}

/**
 * Restores a storage file, unless it is there already with exactly these bytes.
 * @returns whether it was written. Throws `configuration` if another file is there, `source-corrupt` if the archive
 * lacks it or holds other bytes.
 */
export async function restoreFile(
  objects: ObjectStorage,
  keys: HostKeys,
  file: { readonly uuid: string; readonly content: ContentHashes; readonly folder: HeldFolder; readonly name: string },
  options: CallOptions = {},
): Promise<boolean> {
  const { uuid, content, folder, name } = file;
  const present = await hashesOfFile(folder, name, options);
  if (present?.sha256 === content.sha256) return false;
  if (present !== undefined) throw occupied(`the place of file ${uuid} in the storage`);
  const object = await objects.get(fileKey(keys, uuid, content.sha256), options);
  if (object === undefined) throw damaged(objects, uuid, 'is missing');
  if (object.sizeBytes !== content.sizeBytes) {
    object.cancel();
    throw damaged(objects, uuid, 'has another size');
  }
  const body = provenChunks(object.body, { sha256: content.sha256 }, () => damaged(objects, uuid, 'is damaged'));
  await writeFileWhole(folder, name, body);
  return true;
}

/** The error of a file that is in the way: nothing is ever written over. */
export function occupied(path: string): MirrorError {
  return new MirrorError('configuration', `${path} is taken by another file; move that away first`);
}

function damaged(objects: ObjectStorage, uuid: string, what: string): MirrorError {
  return new MirrorError(
    'source-corrupt',
    `${objects.name}: file ${uuid} of the host backup ${what}; use another backup`,
  );
}
