/** Where the frames of an instance lie in its file (PS3.5, 8 and annex A.4). */

import type { CallOptions } from '../../call-options.ts';
import type { DataElement, DataSet, DicomDataSet } from '../../dicom/data-set.ts';
import { pixelDataTags } from '../../dicom/data-set.ts';
import { tagNamed } from '../../dicom/dictionary.ts';
import { MirrorError } from '../../errors.ts';
import type { ArchivedFile, FileRanges } from './archived-file.ts';
import { type Extent, openBytesAt } from './file-values.ts';
import { walkFragments } from './fragments.ts';

/** One frame: extents that together are its bytes. */
export type Frame = readonly Extent[];

/** Reads where all frames are. Throws `refused` if there are none, or the file does not tell them apart. */
export async function locateFrames(
  reader: FileRanges,
  file: ArchivedFile,
  header: DicomDataSet,
  options: CallOptions = {},
): Promise<readonly Frame[]> {
  const { dataSet } = header;
  const pixels = [...pixelDataTags].map((tag) => dataSet.get(tag)).find((element) => element !== undefined);
  if (pixels === undefined) throw new MirrorError('refused', `instance ${file.id} has no pixel data`);
  const count = Math.max(1, numberIn(header, 'NumberOfFrames') ?? 1);
  if (!pixels.isEncapsulated) return nativeFrames(file, header, pixels, count);
  const readAt = async (position: number, lengthBytes: number): Promise<Buffer> => {
    const sizeBytes = Math.min(lengthBytes, Math.max(0, file.sizeBytes - position));
    const bytes = await openBytesAt(reader, file, header, { position, sizeBytes }, options);
    return Buffer.concat(await Array.fromAsync(bytes));
  };
  const fragments = await walkFragments(readAt, { position: pixels.position, end: file.sizeBytes });
  return groupFragments(file, fragments.fragments, fragments.offsets, count);
}

function nativeFrames(file: ArchivedFile, header: DicomDataSet, pixels: DataElement, count: number): readonly Frame[] {
  const bits = frameBits(header, pixels);
  if (bits === undefined || bits === 0) throw cannotSplit(file, 'its header does not describe its pixels');
  if (count > 1 && bits % 8 !== 0) throw cannotSplit(file, 'its frames do not begin at whole bytes');
  const sizeBytes = Math.ceil(bits / 8);
  if (sizeBytes * count > pixels.length) throw cannotSplit(file, 'its pixel data is shorter than its header says');
  return Array.from({ length: count }, (_, index) => [{ position: pixels.position + index * sizeBytes, sizeBytes }]);
}

function frameBits(header: DicomDataSet, pixels: DataElement): number | undefined {
  const [rows, columns] = [numberIn(header, 'Rows'), numberIn(header, 'Columns')];
  if (rows === undefined || columns === undefined) return undefined;
  const samples = numberIn(header, 'SamplesPerPixel') ?? 1;
  const isFloat = pixels.tag !== 0x7fe00010;
  const allocated = isFloat ? (pixels.tag === 0x7fe00009 ? 64 : 32) : (numberIn(header, 'BitsAllocated') ?? 16);
  // Of these, two pixels share their colours (PS3.3, C.7.6.3.1.2).
  const isHalved =
    samples === 3 && /^YBR_(?:FULL|PARTIAL)_422$/.test(textIn(header.dataSet, 'PhotometricInterpretation'));
  return rows * columns * (isHalved ? 2 : samples) * allocated;
}

/** The fragments of each frame: by the offsets that the file tells, or else by what they begin with. */
function groupFragments(
  file: ArchivedFile,
  fragments: readonly (Extent & { readonly startsFrame: boolean; readonly offset: number })[],
  offsets: readonly number[],
  count: number,
): readonly Frame[] {
  const frameExtents = (found: readonly Extent[]): Frame =>
    found.map(({ position, sizeBytes }) => ({ position, sizeBytes }));
  if (count === 1) return [frameExtents(fragments)];
  if (fragments.length === count) return fragments.map((fragment) => frameExtents([fragment]));
  const starts = new Set(offsets);
  const isStart =
    offsets.length === count
      ? fragments.map(({ offset }) => starts.has(offset))
      : fragments.map(({ startsFrame }) => startsFrame);
  const frames: (typeof fragments)[number][][] = [];
  for (const [index, fragment] of fragments.entries()) {
    if (isStart[index] === true || frames.length === 0) frames.push([fragment]);
    else frames.at(-1)?.push(fragment);
  }
  if (frames.length !== count) throw cannotSplit(file, `it has ${fragments.length} fragments for ${count} frames`);
  return frames.map(frameExtents);
}

function cannotSplit({ id }: ArchivedFile, why: string): MirrorError {
  return new MirrorError('refused', `the frames of instance ${id} cannot be told apart: ${why}; fetch the instance`);
}

/** A number of the top level of a header, of US or IS. */
function numberIn({ dataSet, start }: Pick<DicomDataSet, 'dataSet' | 'start'>, keyword: string): number | undefined {
  const element = elementNamed(dataSet, keyword);
  const value = element?.value;
  if (element === undefined || value === undefined) return undefined;
  if (element.vr !== 'US' && element.vr !== 'SS') {
    const number = Number(value.toString('latin1').split('\\')[0]?.trim() || Number.NaN);
    return Number.isFinite(number) ? number : undefined;
  }
  if (value.length < 2) return undefined;
  return start.encoding.bigEndian ? value.readUInt16BE(0) : value.readUInt16LE(0);
}

/** A text of the top level of a header, in ASCII; empty if it has none. */
function textIn(dataSet: DataSet, keyword: string): string {
  return (elementNamed(dataSet, keyword)?.value?.toString('latin1') ?? '').replace(/[\s\0]+$/, '').trim();
}

function elementNamed(dataSet: DataSet, keyword: string): DataElement | undefined {
  const tag = tagNamed(keyword);
  return tag === undefined ? undefined : dataSet.get(tag);
}
