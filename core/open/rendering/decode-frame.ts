/** From the bytes of a frame to its samples. Runs in the browser as well: codecs are given. */
import { Decoder as LosslessDecoder } from '@cornerstonejs/jpeg-lossless-decoder-js';
import { codestreamSize } from './codestream.ts';
import type { ImageDescription } from './image-description.ts';
import { unpackRunLength } from './run-length.ts';

/** Makes decoders; a codec is loaded when it is first needed. */
export interface Codecs {
  readonly jpeg: () => Promise<CodecDecoder>;
  readonly jpegLs: () => Promise<CodecDecoder>;
  readonly jpeg2000: () => Promise<CodecDecoder>;
  readonly highThroughput: () => Promise<CodecDecoder>;
}

export type Samples =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array;

/** Samples of a frame, of one pixel after the other unless they are planar. */
export interface DecodedFrame {
  readonly samples: Samples;
  readonly isPlanar: boolean;
  /** Whether the codec has made red, green and blue of other colours. */
  readonly isRgb: boolean;
}

/** Why a frame cannot be shown. The text holds nothing of the file but numbers. */
export class UndecodableFrame extends Error {
  override readonly name = 'UndecodableFrame';
}

/** An image of more pixels is no image but an attempt to use up memory; the largest mammograms have 30 million. */
const mostSamples = 160_000_000;

const syntaxes = {
  bigEndian: '1.2.840.10008.1.2.2',
  runLength: '1.2.840.10008.1.2.5',
  jpeg: new Set(['1.2.840.10008.1.2.4.50', '1.2.840.10008.1.2.4.51']),
  lossless: new Set(['1.2.840.10008.1.2.4.57', '1.2.840.10008.1.2.4.70']),
  jpegLs: new Set(['1.2.840.10008.1.2.4.80', '1.2.840.10008.1.2.4.81']),
  jpeg2000: new Set(['1.2.840.10008.1.2.4.90', '1.2.840.10008.1.2.4.91']),
  highThroughput: new Set(['1.2.840.10008.1.2.4.201', '1.2.840.10008.1.2.4.202', '1.2.840.10008.1.2.4.203']),
  uncompressed: new Set([
    '1.2.840.10008.1.2',
    '1.2.840.10008.1.2.1',
    '1.2.840.10008.1.2.2',
    '1.2.840.10008.1.2.1.99',
    '1.2.840.10008.1.2.1.98',
  ]),
} as const;

/** Decodes a frame. Throws {@link UndecodableFrame}. */
export async function decodeFrame(
  description: ImageDescription,
  bytes: Uint8Array,
  codecs: Codecs,
): Promise<DecodedFrame> {
  const { rows, columns, samples } = description;
  if (rows * columns * samples > mostSamples) throw new UndecodableFrame('the image is too large to be shown');
  try {
    return await decode(description, bytes, codecs);
  } catch (error) {
    if (error instanceof UndecodableFrame) throw error;
    throw new UndecodableFrame('the compressed image is damaged', { cause: error });
  }
}

async function decode(description: ImageDescription, bytes: Uint8Array, codecs: Codecs): Promise<DecodedFrame> {
  const { transferSyntax, rows, columns, samples, bitsAllocated, isPlanar } = description;
  if (syntaxes.uncompressed.has(transferSyntax)) {
    return { samples: native(description, bytes), isPlanar: isPlanar && samples > 1, isRgb: false };
  }
  if (transferSyntax === syntaxes.runLength) {
    const planes = unpackRunLength(bytes, rows * columns, samples, Math.ceil(bitsAllocated / 8));
    return { samples: typed(description, planes), isPlanar: samples > 1, isRgb: false };
  }
  const size = codestreamSize(bytes);
  if (size?.rows !== rows || size.columns !== columns || size.components !== samples) {
    throw new UndecodableFrame('the compressed image is not of the size that its header says');
  }
  if (syntaxes.lossless.has(transferSyntax)) return lossless(description, bytes);
  const isJpeg = syntaxes.jpeg.has(transferSyntax);
  if (isJpeg && size.bits > 8) throw new UndecodableFrame('JPEG of 12 bits cannot be shown here');
  const decoder = await decoderFor(transferSyntax, codecs);
  return withDecoder(decoder, description, bytes, isJpeg || samples === 3);
}

function decoderFor(transferSyntax: string, codecs: Codecs): Promise<CodecDecoder> {
  if (syntaxes.jpeg.has(transferSyntax)) return codecs.jpeg();
  if (syntaxes.jpegLs.has(transferSyntax)) return codecs.jpegLs();
  if (syntaxes.jpeg2000.has(transferSyntax)) return codecs.jpeg2000();
  if (syntaxes.highThroughput.has(transferSyntax)) return codecs.highThroughput();
  throw new UndecodableFrame(`transfer syntax ${transferSyntax} cannot be shown here`);
}

function withDecoder(
  decoder: CodecDecoder,
  description: ImageDescription,
  bytes: Uint8Array,
  isColour: boolean,
): DecodedFrame {
  try {
    decoder.getEncodedBuffer(bytes.length).set(bytes);
    decoder.decode();
    const { bitsPerSample, componentCount } = decoder.getFrameInfo();
    const decoded = Uint8Array.from(decoder.getDecodedBuffer());
    const isPlanar = componentCount > 1 && decoder.getInterleaveMode?.() === 0;
    const bitsAllocated = bitsPerSample > 8 ? 16 : 8;
    // JPEG-LS leaves colours as they are; the others make red, green and blue of them.
    const isRgb = isColour && decoder.getInterleaveMode === undefined;
    return { samples: typed({ ...description, bitsAllocated, isFloat: false }, decoded), isPlanar, isRgb };
  } finally {
    decoder.delete();
  }
}

function lossless(description: ImageDescription, bytes: Uint8Array): DecodedFrame {
  const bytesPerSample = description.bitsAllocated <= 8 ? 1 : 2;
  const { buffer, byteOffset, length } = Uint8Array.from(bytes);
  const decoded = new LosslessDecoder().decode(buffer, byteOffset, length, bytesPerSample);
  const octets = new Uint8Array(decoded.buffer, decoded.byteOffset, decoded.byteLength);
  const bitsAllocated = 8 * bytesPerSample;
  return { samples: typed({ ...description, bitsAllocated }, octets), isPlanar: false, isRgb: false };
}

function native(description: ImageDescription, bytes: Uint8Array): Samples {
  const { transferSyntax, bitsAllocated, rows, columns } = description;
  if (bitsAllocated === 1) {
    return Uint8Array.from({ length: rows * columns }, (_, index) => ((bytes[index >> 3] ?? 0) >> (index & 7)) & 1);
  }
  return typed(description, transferSyntax === syntaxes.bigEndian ? swapped(bytes, bitsAllocated / 8) : bytes);
}

/** Bytes in the order of this machine, which is little endian wherever Node and browsers run. */
function swapped(bytes: Uint8Array, size: number): Uint8Array {
  return bytes.map((_, index) => bytes[index - (index % size) + size - 1 - (index % size)] ?? 0);
}

function typed({ bitsAllocated, bitsStored, isSigned, isFloat }: ImageDescription, bytes: Uint8Array): Samples {
  const size = bitsAllocated / 8;
  if (![1, 2, 4, 8].includes(size)) throw new UndecodableFrame(`samples of ${bitsAllocated} bits cannot be shown here`);
  // A copy, because a view must begin at a multiple of the size of its elements.
  const { buffer } = Uint8Array.from(bytes.subarray(0, bytes.length - (bytes.length % size)));
  if (isFloat) return size === 8 ? new Float64Array(buffer) : new Float32Array(buffer);
  if (size === 1) return stored(isSigned ? new Int8Array(buffer) : new Uint8Array(buffer), bitsStored, isSigned);
  if (size === 2) return stored(isSigned ? new Int16Array(buffer) : new Uint16Array(buffer), bitsStored, isSigned);
  return isSigned ? new Int32Array(buffer) : new Uint32Array(buffer);
}

/** Above the bits that are stored there may be others, such as overlays. */
function stored<Array extends Uint8Array | Int8Array | Uint16Array | Int16Array>(
  samples: Array,
  bitsStored: number,
  isSigned: boolean,
): Array {
  const unused = 32 - bitsStored;
  if (bitsStored >= 8 * samples.BYTES_PER_ELEMENT || bitsStored < 1) return samples;
  for (let index = 0; index < samples.length; index += 1) {
    const shifted = (samples[index] ?? 0) << unused;
    samples[index] = isSigned ? shifted >> unused : shifted >>> unused;
  }
  return samples;
}
