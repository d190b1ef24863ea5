/** Pictures of frames, and of documents that are PDF (PS3.18, 10.4.1.1.3 and 10.4.1.1.4). */
import type { DicomDataSet } from '../../dicom/data-set.ts';
import { toDicomJson } from '../../dicom/dicom-json.ts';
import type { ArchiveReader } from '../reader/archive-reader.ts';
import { openValue } from '../reader/file-values.ts';
import type { StudyInstance } from '../reader/study-content.ts';
import type { Palette } from '../rendering/display.ts';
import { describeImage, type Window } from '../rendering/image-description.ts';
import type { FrameToRender } from '../rendering/render-frame.ts';
import { includesType } from '../web/media-types.ts';
import { WebError, type WebRequest, type WebResponse } from '../web/message.ts';
import { acceptOf } from './retrieve.ts';
import { frameBytes } from './retrieve-frames.ts';
import { explicitLittleEndian } from './transfer-syntaxes.ts';

/**
 * Renders a frame, perhaps in another thread. Throws `UndecodableFrame` for what cannot be shown, and {@link WebError} 503
 * where too much is asked for at once.
 */
export type FrameRenderer = (frame: FrameToRender, signal: AbortSignal) => Promise<Uint8Array>;

const pdf = 'application/pdf';
const encapsulatedDocument = 0x00420011;
const mimeType = '00420012';
/** Most bytes of a frame that are taken into memory. */
const longestFrameBytes = 512 << 20;
const thumbnailPixels = 128;

/** A picture of an instance; of a series or study that of an instance in the middle. Throws {@link WebError} 406. */
export async function retrieveRendered(
  reader: ArchiveReader,
  instances: readonly StudyInstance[],
  request: WebRequest,
  render: FrameRenderer,
  frame = 1,
): Promise<WebResponse> {
  const instance = middleOf(instances);
  const header = await reader.header(instance, request);
  const document = header.dataSet.get(encapsulatedDocument);
  const accept = acceptOf(request);
  if (document !== undefined && isPdf(header) && accept.some(({ type }) => includesType(type, pdf))) {
    const headers = { 'content-type': pdf, 'content-length': String(document.length) };
    return { status: 200, headers, body: await openValue(reader, instance, header, document, request) };
  }
  const mediaType = (['image/jpeg', 'image/png'] as const).find((offered) =>
    accept.some(({ type }) => includesType(type, offered)),
  );
  const wanted = accept.find(({ type }) => type === 'image/png')?.type === 'image/png' ? 'image/png' : mediaType;
  if (wanted === undefined) throw new WebError(406, 'pictures are given as image/jpeg or image/png');
  const { query } = request;
  const asked = { mediaType: wanted, window: windowIn(query), viewport: viewportIn(query), quality: qualityIn(query) };
  return picture(
    wanted,
    await render(await frameToRender(reader, { instance, header, number: frame }, asked, request), request.signal),
  );
}

/** A small picture. */
export async function retrieveThumbnail(
  reader: ArchiveReader,
  instances: readonly StudyInstance[],
  request: WebRequest,
  render: FrameRenderer,
): Promise<WebResponse> {
  const instance = middleOf(
    instances.filter(({ tags }) => tags.hasPixelData),
    instances,
  );
  const header = await reader.header(instance, request);
  const viewport = viewportIn(request.query) ?? { columns: thumbnailPixels, rows: thumbnailPixels };
  const asked = { mediaType: 'image/jpeg', window: undefined, viewport, quality: 80 } as const;
  return picture(
    'image/jpeg',
    await render(await frameToRender(reader, { instance, header, number: 1 }, asked, request), request.signal),
  );
}

function picture(type: string, bytes: Uint8Array): WebResponse {
  return { status: 200, headers: { 'content-type': type, 'content-length': String(bytes.length) }, body: bytes };
}

function middleOf(instances: readonly StudyInstance[], others = instances): StudyInstance {
  const middle = instances[Math.floor(instances.length / 2)] ?? others[0];
  if (middle === undefined) throw new WebError(404, 'there is no instance to be shown');
  return middle;
}

/** A frame of an instance, counted from 1. */
export interface NumberedFrame {
  readonly instance: StudyInstance;
  readonly header: DicomDataSet;
  readonly number: number;
}

/** Reads what is needed to render a frame. Throws {@link WebError} 404, 406 for what is no image. */
export async function frameToRender(
  reader: ArchiveReader,
  { instance, header, number }: NumberedFrame,
  asked: Pick<FrameToRender, 'mediaType' | 'window' | 'viewport' | 'quality'>,
  request: Pick<WebRequest, 'signal'>,
): Promise<FrameToRender> {
  const { bigEndian } = header.start.encoding;
  const json = toDicomJson(header.dataSet, { bigEndian });
  const description = describeImage(json, header.start.transferSyntax ?? explicitLittleEndian, number);
  if (description === undefined) throw new WebError(406, 'this instance is no image: fetch it as it is');
  const frames = await reader.frames(instance, request);
  const frame = frames[number - 1];
  if (frame === undefined) throw new WebError(404, `the instance has ${frames.length} frames`);
  if (frame.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) > longestFrameBytes) {
    throw new WebError(406, 'the image is too large to be shown: fetch the instance as it is');
  }
  const bytes = Buffer.concat(await Array.fromAsync(frameBytes(reader, instance, header, frame, request)));
  const isPalette = description.photometric === 'PALETTE COLOR' && description.palette !== undefined;
  const palette = isPalette ? await readPalette(reader, instance, header, request) : undefined;
  return { description, bytes, palette, ...asked };
}

/** The tables of red, green and blue. */
async function readPalette(
  reader: ArchiveReader,
  instance: StudyInstance,
  header: DicomDataSet,
  request: Pick<WebRequest, 'signal'>,
): Promise<Palette | undefined> {
  const colour = async (tag: number): Promise<Uint16Array> => {
    const element = header.dataSet.get(tag);
    if (element === undefined || element.length > 1 << 20) return new Uint16Array(0);
    const bytes = Buffer.concat(await Array.fromAsync(await openValue(reader, instance, header, element, request)));
    const at = (index: number) =>
      header.start.encoding.bigEndian ? bytes.readUInt16BE(index) : bytes.readUInt16LE(index);
    return Uint16Array.from({ length: Math.floor(bytes.length / 2) }, (_, index) => at(2 * index));
  };
  return [await colour(0x00281201), await colour(0x00281202), await colour(0x00281203)];
}

function isPdf({ dataSet }: DicomDataSet): boolean {
  const type = dataSet.get(Number.parseInt(mimeType, 16))?.value?.toString('latin1') ?? '';
  return type.replace(/[\s\0]+$/, '') === pdf;
}

/** `window=center,width,function`; the function is always linear. */
function windowIn(query: URLSearchParams): Window | undefined {
  const text = query.get('window');
  if (text === null) return undefined;
  const [center, width] = text.split(',').map(Number);
  if (center === undefined || width === undefined || !Number.isFinite(center) || !(width >= 1)) {
    throw new WebError(400, 'a window is asked for as window=CENTER,WIDTH');
  }
  return { center, width };
}

/** `viewport=width,height`; parts of an image are not cut out. */
function viewportIn(query: URLSearchParams): FrameToRender['viewport'] {
  const text = query.get('viewport');
  if (text === null) return undefined;
  const [columns, rows] = text.split(',').map(Number);
  const isSize = (size: number | undefined): size is number => Number.isInteger(size) && Number(size) >= 1;
  if (!isSize(columns) || !isSize(rows)) throw new WebError(400, 'a size is asked for as viewport=WIDTH,HEIGHT');
  return { columns, rows };
}

function qualityIn(query: URLSearchParams): number {
  const quality = Number(query.get('quality') ?? 90);
  if (!Number.isInteger(quality) || quality < 1 || quality > 100) throw new WebError(400, 'quality is 1 to 100');
  return quality;
}
