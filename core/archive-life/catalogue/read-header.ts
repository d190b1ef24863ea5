/** Finds out what an archived instance is from its own bytes, for archives without sidecars. */

import type { CallOptions } from '../../call-options.ts';
import { type DicomHeader, readDicom } from '../../dicom/dicom-header.ts';
import type { InstanceId, Md5 } from '../../identifiers.ts';
import { instanceKey } from '../../stores/archive/keys.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';

/** Most headers end before the first; some hold large private elements before what identifies them. */
const rangesBytes = [64 * 1024, 4 * 1024 * 1024];

/**
 * Reads the beginning of an archived instance. @returns `undefined` if it is not there, or if its first 4 MiB do not
 * identify it.
 */
export async function readArchivedHeader(
  objects: ObjectStorage,
  id: InstanceId,
  md5: Md5,
  { signal }: CallOptions = {},
): Promise<DicomHeader | undefined> {
  for (const rangeBytes of rangesBytes) {
    const range = { first: 0, last: rangeBytes - 1 };
    const object = await objects.get(instanceKey(id, md5), { range, signal });
    if (object === undefined) return undefined;
    const reading = await readDicom(object.body);
    if (reading.kind === 'instance') return reading.header;
    if (object.sizeBytes <= rangeBytes) return undefined;
  }
  return undefined;
}
