/** One version of an instance in an archive, read by ranges. */

import type { CallOptions } from '../../call-options.ts';
import { type DicomDataSet, type RangeReader, readDataSet } from '../../dicom/data-set.ts';
import { MirrorError } from '../../errors.ts';
import type { InstanceId, Md5 } from '../../identifiers.ts';
import { instanceKey } from '../../stores/archive/keys.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';

/** Which bytes, and how many. */
export interface ArchivedFile {
  readonly id: InstanceId;
  readonly md5: Md5;
  readonly sizeBytes: number;
}

/** What reads parts of archived files. */
export interface FileRanges {
  /** Opens bytes of a file as a stream, which must be read to its end or ended. Throws `vanished`. */
  range(
    file: ArchivedFile,
    position: number,
    lengthBytes: number,
    options?: CallOptions,
  ): Promise<AsyncIterable<Uint8Array>>;
}

/** Reads a file by ranges. Throws `vanished` when it is not there. */
function rangesOf(objects: ObjectStorage, file: ArchivedFile, options: CallOptions = {}): RangeReader {
  return {
    sizeBytes: file.sizeBytes,
    read: async (position, lengthBytes) =>
      Buffer.concat(await Array.fromAsync(await openRange(objects, file, position, lengthBytes, options))),
  };
}

/** Opens a range of a file as a stream, which must be read to its end or ended. Throws `vanished`. */
export async function openRange(
  objects: ObjectStorage,
  { id, md5 }: Pick<ArchivedFile, 'id' | 'md5'>,
  position: number,
  lengthBytes: number,
  { signal }: CallOptions = {},
): Promise<AsyncIterable<Uint8Array>> {
  if (lengthBytes === 0) return (async function* () {})();
  const range = { first: position, last: position + lengthBytes - 1 };
  const object = await objects.get(instanceKey(id, md5), { range, signal });
  if (object === undefined) throw new MirrorError('vanished', `${objects.name} does not hold instance ${id}`);
  return object.body;
}

/** Reads the header of a file. Throws `not-dicom` if it has none, `vanished` if there is no such file. */
export async function readFileHeader(
  objects: ObjectStorage,
  file: ArchivedFile,
  options: CallOptions = {},
): Promise<DicomDataSet> {
  const header = await readDataSet(rangesOf(objects, file, options));
  if (header !== undefined) return header;
  throw new MirrorError(
    'not-dicom',
    `instance ${file.id} with MD5 ${file.md5} cannot be read as DICOM: fetch the file`,
  );
}
