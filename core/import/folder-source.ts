import { stat } from 'node:fs/promises';
import { storagePath } from '../orthanc-disk/storage/storage-names.ts';
import { readError } from '../streams/rereadable-bytes.ts';
import type { ImportSource } from './found.ts';
import { foundFile, walkFolder } from './walk-folder.ts';

/** A folder, or a single file, to import from. */
export function folderSource(path: Buffer): ImportSource {
  return {
    name: 'the folder to import',
    walk: () => walkFolder(path),
    async again(reference) {
      const file = Buffer.from(reference, 'latin1');
      return foundFile(file, (await statOf(file)).size);
    },
    async storageFile(uuid) {
      const file = Buffer.concat([path, Buffer.from(`/${storagePath(uuid)}`)]);
      const stats = await stat(file).catch(() => undefined);
      return stats?.isFile() === true ? foundFile(file, stats.size) : undefined;
    },
    async close() {},
  };
}

async function statOf(file: Buffer) {
  try {
    return await stat(file);
  } catch (error) {
    throw readError(error);
  }
}
