/** Retrieving frames and bulk data (PS3.18, 10.4.1.1.6 and 10.4.1.1.5), in the transfer syntax as stored. */
import { type DataElement, type DataSet, type DicomDataSet, pixelDataTags } from '../../dicom/data-set.ts';
import type { ArchiveReader } from '../reader/archive-reader.ts';
import { openBytesAt, openValue } from '../reader/file-values.ts';
import type { Frame } from '../reader/frames.ts';
import type { StudyInstance } from '../reader/study-content.ts';
import { pathOf } from '../search/candidates.ts';
import { includesType } from '../web/media-types.ts';
import { notFound, WebError, type WebRequest, type WebResponse } from '../web/message.ts';
import { multipartResponse, type Part } from '../web/multipart.ts';
import { acceptOf } from './retrieve.ts';
import { explicitLittleEndian, frameMediaType } from './transfer-syntaxes.ts';

const octets = 'application/octet-stream';
const mostFramesAtOnce = 10_000;

/** Some frames of an instance; `numbers` as in the address: `1,2,5`. Throws {@link WebError} 400, 404, 406. */
export async function retrieveFrames(
  reader: ArchiveReader,
  instance: StudyInstance,
  numbers: string,
  request: WebRequest,
  baseUrl: string,
): Promise<WebResponse> {
  const wanted = parseFrameNumbers(numbers);
  const header = await reader.header(instance, request);
  const frames = await reader.frames(instance, request);
  const transferSyntax = header.start.transferSyntax ?? explicitLittleEndian;
  const type = `${frameMediaType(transferSyntax)}; transfer-syntax=${transferSyntax}`;
  const parts = wanted.map((number): Part => {
    const frame = frames[number - 1];
    if (frame === undefined) throw new WebError(404, `the instance has ${frames.length} frames`);
    const location = `${baseUrl}/studies/${pathOf(instance, 'instances')}/frames/${number}`;
    return {
      headers: { 'Content-Location': location, 'Content-Type': type },
      sizeBytes: frame.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      open: async () => frameBytes(reader, instance, header, frame, request),
    };
  });
  return accepted(request, parts, type, transferSyntax);
}

/** The bytes of one frame. */
export async function* frameBytes(
  reader: ArchiveReader,
  instance: StudyInstance,
  header: DicomDataSet,
  frame: Frame,
  { signal }: Pick<WebRequest, 'signal'>,
): AsyncGenerator<Uint8Array> {
  for (const extent of frame) yield* await openBytesAt(reader, instance, header, extent, { signal });
}

/** A binary value; `path` is as in the address that the metadata tell. Throws {@link WebError} 404, 406. */
export async function retrieveBulkData(
  reader: ArchiveReader,
  instance: StudyInstance,
  path: string,
  request: WebRequest,
  baseUrl: string,
): Promise<WebResponse> {
  const header = await reader.header(instance, request);
  const element = elementAt(header.dataSet, path.split('/'));
  if (element === undefined || element.items !== undefined) throw notFound('such a value');
  if (element.isEncapsulated && pixelDataTags.has(element.tag)) {
    const frames = await reader.frames(instance, request);
    return retrieveFrames(reader, instance, frames.map((_, index) => index + 1).join(','), request, baseUrl);
  }
  const transferSyntax = header.start.encoding.bigEndian ? '1.2.840.10008.1.2.2' : explicitLittleEndian;
  const type = `${octets}; transfer-syntax=${transferSyntax}`;
  const part = {
    headers: { 'Content-Type': type },
    sizeBytes: element.length,
    open: () => openValue(reader, instance, header, element, request),
  };
  return accepted(request, [part], type, transferSyntax);
}

function accepted(request: WebRequest, parts: readonly Part[], type: string, transferSyntax: string): WebResponse {
  const [offered = octets] = type.split(';');
  const [only] = parts;
  for (const { type: range, parameters } of acceptOf(request)) {
    const isMultipart = includesType(range, 'multipart/related');
    const wanted = isMultipart ? (parameters.type ?? '*/*') : range;
    const syntax = parameters['transfer-syntax'];
    if (![undefined, '*', transferSyntax].includes(syntax)) continue;
    // Who asks for octets without a transfer syntax wants uncompressed pixels (PS3.18, 8.7.3.5.2).
    const isOffered = includesType(wanted, offered) || (wanted === octets && syntax !== undefined);
    if (isOffered && isMultipart) return multipartResponse(type, parts);
    if (isOffered && only !== undefined && parts.length === 1) return singlePart(only);
  }
  throw new WebError(
    406,
    `what is asked for is given as it is stored, as ${type}: accept multipart/related; type="${octets}"; transfer-syntax=*`,
  );
}

function singlePart({ headers, sizeBytes, open }: Part): WebResponse {
  async function* body(): AsyncGenerator<Uint8Array> {
    yield* await open();
  }
  const lowerCase = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]);
  return {
    status: 200,
    headers: { ...Object.fromEntries(lowerCase), 'content-length': String(sizeBytes) },
    body: body(),
  };
}

function parseFrameNumbers(text: string): readonly number[] {
  const numbers = text.split(',').map(Number);
  if (numbers.length > mostFramesAtOnce || numbers.some((number) => !Number.isSafeInteger(number) || number < 1)) {
    throw new WebError(400, `frames are asked for by their numbers from 1 on, at most ${mostFramesAtOnce}: 1,2,3`);
  }
  return numbers;
}

/** Follows `00540016/1/00181079`: tag, number of the item, tag. */
function elementAt(dataSet: DataSet, [tag = '', item, ...rest]: readonly string[]): DataElement | undefined {
  if (!/^[0-9a-f]{8}$/i.test(tag)) return undefined;
  const element = dataSet.get(Number.parseInt(tag, 16));
  if (item === undefined) return element;
  const inner = /^[1-9]\d{0,6}$/.test(item) ? element?.items?.[Number(item) - 1] : undefined;
  return inner && elementAt(inner, rest);
}
