/** Values and frames of an archived file that are too long for its header, as streams. */
import { createInflateRaw } from 'node:zlib';
import type { CallOptions } from '../../call-options.ts';
import type { DataElement, DicomDataSet } from '../../dicom/data-set.ts';
import { inflated } from '../../dicom/inflate.ts';
import type { ArchivedFile, FileRanges } from './archived-file.ts';

/** Bytes of a file. */
export interface Extent {
  readonly position: number;
  readonly sizeBytes: number;
}

/** Opens bytes of what the header describes: of the file, or of what is inflated of a deflated one. */
export async function openBytesAt(
  reader: FileRanges,
  file: ArchivedFile,
  { start }: Pick<DicomDataSet, 'start'>,
  { position, sizeBytes }: Extent,
  options: CallOptions = {},
): Promise<AsyncIterable<Uint8Array>> {
  if (!start.isDeflated) return reader.range(file, position, sizeBytes, options);
  const deflated = await reader.range(file, start.dataSetOffset, file.sizeBytes - start.dataSetOffset, options);
  return part(inflated(deflated, createInflateRaw()), position, sizeBytes);
}

/** Opens the value of an element that is no sequence. */
export function openValue(
  reader: FileRanges,
  file: ArchivedFile,
  header: DicomDataSet,
  element: DataElement,
  options: CallOptions = {},
): Promise<AsyncIterable<Uint8Array>> {
  const extent = { position: element.position, sizeBytes: element.length };
  return openBytesAt(reader, file, header, extent, options);
}

async function* part(bytes: AsyncIterable<Uint8Array>, first: number, lengthBytes: number): AsyncGenerator<Uint8Array> {
  let at = 0;
  for await (const chunk of bytes) {
    const wanted = chunk.subarray(Math.max(0, first - at), Math.max(0, first + lengthBytes - at));
    at += chunk.length;
    if (wanted.length > 0) yield wanted;
    if (at >= first + lengthBytes) return;
  }
}
