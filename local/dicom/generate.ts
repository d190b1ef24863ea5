/**
 * Generates valid DICOM files of an exact size. The bytes are a function of seed, place and size alone, so that a
 * test, the demo and a benchmark can name an instance without keeping it.
 */
import { createCipheriv, createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { element, elementHeader, elementUS, fileMetaHeader } from '../../core/dicom/encode.ts';
import { isMd5, type Md5, md5Of } from '../../core/identifiers.ts';
import type { InstanceIdentity } from '../../core/stores/store.ts';
import { type DicomIdentifiers, identifiersOf, instanceIdOf, type Place, placeOfNth } from './identifiers.ts';

/** A generated instance in memory. */
export interface GeneratedInstance extends InstanceIdentity {
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A generated instance too large for memory; `body` generates the bytes anew at each call. */
export interface GeneratedStream extends InstanceIdentity {
  body(): AsyncIterable<Uint8Array>;
}

/** The smallest and largest sizes: a header and an image of 64 pixels; 32-bit length of the pixel data. */
const smallestSizeBytes = 2048;
const largestSizeBytes = 4 * 1024 ** 3 - 2;

const secondaryCapture = '1.2.840.10008.5.1.4.1.1.7';
const multiframeGrayscaleByte = '1.2.840.10008.5.1.4.1.1.7.2';
const streamChunkBytes = 1024 * 1024;

/** How pixels are arranged so that rows × columns × frames is the length of the pixel data. */
interface Raster {
  readonly columns: number;
  readonly rows: number;
  /** 1 is written as a plain image, more as a multi-frame one. */
  readonly frames: number;
}

/**
 * Generates an instance of exactly `sizeBytes` bytes in memory.
 * @throws RangeError if the size is odd, below 2 KiB or above 4 GiB: no such file exists in this form.
 */
export function generateInstance(place: Place, sizeBytes: number): GeneratedInstance {
  const identifiers = identifiersOf(place);
  const { header, pixelBytes } = layOut(identifiers, sizeBytes);
  const bytes = Buffer.concat([header, ...pixelChunks(identifiers, pixelBytes, pixelBytes)]);
  return { id: instanceIdOf(identifiers), md5: md5Of(bytes), sizeBytes, bytes };
}

/**
 * Describes an instance of exactly `sizeBytes` bytes that is generated as a stream of 1 MiB chunks. Generates it once
 * to know its hash (about 2 s per GiB).
 */
export function generateStream(place: Place, sizeBytes: number): GeneratedStream {
  const identifiers = identifiersOf(place);
  const { header, pixelBytes } = layOut(identifiers, sizeBytes);
  function* chunks(): Generator<Uint8Array> {
    yield header;
    yield* pixelChunks(identifiers, pixelBytes, streamChunkBytes);
  }
  return {
    id: instanceIdOf(identifiers),
    md5: md5OfChunks(chunks()),
    sizeBytes,
    async *body() {
      yield* chunks();
    },
  };
}

/** Generates `count` instances one by one, dealt out over patients, studies and series. */
export function* generateInstances(seed: string, count: number, sizeBytes: number): Generator<GeneratedInstance> {
  for (let n = 0; n < count; n += 1) yield generateInstance(placeOfNth(seed, n), sizeBytes);
}

/** Writes instances into a folder as `<Orthanc id>.dcm`; makes the folder if it is missing. */
export async function writeFolder(folder: string, instances: Iterable<GeneratedInstance>): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const instance of instances) await writeFile(join(folder, `${instance.id}.dcm`), instance.bytes);
}

/** The file up to its pixel data; a private element before them takes up what no whole row of pixels fills. */
function layOut(identifiers: DicomIdentifiers, sizeBytes: number): { header: Buffer; pixelBytes: number } {
  if (sizeBytes % 2 !== 0 || sizeBytes < smallestSizeBytes || sizeBytes > largestSizeBytes) {
    throw new RangeError(`a generated instance has an even size from 2 KiB to 4 GiB, not ${sizeBytes} bytes`);
  }
  const shortest = headerOf(identifiers, { columns: 1, rows: 1, frames: 2 }, 0, 0).length;
  const raster = rasterWithin(sizeBytes - shortest - 16);
  const pixelBytes = raster.columns * raster.rows * raster.frames;
  const unfilled = headerOf(identifiers, raster, pixelBytes, 0).length;
  return { header: headerOf(identifiers, raster, pixelBytes, sizeBytes - pixelBytes - unfilled), pixelBytes };
}

function rasterWithin(availableBytes: number): Raster {
  const frameBytes = 1024 * 1024;
  if (availableBytes >= 8 * frameBytes) {
    return { columns: 1024, rows: 1024, frames: Math.floor(availableBytes / frameBytes) };
  }
  const columns = availableBytes >= 128 * 1024 ? 512 : 64;
  return { columns, rows: Math.floor(availableBytes / columns), frames: 1 };
}

function headerOf(ids: DicomIdentifiers, raster: Raster, pixelBytes: number, fillerBytes: number): Buffer {
  const multiframe = raster.frames > 1;
  const sopClass = multiframe ? multiframeGrayscaleByte : secondaryCapture;
  return Buffer.concat([
    fileMetaHeader(sopClass, ids.sopInstanceUid),
    element(0x0008, 0x0016, 'UI', sopClass),
    element(0x0008, 0x0018, 'UI', ids.sopInstanceUid),
    element(0x0008, 0x0020, 'DA', '20240229'),
    element(0x0008, 0x0030, 'TM', '120000'),
    element(0x0008, 0x0050, 'SH', 'GENERATED'),
    element(0x0008, 0x0060, 'CS', 'OT'),
    element(0x0008, 0x0064, 'CS', 'WSD'),
    element(0x0008, 0x0090, 'PN', ''),
    element(0x0009, 0x0010, 'LO', 'GENERATED FILLER'),
    element(0x0009, 0x1001, 'OB', Buffer.alloc(fillerBytes)),
    element(0x0010, 0x0010, 'PN', 'Generated^Patient'),
    element(0x0010, 0x0020, 'LO', ids.patientId),
    element(0x0010, 0x0030, 'DA', ''),
    element(0x0010, 0x0040, 'CS', 'O'),
    element(0x0020, 0x000d, 'UI', ids.studyInstanceUid),
    element(0x0020, 0x000e, 'UI', ids.seriesInstanceUid),
    element(0x0020, 0x0010, 'SH', '1'),
    element(0x0020, 0x0011, 'IS', '1'),
    element(0x0020, 0x0013, 'IS', '1'),
    elementUS(0x0028, 0x0002, 1),
    element(0x0028, 0x0004, 'CS', 'MONOCHROME2'),
    ...(multiframe ? [element(0x0028, 0x0008, 'IS', String(raster.frames))] : []),
    elementUS(0x0028, 0x0010, raster.rows),
    elementUS(0x0028, 0x0011, raster.columns),
    elementUS(0x0028, 0x0100, 8),
    elementUS(0x0028, 0x0101, 8),
    elementUS(0x0028, 0x0102, 7),
    elementUS(0x0028, 0x0103, 0),
    elementHeader(0x7fe0, 0x0010, 'OB', pixelBytes),
  ]);
}

/** Pseudo-random pixels, which do not compress: the key stream of a cipher whose key is the instance's own UID. */
function* pixelChunks(ids: DicomIdentifiers, totalBytes: number, chunkBytes: number): Generator<Buffer> {
  const key = createHash('sha256').update(ids.sopInstanceUid).digest();
  const cipher = createCipheriv('aes-128-ctr', key.subarray(0, 16), key.subarray(16));
  const zeros = Buffer.alloc(chunkBytes);
  for (let leftBytes = totalBytes; leftBytes > 0; leftBytes -= chunkBytes) {
    yield cipher.update(leftBytes < chunkBytes ? zeros.subarray(0, leftBytes) : zeros);
  }
}

function md5OfChunks(chunks: Iterable<Uint8Array>): Md5 {
  const hash = createHash('md5');
  for (const chunk of chunks) hash.update(chunk);
  const md5 = hash.digest('hex');
  if (!isMd5(md5)) throw new Error('an MD5 digest has another form than expected');
  return md5;
}
