import { MirrorError } from '../errors.ts';
import { objectOf } from '../orthanc-disk/storage/bucket-storage.ts';
import { storageRoleOf } from '../orthanc-disk/storage/storage-names.ts';
import type { ObjectEntry, ObjectStorage } from '../stores/archive/object-storage.ts';
import type { RereadableBytes } from '../streams/rereadable-bytes.ts';
import type { Found, ImportSource } from './found.ts';

/**
 * Objects of a bucket to import from: any, or the storage of Orthanc's object-storage plugin.
 *
 * @param storage is closed with the source
 * @param prefix only objects whose keys begin with it
 */
export function bucketSource(storage: ObjectStorage, prefix: string): ImportSource {
  return {
    name: storage.name,
    async *walk() {
      for await (const entry of storage.list(prefix)) {
        yield { kind: 'file', found: foundObject(storage, entry) };
      }
    },
    async again(reference) {
      const entry = await storage.head(reference);
      if (entry === undefined) {
        throw gone();
      }
      return foundObject(storage, entry);
    },
    async storageFile(uuid) {
      const entry = await objectOf(storage, uuid, prefix);
      return entry && foundObject(storage, entry);
    },
    close: () => storage.close(),
  };
}

function foundObject(storage: ObjectStorage, { key, sizeBytes }: ObjectEntry): Found {
  return {
    at: { path: key },
    bytes: objectBytes(storage, key, sizeBytes),
    storage: storageRoleOf(key),
    reference: key,
  };
}

function objectBytes(storage: ObjectStorage, key: string, sizeBytes: number): RereadableBytes {
  return {
    sizeBytes,
    async *read() {
      const object = await storage.get(key);
      if (object === undefined) {
        throw gone();
      }
      try {
        yield* object.body;
      } finally {
        object.cancel();
      }
    },
    release() {},
  };
}

function gone(): MirrorError {
  return new MirrorError('vanished', 'an object is not there any more');
}
