/**
 * Reads what identifies a DICOM file from its bytes, in one pass and with constant memory.
 */
import { createInflateRaw } from 'node:zlib';
import { type InstanceId, type OrthancId, orthancIdOf } from '../identifiers.ts';
import { characterSetOf, type OrthancEncoding, readText } from './charset.ts';
import { DataSetParser, type StructureFault } from './data-set-parser.ts';
import { type DicomFileStart, readFileStart } from './dicom-file.ts';
import { asciiText, everyId, identifyingElements, identifyingTags, uidText } from './identifying-elements.ts';
import { InflatedTooFar, InflateError, type InflateLimits, inflated } from './inflate.ts';

/** The identifying part of a DICOM header. All of it but the Orthanc ids and UIDs is patient data: never log it. */
export interface DicomHeader {
  readonly instanceId: InstanceId;
  readonly seriesId: OrthancId;
  readonly studyId: OrthancId;
  /** Orthanc id of the patient. */
  readonly patientOrthancId: OrthancId;
  /** Ids of the instance on servers that read its PatientID in another encoding; empty unless that is not ASCII. */
  readonly otherInstanceIds: readonly InstanceId[];
  readonly patientId: string;
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
  readonly sopClassUid: string | undefined;
  /** `YYYYMMDD` as it stands in the file. */
  readonly studyDate: string | undefined;
  readonly accessionNumber: string | undefined;
  readonly modality: string | undefined;
  readonly transferSyntax: string | undefined;
  /** Whether it has pixel data, also of the float kinds. */
  readonly hasPixelData: boolean;
  /** Whether it describes pixels: it has Rows and Columns. With no pixel data it may be cut off before them. */
  readonly describesPixels: boolean;
}

/** What a file turned out to be. */
export type DicomReading =
  | {
      readonly kind: 'instance';
      readonly header: DicomHeader;
      /** What is wrong with the bytes after the identifiers, `undefined` if the file is whole. */
      readonly fault: StructureFault | undefined;
    }
  /** A table of contents of a medium: not an instance. */
  | { readonly kind: 'dicomdir' }
  /** DICOM, but without the UIDs that make an instance; `fault` tells if that is because the file is damaged. */
  | { readonly kind: 'without-uids'; readonly fault: StructureFault | undefined }
  | { readonly kind: 'not-dicom' };

export interface ReadDicomOptions {
  /** The server's option `DefaultEncoding`, for files that name no character set. */
  readonly defaultEncoding?: OrthancEncoding;
}

/** A server unfolds a deflated data set in memory, as a whole. Real ones shrink to no less than a hundredth. */
const deflateLimits: InflateLimits = { ratio: 200, floorBytes: 256 * 1024 ** 2, mostBytes: 4 * 1024 ** 3 };

const dicomdirSopClass = '1.2.840.10008.1.3.10';
const tags = {
  ...identifyingTags,
  sopClassUid: 0x00080016,
  studyDate: 0x00080020,
  accessionNumber: 0x00080050,
  modality: 0x00080060,
  rows: 0x00280010,
  columns: 0x00280011,
  floatPixelData: 0x7fe00008,
  doubleFloatPixelData: 0x7fe00009,
  pixelData: 0x7fe00010,
} as const;
const wantedTags: ReadonlySet<number> = new Set(Object.values(tags));

/**
 * Reads a file to its end and tells what it is and whether it is whole. A file that is cut exactly between two
 * elements cannot be told from a whole one.
 *
 * Throws only what `body` throws.
 */
export async function readDicom(
  body: AsyncIterable<Uint8Array>,
  options: ReadDicomOptions = {},
): Promise<DicomReading> {
  const input = body[Symbol.asyncIterator]();
  const opening = await readOpening(input);
  if (opening.start === undefined) {
    await drain(input);
    return { kind: 'not-dicom' };
  }
  const { start, rest } = opening;
  const parser = new DataSetParser(start.encoding, wantedTags);
  const inflateFault = await parseDataSet(parser, start, rest, input);
  const fault = inflateFault === 'unfolds-too-far' ? inflateFault : (parser.finish() ?? inflateFault);
  if (start.mediaStorageSopClass === dicomdirSopClass) {
    return { kind: 'dicomdir' };
  }
  const header = headerOf(parser, start, options.defaultEncoding);
  return header === undefined ? { kind: 'without-uids', fault } : { kind: 'instance', header, fault };
}

interface Opening {
  readonly start: DicomFileStart | undefined;
  /** The bytes of the data set that were read along with the opening. */
  readonly rest: Buffer;
}

async function readOpening(input: AsyncIterator<Uint8Array>): Promise<Opening> {
  const chunks: Uint8Array[] = [];
  let readBytes = 0;
  let lookedBytes = 0;
  for (;;) {
    const next = await input.next();
    if (next.done !== true) {
      chunks.push(next.value);
      readBytes += next.value.byteLength;
      // Looking at it again for each of many small pieces would take the square of their number.
      if (readBytes < 2 * lookedBytes) continue;
    }
    const bytes = Buffer.concat(chunks);
    lookedBytes = readBytes;
    const start = readFileStart(bytes, next.done === true);
    if (start === undefined) {
      return { start, rest: bytes };
    }
    if (start !== 'more') {
      return { start, rest: bytes.subarray(start.dataSetOffset) };
    }
    if (next.done === true) {
      return { start: undefined, rest: bytes };
    }
  }
}

async function parseDataSet(
  parser: DataSetParser,
  start: DicomFileStart,
  rest: Buffer,
  input: AsyncIterator<Uint8Array>,
): Promise<StructureFault | undefined> {
  if (start.isDeflated) {
    return parseDeflated(parser, rest, input);
  }
  for await (const chunk of chain(rest, input)) {
    parser.push(chunk);
  }
  return undefined;
}

async function parseDeflated(
  parser: DataSetParser,
  rest: Buffer,
  input: AsyncIterator<Uint8Array>,
): Promise<StructureFault | undefined> {
  try {
    for await (const chunk of inflated(chain(rest, input), createInflateRaw(), deflateLimits)) {
      parser.push(chunk);
    }
  } catch (error) {
    if (error instanceof InflatedTooFar) {
      return 'unfolds-too-far';
    }
    if (!(error instanceof InflateError)) {
      throw error;
    }
    return 'cut';
  } finally {
    await drain(input);
  }
  return undefined;
}

async function* chain(first: Buffer, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) {
    yield next.value;
  }
}

/** Reads on to the end, so that who hashes the same bytes sees them all. */
async function drain(input: AsyncIterator<Uint8Array>): Promise<void> {
  while ((await input.next()).done !== true) {
    // Nothing is kept.
  }
}

/**
 * Tells what a file is from the values of its top level. @returns `undefined` if the UIDs of an instance are not among
 * them.
 */
export function headerOf(
  parser: Pick<DataSetParser, 'values' | 'seen'>,
  start: DicomFileStart,
  defaultEncoding: OrthancEncoding | undefined,
): DicomHeader | undefined {
  const elements = identifyingElements(parser.values);
  if (elements === undefined) {
    return undefined;
  }
  const { studyInstanceUid, seriesInstanceUid, sopInstanceUid } = elements;
  const text = (tag: number) => asciiText(parser.values.get(tag));
  const { text: patientId } = readText(
    elements.patientId,
    characterSetOf(elements.specificCharacterSet, defaultEncoding),
  );
  const instanceId = orthancIdOf(patientId, studyInstanceUid, seriesInstanceUid, sopInstanceUid) as InstanceId;
  return {
    instanceId,
    seriesId: orthancIdOf(patientId, studyInstanceUid, seriesInstanceUid),
    studyId: orthancIdOf(patientId, studyInstanceUid),
    patientOrthancId: orthancIdOf(patientId),
    otherInstanceIds: everyId(elements).filter((id) => id !== instanceId),
    patientId,
    studyInstanceUid,
    seriesInstanceUid,
    sopInstanceUid,
    sopClassUid: uidText(parser.values.get(tags.sopClassUid)) || undefined,
    studyDate: text(tags.studyDate),
    accessionNumber: text(tags.accessionNumber),
    modality: text(tags.modality),
    transferSyntax: start.transferSyntax,
    hasPixelData: [tags.pixelData, tags.floatPixelData, tags.doubleFloatPixelData].some((tag) => parser.seen.has(tag)),
    describesPixels: parser.seen.has(tags.rows) && parser.seen.has(tags.columns),
  };
}
