/** Which storage files an archive already holds for a host. */
import type { Md5 } from '../../identifiers.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import type { CallOptions } from '../../stores/store.ts';
import { type HostKeys, parseFileKey } from './backup-keys.ts';

/** One version of a file: Orthanc never changes a file, but damage does. */
export interface ArchivedVersion {
  readonly md5: Md5;
  readonly sizeBytes: number;
}

/** All versions of one file. */
export interface ArchivedFile {
  readonly uuid: string;
  readonly versions: readonly ArchivedVersion[];
}

/** Lists the files in ascending order of uuid, each once. */
export async function* archivedFiles(
  objects: ObjectStorage,
  keys: HostKeys,
  options?: CallOptions,
): AsyncGenerator<ArchivedFile> {
  let current: { readonly uuid: string; readonly versions: ArchivedVersion[] } | undefined;
  for await (const { key, sizeBytes } of objects.list(keys.files, options)) {
    const parsed = parseFileKey(keys, key);
    if (parsed === undefined) continue;
    if (current?.uuid !== parsed.uuid) {
      if (current !== undefined) yield current;
      current = { uuid: parsed.uuid, versions: [] };
    }
    current.versions.push({ md5: parsed.md5, sizeBytes });
  }
  if (current !== undefined) yield current;
}

const uuidBytes = 16;

/** Many uuids in little memory, 16 bytes each. They must be added in ascending order. */
export class SortedUuids {
  #bytes = Buffer.allocUnsafe(uuidBytes * 1024);
  #count = 0;

  get size(): number {
    return this.#count;
  }

  add(uuid: string): void {
    const offset = this.#count * uuidBytes;
    if (offset === this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes], offset * 2);
    this.#bytes.write(uuid.replaceAll('-', ''), offset, 'hex');
    this.#count += 1;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    for (let index = 0; index < this.#count; index += 1) {
      const hex = this.#bytes.toString('hex', index * uuidBytes, (index + 1) * uuidBytes);
      yield hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
    }
  }
}
