/** Labels, metadata and attachments of resources of every level. */
import { isInstanceId, resourceLevels } from '../../identifiers.ts';
import { attachmentsOfArchive } from '../../sidecars/attachment-source.ts';
import { bytesOf } from '../../sidecars/metadata-value.ts';
import type { ArchiveReader } from '../reader/archive-reader.ts';
import type { ArchivedFile } from '../reader/archived-file.ts';
import {
  jsonResponse,
  notFound,
  redirect,
  textResponse,
  WebError,
  type WebRequest,
  type WebResponse,
} from '../web/message.ts';
import type { PathParts, Routes } from '../web/routes.ts';
import {
  attachmentsOf,
  contentOf,
  dicomAttachment,
  type ListedAttachment,
  listedFile,
  metadataOf,
  metadataTextsOf,
} from './attached.ts';
import { type Resource, resourceAt } from './resource.ts';

/** Adds the routes. */
export function addAttachmentRoutes(routes: Routes, reader: ArchiveReader): Routes {
  for (const level of resourceLevels) {
    const path = `/${level}/{id}`;
    if (level === 'instances') addFileRoutes(routes, reader);
    const on = (below: string, answer: (resource: Resource, parts: PathParts, request: WebRequest) => Answer) =>
      routes.on('GET', path + below, async (request, parts) => {
        const resource = await resourceAt(reader, level, parts.id ?? '');
        return { ...(await answer(resource, parts, request)), access: accessOf(resource, below) };
      });
    on('/labels', (resource) => jsonResponse(contentOf(resource).labels));
    on('/labels/{label}', (resource, { label = '' }) => {
      if (contentOf(resource).labels.includes(label)) return textResponse(200, '');
      throw notFound('such a label');
    });
    on('/metadata', (resource, _, { query }) => {
      const metadata = metadataTextsOf(resource);
      return jsonResponse(isOn(query, 'expand') ? metadata : Object.keys(metadata));
    });
    on('/metadata/{name}', (resource, { name = '' }) => {
      const metadata = metadataOf(resource);
      const value = Object.hasOwn(metadata, name) ? metadata[name] : undefined;
      if (value === undefined) throw notFound('such metadata');
      const body = bytesOf(value);
      const headers = { 'content-type': 'text/plain; charset=utf-8', 'content-length': String(body.length) };
      return { status: 200, headers, body };
    });
    on('/attachments', (resource, _, { query }) => {
      const numbers = attachmentsOf(resource).map(({ ContentType }) => [nameOf(ContentType), ContentType] as const);
      return jsonResponse(isOn(query, 'full') ? Object.fromEntries(numbers) : numbers.map(([name]) => name));
    });
    on('/attachments/{name}', (resource, parts) => {
      attachmentNamed(resource, parts);
      return jsonResponse(operations);
    });
    on('/attachments/{name}/{operation}', (resource, parts, request) => {
      const found = attachmentNamed(resource, parts);
      return isDataOf(parts.operation)
        ? attachmentResponse(reader, resource, found, request)
        : describeAttachment(found, parts.operation);
    });
  }
  return routes;
}

/** The file of an instance: found without a look at its study, because whoever copies an archive asks for every one. */
function addFileRoutes(routes: Routes, reader: ArchiveReader): void {
  const on = (path: string, answer: (file: ArchivedFile, request: WebRequest, parts: PathParts) => Answer) =>
    routes.on('GET', path, async (request, parts) => {
      const { id = '' } = parts;
      const found = isInstanceId(id) ? await reader.file(id, request) : undefined;
      if (found === undefined) throw notFound('such an instance');
      const access = { action: 'file', study: found.study, id: found.file.id };
      return { ...(await answer(found.file, request, parts)), access };
    });
  on('/instances/{id}/file', async (file, request) => {
    const address = request.method === 'GET' ? await reader.addressOf(file) : undefined;
    if (address !== undefined) return redirect(address);
    const { headers, ...answered } = await fileResponse(reader, file, request);
    const disposition = { 'content-disposition': `attachment; filename="${file.id}.dcm"` };
    return { ...answered, headers: { ...headers, ...disposition } };
  });
  for (const name of ['dicom', String(dicomAttachment)]) {
    on(`/instances/{id}/attachments/${name}/{operation}`, (file, request, { operation }) =>
      isDataOf(operation) ? fileResponse(reader, file, request) : describeAttachment(listedFile(file), operation),
    );
  }
}

async function fileResponse(reader: ArchiveReader, file: ArchivedFile, { signal }: WebRequest): Promise<WebResponse> {
  const { body } = await reader.open(file, { signal });
  const headers = {
    'content-type': 'application/dicom',
    'content-length': String(file.sizeBytes),
    etag: `"0-${file.md5}"`,
  };
  return { status: 200, headers, body };
}

type Answer = WebResponse | Promise<WebResponse>;

const operations = [
  'compressed-data',
  'compressed-md5',
  'compressed-size',
  'data',
  'info',
  'is-compressed',
  'md5',
  'size',
];

function isDataOf(operation: string | undefined): boolean {
  return operation === 'data' || operation === 'compressed-data';
}

function describeAttachment(found: ListedAttachment, operation: string | undefined): WebResponse {
  const etag = { etag: `"0-${found.UncompressedMD5}"` };
  switch (operation) {
    case 'info':
      return jsonResponse(found);
    case 'md5':
    case 'compressed-md5':
      return textResponse(200, found.UncompressedMD5, etag);
    case 'size':
    case 'compressed-size':
      return textResponse(200, String(found.UncompressedSize), etag);
    case 'is-compressed':
      return textResponse(200, '0', etag);
    default:
      throw new WebError(404, `of an attachment there is ${operations.join(', ')}`);
  }
}

async function attachmentResponse(
  reader: ArchiveReader,
  { level, id }: Resource,
  { ContentType: number, UncompressedMD5: md5, UncompressedSize: sizeBytes }: ListedAttachment,
  { signal }: WebRequest,
): Promise<WebResponse> {
  const open = attachmentsOfArchive(reader.archive.objects);
  const { body } = await open({ level, id, number, md5, sizeBytes }, { signal });
  const headers = {
    'content-type': 'application/octet-stream',
    'content-length': String(sizeBytes),
    etag: `"0-${md5}"`,
  };
  return { status: 200, headers, body };
}

function attachmentNamed(resource: Resource, { name = '' }: PathParts): ListedAttachment {
  const found = attachmentsOf(resource).find(({ ContentType }) =>
    [nameOf(ContentType), String(ContentType)].includes(name),
  );
  if (found === undefined) throw notFound('such an attachment');
  return found;
}

function nameOf(number: number): string {
  return number === dicomAttachment ? 'dicom' : String(number);
}

function accessOf(resource: Resource, below: string) {
  const study = resource.level === 'patients' ? undefined : resource.study.id;
  return { action: below.split('/')[1] ?? '', study, id: resource.id };
}

/** Switches in a query of Orthanc: there without a value, or with one that does not mean no. */
export function isOn(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value !== null && value !== 'false' && value !== '0';
}
