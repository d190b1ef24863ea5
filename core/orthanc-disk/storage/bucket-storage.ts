/** The storage area of the object-storage plugin, in a bucket, of its flat or its legacy layout. */
import { createHash } from 'node:crypto';
import type { CallOptions } from '../../call-options.ts';
import { MirrorError } from '../../errors.ts';
import type { ObjectEntry, ObjectStorage } from '../../stores/archive/object-storage.ts';
import type { IndexedFile } from '../index/index-reader.ts';
import { encryptionBytes } from '../object-encryption.ts';
import type { FileContent, StorageArea, StoredFile } from './storage-area.ts';
import { storagePath, storageRoleOf } from './storage-names.ts';

/** @param objects the bucket, at the plugin's `RootPath` */
export function bucketStorage(objects: ObjectStorage): StorageArea {
  return {
    name: objects.name,
    list: (options) => list(objects, options),
    find: (file) => find(objects, file),
    hash: (file, options) => hash(objects, file, options),
    expectedBytes: (file, sizeBytes) => (isEncrypted(file) ? sizeBytes + encryptionBytes : sizeBytes),
    close: () => objects.close(),
  };
}

function isEncrypted({ place }: StoredFile): boolean {
  return place.endsWith('.enc');
}

/** Both layouts sort by uuid, but not both at once: a bucket that was switched lists flat keys amid legacy ones. */
async function* list(objects: ObjectStorage, options?: CallOptions): AsyncGenerator<StoredFile> {
  let previous = '';
  for await (const entry of objects.list('', options)) {
    const file = storedFile(entry);
    if (file === undefined) continue;
    if (file.uuid < previous) {
      throw new MirrorError(
        'configuration',
        `${objects.name} mixes the flat and the legacy layout; give one root path`,
      );
    }
    previous = file.uuid;
    yield file;
  }
}

function storedFile({ key, sizeBytes, lastModified }: ObjectEntry): StoredFile | undefined {
  const uuid = storageRoleOf(key)?.uuid;
  const isAtRoot = uuid !== undefined && (key.startsWith(uuid) || key === storagePath(uuid));
  return isAtRoot ? { uuid, place: key, sizeBytes, modifiedAt: lastModified } : undefined;
}

async function find(objects: ObjectStorage, { uuid }: IndexedFile): Promise<StoredFile | undefined> {
  const entry = await objectOf(objects, uuid);
  return entry && storedFile(entry);
}

/**
 * The object that holds a file, in either layout, whatever its kind; `undefined`: it is not there.
 * @param root the plugin's `RootPath`, with a slash at its end
 */
export async function objectOf(objects: ObjectStorage, uuid: string, root = ''): Promise<ObjectEntry | undefined> {
  for (const name of [uuid, storagePath(uuid)]) {
    for await (const entry of objects.list(`${root}${name}`)) return entry;
  }
  return undefined;
}

async function hash(objects: ObjectStorage, file: StoredFile, options?: CallOptions): Promise<FileContent | undefined> {
  const object = await objects.get(file.place, options);
  if (object === undefined) return undefined;
  const md5 = createHash('md5');
  let sizeBytes = 0;
  for await (const chunk of object.body) {
    md5.update(chunk);
    sizeBytes += chunk.length;
  }
  return { sizeBytes, md5: isEncrypted(file) ? undefined : md5.digest('hex') };
}
