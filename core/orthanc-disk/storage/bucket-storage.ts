/**
 * The storage area of the object-storage plugin, in a bucket (BaseStorage.cpp). Layout `flat`: `<uuid>.<extension>`
 * (`.dcm`, `.json`, `.dcm.head`, `.unk`, and `.enc` behind them if encrypted); layout `legacy`: `ab/cd/<uuid>`.
 */
import { createHash } from 'node:crypto';
import type { CallOptions } from '../../call-options.ts';
import { MirrorError } from '../../errors.ts';
import type { ObjectEntry, ObjectStorage } from '../../stores/archive/object-storage.ts';
import type { IndexedFile } from '../index/index-reader.ts';
import { type FileContent, isUuid, type StorageArea, type StoredFile } from './storage-area.ts';

/** What encryption adds to each object: a mark, the key's number, two encrypted keys and a tag. */
const encryptionBytes = 86;

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
  const uuid = /^(?:[0-9a-f]{2}\/[0-9a-f]{2}\/)?([0-9a-f-]{36})(?:\.[a-z.]+|dcm\.head)?$/.exec(key)?.[1];
  return uuid !== undefined && isUuid(uuid) ? { uuid, place: key, sizeBytes, modifiedAt: lastModified } : undefined;
}

async function find(objects: ObjectStorage, { uuid }: IndexedFile): Promise<StoredFile | undefined> {
  for (const prefix of [uuid, `${uuid.slice(0, 2)}/${uuid.slice(2, 4)}/${uuid}`]) {
    for await (const entry of objects.list(prefix)) return storedFile(entry);
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
