/** Retrieving instances and their metadata (WADO-RS; PS3.18, 10.4). */
import { toDicomJson } from '../../dicom/dicom-json.ts';
import type { ArchiveReader } from '../reader/archive-reader.ts';
import type { StudyInstance } from '../reader/study-content.ts';
import { pathOf } from '../search/candidates.ts';
import { includesType, type MediaRange, parseAccept } from '../web/media-types.ts';
import { jsonList, redirect, WebError, type WebRequest, type WebResponse } from '../web/message.ts';
import { multipartResponse } from '../web/multipart.ts';
import { zipResponse } from '../web/zip.ts';
import { explicitLittleEndian } from './transfer-syntaxes.ts';

const dicom = 'application/dicom';
const zip = 'application/zip';

/** The files themselves, in the first form that the client accepts. Throws {@link WebError} 406. */
export async function retrieveInstances(
  reader: ArchiveReader,
  instances: readonly StudyInstance[],
  request: WebRequest,
): Promise<WebResponse> {
  for (const range of acceptOf(request)) {
    if (includesType(range.type, 'multipart/related') && includesType(range.parameters.type ?? dicom, dicom)) {
      if (instances.every((instance) => isStoredIn(instance, range))) return allParts(reader, instances, request);
    } else if (range.type === dicom && instances.length === 1) {
      const [instance] = instances;
      if (instance !== undefined && isStoredIn(instance, range)) return oneFile(reader, instance, request);
    } else if (range.type === zip) {
      return zipResponse(instances.map((instance) => zipEntry(reader, instance, request)));
    }
  }
  const stored = [...new Set(instances.map(({ tags }) => tags.transferSyntax ?? explicitLittleEndian))].toSorted();
  throw new WebError(
    406,
    `instances are given as they are stored, in transfer syntax ${stored.join(', ')}: accept multipart/related; ` +
      `type="${dicom}"; transfer-syntax=*, or ${zip}${instances.length === 1 ? `, or ${dicom}` : ''}`,
  );
}

/** What the request accepts; the query may say it for links that cannot (PS3.18, 8.3.3.1). */
export function acceptOf({ query, headers }: WebRequest): readonly MediaRange[] {
  return parseAccept(query.get('accept') ?? headers.accept);
}

/** Whether a client that names a transfer syntax names the one that the instance has. */
function isStoredIn({ tags }: StudyInstance, { parameters }: MediaRange): boolean {
  const wanted = parameters['transfer-syntax'] ?? '*';
  return wanted === '*' || wanted === (tags.transferSyntax ?? explicitLittleEndian);
}

function allParts(reader: ArchiveReader, instances: readonly StudyInstance[], { signal }: WebRequest): WebResponse {
  const parts = instances.map((instance) => ({
    headers: { 'Content-Type': partTypeOf(instance) },
    sizeBytes: instance.sizeBytes,
    open: async () => (await reader.open(instance, { signal })).body,
  }));
  return multipartResponse(dicom, parts);
}

function partTypeOf({ tags }: StudyInstance): string {
  return tags.transferSyntax === undefined ? dicom : `${dicom}; transfer-syntax=${tags.transferSyntax}`;
}

/** One file as it is. */
async function* fileBody(
  reader: ArchiveReader,
  instance: StudyInstance,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  yield* (await reader.open(instance, { signal })).body;
}

async function oneFile(
  reader: ArchiveReader,
  instance: StudyInstance,
  { method, signal }: WebRequest,
): Promise<WebResponse> {
  // Such an address is for one method.
  const address = method === 'GET' ? await reader.addressOf(instance) : undefined;
  if (address !== undefined) return redirect(address);
  return {
    status: 200,
    headers: { 'content-type': partTypeOf(instance), 'content-length': String(instance.sizeBytes) },
    body: fileBody(reader, instance, signal),
  };
}

/** An instance in a zip: named by its Orthanc id, in folders of its study and series. */
export function zipEntry(reader: ArchiveReader, instance: StudyInstance, { signal }: Pick<WebRequest, 'signal'>) {
  const { study, series, id, sizeBytes } = instance;
  return {
    name: `${study}/${series}/${id}.dcm`,
    sizeBytes,
    open: async () => (await reader.open(instance, { signal })).body,
  };
}

/** The headers in DICOM JSON, with addresses for what is binary. Throws {@link WebError} 406. */
export function retrieveMetadata(
  reader: ArchiveReader,
  instances: readonly StudyInstance[],
  request: WebRequest,
  baseUrl: string,
): WebResponse {
  const json = ['application/dicom+json', 'application/json'];
  if (!acceptOf(request).some(({ type }) => json.some((offered) => includesType(type, offered)))) {
    throw new WebError(406, 'metadata are given as application/dicom+json');
  }
  async function* headers(): AsyncGenerator<unknown> {
    for (const instance of instances) {
      const { dataSet, start } = await reader.header(instance, { signal: request.signal });
      const address = `${baseUrl}/studies/${pathOf(instance, 'instances')}/bulk/`;
      const bulkDataUri = (path: string) => address + path;
      yield toDicomJson(dataSet, { bigEndian: start.encoding.bigEndian, bulkDataUri });
    }
  }
  return { status: 200, headers: { 'content-type': 'application/dicom+json' }, body: jsonList(headers()) };
}
