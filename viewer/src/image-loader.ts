/** Frames of the archive as images of Cornerstone: `archive:/dicom-web/…/instances/UID/frames/1`. */
import { type Enums, imageLoader, metaData, type Types } from '@cornerstonejs/core';
import type { JsonDataSet } from '../../core/dicom/json-model.ts';
import { type DecodedFrame, decodeFrame, type Samples } from '../../core/open/rendering/decode-frame.ts';
import { type Palette, pictureOf, windowOfValues } from '../../core/open/rendering/display.ts';
import { describeImage, type ImageDescription } from '../../core/open/rendering/image-description.ts';
import { ArchiveProblem, readBulk, readFrame, readMetadata } from './archive.ts';
import { browserCodecs } from './codecs.ts';

const scheme = 'archive';
const headers = new Map<string, Promise<JsonDataSet>>();
const known = new Map<string, JsonDataSet>();
const mostHeaders = 4_000;

export function imageIdOf(instancePath: string, frame: number): string {
  return `${scheme}:${instancePath}/frames/${frame}`;
}

/** Lets Cornerstone load frames and ask what their headers say. */
export function registerImageLoader(): void {
  imageLoader.registerImageLoader(scheme, (imageId) => ({ promise: loadImage(imageId) }));
  metaData.addProvider(metadataOf, 10_000);
}

/** The header of an instance, asked for once. */
export function headerOf(instancePath: string): Promise<JsonDataSet> {
  const present = headers.get(instancePath);
  if (present !== undefined) return present;
  if (headers.size >= mostHeaders) {
    headers.clear();
    known.clear();
  }
  const reading = readMetadata(instancePath);
  headers.set(instancePath, reading);
  reading.then(
    (header) => known.set(instancePath, header),
    () => headers.delete(instancePath),
  );
  return reading;
}

async function loadImage(imageId: string): Promise<Types.IImage & Record<string, unknown>> {
  const path = imageId.slice(scheme.length + 1);
  const [instancePath = '', frame = '1'] = path.split('/frames/');
  const [header, { bytes, transferSyntax }] = await Promise.all([headerOf(instancePath), readFrame(path)]);
  const description = describeImage(header, transferSyntax, Number(frame));
  if (description === undefined) throw new ArchiveProblem('the header describes no image');
  const decoded = await decodeFrame(description, bytes, browserCodecs);
  const palette = description.photometric === 'PALETTE COLOR' ? await paletteOf(header) : undefined;
  const isColour = palette !== undefined || description.samples >= 3;
  const { samples, slope, intercept } = isColour
    ? { samples: pictureOf(description, decoded, undefined, palette).octets, slope: 1, intercept: 0 }
    : greySamples(description, decoded);
  return imageOf(imageId, { ...description, slope, intercept }, samples, isColour);
}

/** Cornerstone looks values up in a table: what is no whole number of 16 bits is made one. */
function greySamples(description: ImageDescription, { samples }: DecodedFrame) {
  const { slope, intercept } = description;
  const isSmall = samples.BYTES_PER_ELEMENT <= 2;
  if (isSmall) return { samples, slope, intercept };
  const raw = { ...description, slope: 1, intercept: 0 };
  const { center, width } = windowOfValues(raw, samples);
  const [least, step] = [center - width / 2, Math.max(width / 65_535, Number.MIN_VALUE)];
  const scaled = Uint16Array.from(samples, (sample: number) =>
    Math.min(65_535, Math.max(0, Math.round((sample - least) / step))),
  );
  return { samples: scaled, slope: slope * step, intercept: intercept + slope * least };
}

function imageOf(
  imageId: string,
  description: ImageDescription,
  samples: Samples,
  isColour: boolean,
): Types.IImage & Record<string, unknown> {
  const { rows, columns, slope, intercept, photometric } = description;
  let [least, greatest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const sample of samples) {
    if (sample < least) least = sample;
    if (sample > greatest) greatest = sample;
  }
  const window = isColour
    ? { center: 127.5, width: 255 }
    : (description.window ?? windowOfValues(description, samples));
  const spacing = spacingOf(known.get(pathOf(imageId)) ?? {});
  return {
    imageId,
    minPixelValue: least,
    maxPixelValue: greatest,
    slope,
    intercept,
    windowCenter: window.center,
    windowWidth: window.width,
    voiLUTFunction: 'LINEAR' as Enums.VOILUTFunctionType,
    getPixelData: () => samples as Types.PixelDataTypedArray,
    getCanvas: () => canvasOf(samples, rows, columns, isColour ? 3 : 1),
    rows,
    columns,
    height: rows,
    width: columns,
    color: isColour,
    rgba: false,
    numberOfComponents: isColour ? 3 : 1,
    rowPixelSpacing: spacing.rows,
    columnPixelSpacing: spacing.columns,
    invert: photometric === 'MONOCHROME1',
    photometricInterpretation: isColour ? 'RGB' : photometric,
    sizeInBytes: samples.byteLength,
    dataType: samples.constructor.name as Types.PixelDataTypedArrayString,
  };
}

/** Cornerstone draws this instead of the samples where a coloured image is shown as it is. */
function canvasOf(samples: Samples, rows: number, columns: number, channels: number): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [columns, rows];
  const picture = new ImageData(columns, rows);
  for (let index = 0; index < rows * columns; index += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      picture.data[4 * index + channel] = samples[index * channels + (channels === 3 ? channel : 0)] ?? 0;
    }
    picture.data[4 * index + 3] = 255;
  }
  canvas.getContext('2d')?.putImageData(picture, 0, 0);
  return canvas;
}

async function paletteOf(header: JsonDataSet): Promise<Palette | undefined> {
  const addresses = ['00281201', '00281202', '00281203'].map((tag) => header[tag]?.BulkDataURI);
  const [red, green, blue] = await Promise.all(
    addresses.map(async (address) => (address === undefined ? undefined : table(address))),
  );
  return red === undefined || green === undefined || blue === undefined ? undefined : [red, green, blue];
}

async function table(address: string): Promise<Uint16Array> {
  const bytes = await readBulk(address);
  return new Uint16Array(bytes.buffer, 0, Math.floor(bytes.length / 2));
}

/** What Cornerstone asks of an image; only of headers that were read. */
function metadataOf(type: string, imageId: unknown): unknown {
  if (typeof imageId !== 'string' || !imageId.startsWith(`${scheme}:`)) return undefined;
  const header = known.get(pathOf(imageId));
  if (header === undefined) return undefined;
  const description = describeImage(header, '');
  if (description === undefined) return undefined;
  if (type === 'imagePixelModule') {
    const { samples, photometric, rows, columns, bitsAllocated, bitsStored, isSigned } = description;
    return {
      samplesPerPixel: samples,
      photometricInterpretation: samples >= 3 ? 'RGB' : photometric,
      rows,
      columns,
      bitsAllocated,
      bitsStored,
      highBit: bitsStored - 1,
      pixelRepresentation: isSigned ? 1 : 0,
    };
  }
  if (type === 'imagePlaneModule') {
    const { rows, columns } = spacingOf(header);
    const orientation = numbersAt(header, '00200037');
    const [position, isOriented] = [numbersAt(header, '00200032'), orientation.length === 6];
    return {
      rows: description.rows,
      columns: description.columns,
      rowPixelSpacing: rows,
      columnPixelSpacing: columns,
      imageOrientationPatient: isOriented ? orientation : [1, 0, 0, 0, 1, 0],
      rowCosines: isOriented ? orientation.slice(0, 3) : [1, 0, 0],
      columnCosines: isOriented ? orientation.slice(3) : [0, 1, 0],
      imagePositionPatient: position.length === 3 ? position : [0, 0, 0],
      frameOfReferenceUID: header['00200052']?.Value?.[0],
    };
  }
  if (type === 'generalSeriesModule') return { modality: header['00080060']?.Value?.[0] };
  if (type === 'modalityLutModule') return { rescaleSlope: description.slope, rescaleIntercept: description.intercept };
  if (type === 'voiLutModule') {
    const { window } = description;
    return window && { windowCenter: [window.center], windowWidth: [window.width] };
  }
  return undefined;
}

function pathOf(imageId: string): string {
  return imageId.slice(scheme.length + 1).split('/frames/')[0] ?? '';
}

/** Millimetres between pixels; equal where the file does not tell. */
function spacingOf(header: JsonDataSet): { readonly rows: number; readonly columns: number } {
  const [rows, columns] =
    ['00280030', '00181164'].map((tag) => numbersAt(header, tag)).find(({ length }) => length === 2) ?? [];
  return { rows: rows || 1, columns: columns || 1 };
}

function numbersAt(header: JsonDataSet, tag: string): readonly number[] {
  return (header[tag]?.Value ?? []).map(Number).filter(Number.isFinite);
}
