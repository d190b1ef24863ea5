/** Writing files of a backup to a folder so that no half-written file ever has its final name. */

import { createHash } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { MirrorError } from '../../errors.ts';
import type { Md5 } from '../../identifiers.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import type { CallOptions } from '../../stores/store.ts';
import { fileError } from '../file-error.ts';
import { hashFile } from '../storage/folder-storage.ts';
import { fileKey, type HostKeys } from './backup-keys.ts';

/** Writes a stream to a new file, durably. Throws `full`, `configuration`, and what the stream throws. */
export async function writeFileWhole(path: string, source: AsyncIterable<Uint8Array>, mode = 0o640): Promise<void> {
  const partial = `${path}.orthanc-mirror-partial`;
  try {
    await mkdir(dirname(path), { recursive: true });
    const handle = await open(partial, 'w', mode);
    try {
      for await (const chunk of source) await handle.writeFile(chunk);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true }).catch(() => undefined);
    throw fileError(error, path, 'configuration');
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
  file: { readonly uuid: string; readonly md5: Md5; readonly path: string },
  options: CallOptions = {},
): Promise<boolean> {
  const present = await hashFile(file.path, options);
  if (present?.md5 === file.md5) return false;
  if (present !== undefined) throw occupied(file.path);
  const object = await objects.get(fileKey(keys, file.uuid, file.md5), options);
  if (object === undefined) throw damaged(objects, file.uuid, 'is missing');
  await writeFileWhole(
    file.path,
    verified(object.body, file.md5, () => damaged(objects, file.uuid, 'is damaged')),
  );
  return true;
}

/** The error of a file that is in the way: nothing is ever written over. */
export function occupied(path: string): MirrorError {
  return new MirrorError('configuration', `${path} exists and is another file; move it away first`);
}

/** Passes bytes on; throws at their end if they have another hash, so that the file never gets its name. */
async function* verified(
  source: AsyncIterable<Uint8Array>,
  md5: Md5,
  mismatch: () => MirrorError,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('md5');
  for await (const chunk of source) {
    hash.update(chunk);
    yield chunk;
  }
  if (hash.digest('hex') !== md5) throw mismatch();
}

function damaged(objects: ObjectStorage, uuid: string, what: string): MirrorError {
  return new MirrorError(
    'source-corrupt',
    `${objects.name}: file ${uuid} of the host backup ${what}; use another backup`,
  );
}
