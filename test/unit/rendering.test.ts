import { inflateSync } from 'node:zlib';
import charls from '@cornerstonejs/codec-charls/wasmjs';
import openjpeg from '@cornerstonejs/codec-openjpeg/wasmjs';
import { describe, expect, test } from 'vitest';
import { nodeCodecs } from '../../core/open/node-codecs.ts';
import { codestreamSize } from '../../core/open/rendering/codestream.ts';
import { decodeFrame, UndecodableFrame } from '../../core/open/rendering/decode-frame.ts';
import { pictureOf, shrunk } from '../../core/open/rendering/display.ts';
import { encodeJpeg, encodePng } from '../../core/open/rendering/encode-picture.ts';
import { describeImage, type ImageDescription } from '../../core/open/rendering/image-description.ts';
import { packRunLength } from '../support/open/pack-run-length.ts';

const [rows, columns] = [64, 96];

const grey16: ImageDescription = {
  transferSyntax: '1.2.840.10008.1.2.1',
  rows,
  columns,
  samples: 1,
  bitsAllocated: 16,
  bitsStored: 12,
  isSigned: false,
  isPlanar: false,
  isFloat: false,
  photometric: 'MONOCHROME2',
  slope: 1,
  intercept: 0,
  window: undefined,
  padding: undefined,
  palette: undefined,
};

/** A slope with an edge in it, as images have. */
const values = Uint16Array.from(
  { length: rows * columns },
  (_, index) => ((index % columns) * 40 + Math.floor(index / columns) * 7) % 4096,
);
const bytes = new Uint8Array(values.buffer);
const rgb = Uint8Array.from({ length: rows * columns * 3 }, (_, index) => (index * 5) % 256);

/** The numbers from 0 to 1023 as an image of 32 rows; the library that wrote it cannot be loaded twice. */
const highThroughput = [
  '/0//UQApQAAAAAAgAAAAIAAAAAAAAAAAAAAAIAAAACAAAAAAAAAAAAABCwEB/1AACAACAAAABv9SAAwAAgABAAUEBEAB/1wAEyBo',
  'cHBwcHBwcHBwcHBwaGho/2QAFwABT3BlbkpQSCBWZXIgMC4zMS4wLv+QAAoAAAAAAKAAAf+TwAJgo/0DB3QAwAEsABMA4gAHdACQ',
  '/AKHdADAASwAE4AAAMJ0AEgi+QCDVADAATwAFWAA8KCnQnUAIkVERP7AMYHstgDAAVEABaQA59T09PJ3AI4Oh8PhcDj+/YhAe/Yh',
  'Aey6AMACrgAW6AAA+f8ClKUpS+kAvvfee++999577/94YAAHv2AAHv2AAHv2AAHsswH/2Q==',
].join('');

function encode(encoder: CodecEncoder, pixels: Uint8Array, bitsPerSample: number, componentCount: number): Uint8Array {
  const info = {
    width: columns,
    height: rows,
    bitsPerSample,
    componentCount,
    isSigned: false,
    isUsingColorTransform: componentCount === 3,
  };
  encoder.getDecodedBuffer(info).set(pixels);
  encoder.encode();
  return Uint8Array.from(encoder.getEncodedBuffer());
}

describe('a frame that was compressed without loss', () => {
  test.each([
    ['JPEG-LS', '1.2.840.10008.1.2.4.80', async () => encode(new (await charls()).JpegLSEncoder(), bytes, 12, 1)],
    ['JPEG 2000', '1.2.840.10008.1.2.4.90', async () => encode(new (await openjpeg()).J2KEncoder(), bytes, 12, 1)],
    ['RLE', '1.2.840.10008.1.2.5', async () => packRunLength(bytes, 1, 2)],
  ])('as %s has the samples that it had', async (_, transferSyntax, compressed) => {
    const { samples } = await decodeFrame({ ...grey16, transferSyntax }, await compressed(), nodeCodecs);
    expect([...samples]).toEqual([...values]);
  });

  test('as HTJ2K has the samples that it had', async () => {
    const description = { ...grey16, rows: 32, columns: 32, transferSyntax: '1.2.840.10008.1.2.4.201' };
    const { samples } = await decodeFrame(description, Buffer.from(highThroughput, 'base64'), nodeCodecs);
    expect([...samples]).toEqual(Array.from({ length: 1024 }, (_, index) => index));
  });

  test('as RLE keeps its colours plane by plane', async () => {
    const description = {
      ...grey16,
      samples: 3,
      bitsAllocated: 8,
      bitsStored: 8,
      photometric: 'RGB',
      transferSyntax: '1.2.840.10008.1.2.5',
    };
    const frame = await decodeFrame(description, packRunLength(rgb, 3, 1), nodeCodecs);
    expect(frame.isPlanar).toBe(true);
    expect([...pictureOf(description, frame, undefined, undefined).octets]).toEqual([...rgb]);
  });

  test('as JPEG 2000 shows its colours', async () => {
    const description = {
      ...grey16,
      samples: 3,
      bitsAllocated: 8,
      bitsStored: 8,
      photometric: 'YBR_RCT',
      transferSyntax: '1.2.840.10008.1.2.4.90',
    };
    const frame = await decodeFrame(description, encode(new (await openjpeg()).J2KEncoder(), rgb, 8, 3), nodeCodecs);
    expect([...pictureOf(description, frame, undefined, undefined).octets]).toEqual([...rgb]);
  });
});

test('a frame that was compressed with loss as JPEG is nearly what it was', async () => {
  const grey = Uint8Array.from({ length: rows * columns }, (_, index) => (index % columns) * 2);
  const jpeg = encodeJpeg({ rows, columns, channels: 1, octets: grey }, 95);
  const description = { ...grey16, bitsAllocated: 8, bitsStored: 8, transferSyntax: '1.2.840.10008.1.2.4.50' };
  const { samples } = await decodeFrame({ ...description, samples: 3 }, jpeg, nodeCodecs);
  const most = Math.max(...grey.map((value, index) => Math.abs(value - (samples[3 * index] ?? 0))));
  expect(most).toBeLessThan(8);
});

describe('uncompressed frames', () => {
  test('of big endian have their bytes turned', async () => {
    const swapped = bytes.map((_, index) => bytes[index ^ 1] ?? 0);
    const { samples } = await decodeFrame({ ...grey16, transferSyntax: '1.2.840.10008.1.2.2' }, swapped, nodeCodecs);
    expect([...samples]).toEqual([...values]);
  });

  test('lose what stands above the bits that are stored, such as overlays', async () => {
    const withOverlay = Uint16Array.from(values, (value) => value | 0x8000);
    const { samples } = await decodeFrame(grey16, new Uint8Array(withOverlay.buffer), nodeCodecs);
    expect([...samples]).toEqual([...values]);
  });

  test('keep their sign in the bits that are stored', async () => {
    const negative = Int16Array.from({ length: rows * columns }, (_, index) => (index % 2 === 0 ? -5 & 0x0fff : 5));
    const { samples } = await decodeFrame({ ...grey16, isSigned: true }, new Uint8Array(negative.buffer), nodeCodecs);
    expect(Array.from(samples.subarray(0, 2))).toEqual([-5, 5]);
  });

  test('of one bit are unpacked', async () => {
    const packed = new Uint8Array((rows * columns) / 8).fill(0b00000101);
    const { samples } = await decodeFrame({ ...grey16, bitsAllocated: 1, bitsStored: 1 }, packed, nodeCodecs);
    expect(Array.from(samples.subarray(0, 4))).toEqual([1, 0, 1, 0]);
  });
});

describe('an image that is made to use up memory', () => {
  test('is refused when its header says that it is huge', async () => {
    const huge = { ...grey16, rows: 65_535, columns: 65_535 };
    await expect(decodeFrame(huge, bytes, nodeCodecs)).rejects.toThrow(UndecodableFrame);
  });

  test('is refused when it is of another size than its header says, before it is decoded', async () => {
    const jpeg2000 = encode(new (await openjpeg()).J2KEncoder(), bytes, 12, 1);
    const siz = Buffer.from(jpeg2000);
    siz.writeUInt32BE(60_000, 8);
    siz.writeUInt32BE(60_000, 12);
    const description = { ...grey16, transferSyntax: '1.2.840.10008.1.2.4.90' };
    await expect(decodeFrame(description, siz, nodeCodecs)).rejects.toThrow('size');
  });

  test.each([
    ['JPEG', '1.2.840.10008.1.2.4.50'],
    ['JPEG without loss', '1.2.840.10008.1.2.4.70'],
    ['JPEG-LS', '1.2.840.10008.1.2.4.80'],
    ['JPEG 2000', '1.2.840.10008.1.2.4.90'],
    ['RLE', '1.2.840.10008.1.2.5'],
    ['video', '1.2.840.10008.1.2.4.102'],
  ])('is refused when it is no %s at all', async (_, transferSyntax) => {
    await expect(decodeFrame({ ...grey16, transferSyntax }, bytes, nodeCodecs)).rejects.toThrow(UndecodableFrame);
  });
});

describe('what is seen', () => {
  const shades = (
    description: Partial<ImageDescription>,
    samples: number[],
    window?: { center: number; width: number },
  ) => [
    ...pictureOf(
      { ...grey16, rows: 1, columns: samples.length, ...description },
      { samples: Int16Array.from(samples), isPlanar: false, isRgb: false },
      window,
      undefined,
    ).octets,
  ];

  test('follows the window of the file', () => {
    expect(shades({ window: { center: 50.5, width: 101 } }, [-10, 0, 50, 100, 200])).toEqual([0, 0, 128, 255, 255]);
  });

  test('follows the window that is asked for', () => {
    expect(shades({ window: { center: 0, width: 1 } }, [0, 100], { center: 50.5, width: 101 })).toEqual([0, 255]);
  });

  test('without a window goes from the least to the greatest value, padding left out', () => {
    expect(shades({ padding: -2000 }, [-2000, 0, 100])).toEqual([0, 0, 255]);
  });

  test('is rescaled before the window', () => {
    expect(shades({ slope: 2, intercept: -100, window: { center: 0.5, width: 201 } }, [0, 50, 100])).toEqual([
      0, 128, 255,
    ]);
  });

  test('is turned round where white is the least', () => {
    expect(shades({ photometric: 'MONOCHROME1' }, [0, 100])).toEqual([255, 0]);
  });

  test('follows a palette', () => {
    const palette = [Uint16Array.of(0, 0xff00), Uint16Array.of(0x8000, 0), Uint16Array.of(0, 0)] as const;
    const description = { ...grey16, rows: 1, columns: 3, palette: [2, 10, 16] as const };
    const frame = { samples: Uint16Array.of(9, 10, 11), isPlanar: false, isRgb: false };
    expect([...pictureOf(description, frame, undefined, palette).octets]).toEqual([0, 128, 0, 0, 128, 0, 255, 0, 0]);
  });

  test('is made of luminance and colour differences, also where pixels share these', () => {
    const description = { ...grey16, rows: 1, columns: 2, samples: 3, bitsStored: 8, photometric: 'YBR_FULL_422' };
    const frame = { samples: Uint8Array.of(100, 200, 128, 128), isPlanar: false, isRgb: false };
    expect([...pictureOf(description, frame, undefined, undefined).octets]).toEqual([100, 100, 100, 200, 200, 200]);
  });

  test('takes window and rescaling of one frame from the groups of that frame', () => {
    const group = (tag: string, values: object) => ({ [tag]: { vr: 'SQ', Value: [values] } });
    const window = (center: number) =>
      group('00289132', { '00281050': { vr: 'DS', Value: [String(center)] }, '00281051': { vr: 'DS', Value: ['10'] } });
    const header = {
      '00280010': { vr: 'US', Value: [4] },
      '00280011': { vr: 'US', Value: [4] },
      '52009229': { vr: 'SQ', Value: [group('00289145', { '00281053': { vr: 'DS', Value: ['3'] } })] },
      '52009230': { vr: 'SQ', Value: [window(1), window(2)] },
    };
    expect(describeImage(header, '', 2)).toMatchObject({ window: { center: 2, width: 10 }, slope: 3 });
  });
});

test('a JPEG of a single pixel is one', () => {
  const jpeg = encodeJpeg({ rows: 1, columns: 1, channels: 3, octets: Uint8Array.of(255, 0, 0) }, 100);
  expect(codestreamSize(jpeg)).toEqual({ rows: 1, columns: 1, components: 3, bits: 8 });
});

test('a smaller picture has the means of the larger one, and none is made larger', () => {
  const picture = { rows: 2, columns: 4, channels: 1 as const, octets: Uint8Array.of(0, 100, 20, 20, 0, 100, 20, 20) };
  expect(shrunk(picture, 2, 2)).toEqual({ rows: 1, columns: 2, channels: 1, octets: Uint8Array.of(50, 20) });
  expect(shrunk(picture, 100, 100)).toBe(picture);
});

test('a PNG holds the very picture', () => {
  const png = Buffer.from(encodePng({ rows, columns, channels: 3, octets: rgb }));
  expect(png.subarray(1, 4).toString()).toBe('PNG');
  expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([columns, rows]);
  const at = png.indexOf('IDAT');
  const filtered = inflateSync(png.subarray(at + 4, at + 4 + png.readUInt32BE(at - 4)));
  const unfiltered = new Uint8Array(rgb.length);
  for (let row = 0; row < rows; row += 1) {
    for (let index = 0; index < columns * 3; index += 1) {
      const above = row === 0 ? 0 : (unfiltered[(row - 1) * columns * 3 + index] ?? 0);
      unfiltered[row * columns * 3 + index] = (filtered[row * (columns * 3 + 1) + 1 + index] ?? 0) + above;
    }
  }
  expect(unfiltered).toEqual(rgb);
});
