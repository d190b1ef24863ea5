/** Which storage files an archive already holds for a host. */

import type { CallOptions } from '../../call-options.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import { type HostKeys, parseFileKey } from './backup-keys.ts';

/** One version of a file: Orthanc never changes a file, but damage does. */
export interface ArchivedVersion {
  readonly sha256: string;
  readonly sizeBytes: number;
  /** When the archive received it, by its own clock. */
  readonly writtenAt: Date;
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
  for await (const { key, sizeBytes, lastModified } of objects.list(keys.files, options)) {
    const parsed = parseFileKey(keys, key);
    if (parsed === undefined) continue;
    if (current?.uuid !== parsed.uuid) {
      if (current !== undefined) yield current;
      current = { uuid: parsed.uuid, versions: [] };
    }
    current.versions.push({ sha256: parsed.sha256, sizeBytes, writtenAt: lastModified });
  }
  if (current !== undefined) yield current;
}
