/** What scripts for Orthanc ask, as far as it reads (`/system`, `/studies`, `/tools/find`, …). */
import * as z from 'zod';
import { toDicomJson } from '../../dicom/dicom-json.ts';
import { type ResourceLevel, resourceLevels } from '../../identifiers.ts';
import { zipEntry } from '../dicomweb/retrieve.ts';
import { frameBytes } from '../dicomweb/retrieve-frames.ts';
import { type FrameRenderer, retrieveRendered } from '../dicomweb/retrieve-rendered.ts';
import type { ArchiveReader } from '../reader/archive-reader.ts';
import type { StudyInstance } from '../reader/study-content.ts';
import {
  jsonList,
  jsonResponse,
  notFound,
  textResponse,
  WebError,
  type WebRequest,
  type WebResponse,
} from '../web/message.ts';
import type { PathParts, Routes } from '../web/routes.ts';
import { zipResponse } from '../web/zip.ts';
import { addAttachmentRoutes, isOn } from './attachment-routes.ts';
import { findResources, lookUp, readFind, readQuestion } from './find.ts';
import { allIds, listedJson, Pages } from './listing.ts';
import { instancesOf, patientOf, type Resource, resourceAt } from './resource.ts';
import { parseParts, resourceJson, seriesOf, usualParts } from './resource-json.ts';
import { fullTags, simplifiedTags } from './simplified-tags.ts';
import { changesJson, statisticsJson, systemJson } from './system.ts';

/** Adds the interface to routes. The pages that it keeps are ended by `close`. */
export function addOrthancRoutes(
  routes: Routes,
  reader: ArchiveReader,
  render: FrameRenderer,
): { readonly close: () => Promise<void> } {
  const pages = new Pages();
  addSystemRoutes(routes, reader);
  for (const level of resourceLevels) {
    routes.on('GET', `/${level}`, (request) => listResponse(reader, pages, level, request));
    addResourceRoutes(routes, reader, level);
  }
  addInstanceRoutes(routes, reader, render);
  addAttachmentRoutes(routes, reader);
  return { close: () => pages.close() };
}

function addSystemRoutes(routes: Routes, reader: ArchiveReader): void {
  const bulkSchema = z.looseObject({
    Resources: z.array(z.string()).max(10_000),
    Level: z.enum(['Patient', 'Study', 'Series', 'Instance']).optional(),
  });
  routes
    .on('GET', '/system', () => jsonResponse(systemJson(reader)))
    .on('GET', '/plugins', () => jsonResponse([]))
    .on('GET', '/modalities', () => jsonResponse([]))
    .on('GET', '/peers', () => jsonResponse([]))
    .on('GET', '/tools/now', () => textResponse(200, new Date().toISOString().replace(/[-:]|\.\d+Z$/g, '')))
    .on('GET', '/statistics', async ({ signal }) => {
      let [instances, sizeBytes] = [0, 0];
      for await (const entry of reader.inventory({ signal })) {
        instances += 1;
        sizeBytes += entry.sizeBytes ?? 0;
      }
      await reader.surveyed();
      return jsonResponse(await statisticsJson(reader, { instances, sizeBytes }));
    })
    .on('GET', '/changes', async ({ query }) => jsonResponse(changesJson(query, (await reader.studies())[0]?.study)))
    .on('GET', '/tools/labels', async () => jsonResponse(await labelsIn(reader)))
    .on('POST', '/tools/find', async (request) => {
      const found = findResources(reader, await readFind(request));
      return { ...listBody(found), access: { action: 'find' } };
    })
    .on('POST', '/tools/count-resources', async (request) => {
      let Count = 0;
      for await (const _ of findResources(reader, await readFind(request))) Count += 1;
      return { ...jsonResponse({ Count }), access: { action: 'find' } };
    })
    .on('POST', '/tools/lookup', async (request) => {
      const text = (await request.readBody()).toString('utf8').trim();
      return { ...listBody(lookUp(reader, text)), access: { action: 'find' } };
    })
    .on('POST', '/tools/bulk-content', async (request) => {
      const { Resources, Level } = await readQuestion(request, bulkSchema);
      const level = resourceLevels.find((one) => one === bulkLevels[Level ?? 'Study']) ?? 'studies';
      return { ...listBody(bulk(reader, level, Resources)), access: { action: 'find' } };
    });
}

const bulkLevels = { Patient: 'patients', Study: 'studies', Series: 'series', Instance: 'instances' } as const;

/** What is not there is left out, as Orthanc does. */
async function* bulk(reader: ArchiveReader, level: ResourceLevel, ids: readonly string[]): AsyncGenerator<unknown> {
  for (const id of ids) {
    const resource = await resourceAt(reader, level, id).catch((error: unknown) => {
      if (!(error instanceof WebError)) throw error;
    });
    if (resource !== undefined) yield resourceJson(resource, new Set([...usualParts, 'Metadata']));
  }
}

async function labelsIn(reader: ArchiveReader): Promise<readonly string[]> {
  const labels = new Set<string>();
  for await (const id of allIds(reader, 'studies')) {
    const document = (await reader.study(id))?.sidecar?.document;
    for (const content of [
      document,
      ...(document?.series ?? []),
      ...(document?.series ?? []).flatMap(({ instances }) => instances),
    ]) {
      for (const label of content?.labels ?? []) labels.add(label);
    }
  }
  return [...labels].toSorted();
}

function listResponse(reader: ArchiveReader, pages: Pages, level: ResourceLevel, { query }: WebRequest): WebResponse {
  const content = query.get('response-content');
  const isExpanded = isOn(query, 'expand') || content !== null;
  const parts = content === null ? usualParts : parseParts(content.split(';'));
  const key = JSON.stringify([level, isExpanded, [...parts]]);
  const begin = () => (isExpanded ? listedJson(reader, level, parts) : allIds(reader, level));
  const [since, limit] = [query.get('since'), query.get('limit')];
  if ((since === null) !== (limit === null)) throw new WebError(400, 'since and limit belong together');
  if (![since ?? '0', limit ?? '0'].every((text) => /^\d{1,10}$/.test(text))) {
    throw new WebError(400, 'since and limit are whole numbers');
  }
  const most = Number(limit ?? 0) || Number.POSITIVE_INFINITY;
  const items = limit === null ? begin() : pages.read(key, Number(since), most, begin);
  return { ...listBody(items), access: { action: `list-${level}` } };
}

function listBody(items: AsyncIterable<unknown>): WebResponse {
  return { status: 200, headers: { 'content-type': 'application/json' }, body: jsonList(items) };
}

/** What every level has: itself, what is above and below it, its sizes, its files in one. */
function addResourceRoutes(routes: Routes, reader: ArchiveReader, level: ResourceLevel): void {
  const on = (below: string, answer: (resource: Resource, request: WebRequest) => WebResponse | Promise<WebResponse>) =>
    routes.on('GET', `/${level}/{id}${below}`, async (request, parts) => {
      const resource = await resourceAt(reader, level, parts.id ?? '');
      const study = resource.level === 'patients' ? undefined : resource.study.id;
      const access = { action: below === '' ? 'resource' : below.slice(1), study, id: resource.id };
      return { ...(await answer(resource, request)), access };
    });
  on('', (resource) => jsonResponse(resourceJson(resource)));
  on('/statistics', (resource) => jsonResponse(sizesOf(resource)));
  on('/archive', (resource, request) =>
    zipResponse(instancesOf(resource).map((instance) => zipEntry(reader, instance, request))),
  );
  if (level === 'patients') {
    on('/protected', (resource) =>
      textResponse(200, resource.level === 'patients' && resource.sidecar?.protected ? '1' : '0'),
    );
  }
  for (const below of resourceLevels.slice(resourceLevels.indexOf(level) + 1)) {
    on(`/${below}`, (resource, { query }) => {
      const isExpanded = query.get('expand') === null || isOn(query, 'expand');
      return jsonResponse(related(resource, below).map((one) => (isExpanded ? resourceJson(one) : one.id)));
    });
  }
  const names = { patients: 'patient', studies: 'study', series: 'series', instances: 'instance' } as const;
  for (const above of resourceLevels.slice(0, resourceLevels.indexOf(level))) {
    on(`/${names[above]}`, async (resource) => {
      if (above === 'patients' && resource.level !== 'patients') {
        return jsonResponse(resourceJson(await patientOf(reader, resource.study.patient)));
      }
      const [found] = related(resource, above);
      if (found === undefined) throw notFound('such a resource');
      return jsonResponse(resourceJson(found));
    });
  }
}

/** The resources of another level to which one belongs, or of which it consists. */
function related(resource: Resource, level: ResourceLevel): readonly Resource[] {
  const studies = resource.level === 'patients' ? resource.studies : [resource.study];
  if (level === 'patients') return resource.level === 'patients' ? [resource] : [];
  if (level === 'studies') return studies.map((study) => ({ level, id: study.id, study }));
  const instances = new Set(instancesOf(resource));
  return studies.flatMap((study): readonly Resource[] => {
    const own = study.instances.filter((instance) => instances.has(instance));
    if (level === 'instances') return own.map((instance) => ({ level, id: instance.id, study, instance }));
    return seriesOf(study)
      .filter((id) => own.some(({ series }) => series === id))
      .map((id) => ({ level, id, study }));
  });
}

function sizesOf(resource: Resource): unknown {
  const instances = instancesOf(resource);
  const sizeBytes = instances.reduce((sum, instance) => sum + instance.sizeBytes, 0);
  const sizes = ['DicomDiskSize', 'DicomUncompressedSize', 'DiskSize', 'UncompressedSize'];
  return {
    ...(resource.level !== 'instances' && { CountInstances: instances.length }),
    ...(resource.level === 'patients' && { CountStudies: resource.studies.length }),
    ...(['patients', 'studies'].includes(resource.level) && {
      CountSeries: new Set(instances.map(({ series }) => series)).size,
    }),
    ...Object.fromEntries(sizes.map((name) => [name, String(sizeBytes)])),
    ...Object.fromEntries(sizes.map((name) => [`${name}MB`, Math.floor(sizeBytes / 2 ** 20)])),
  };
}

/** What only instances have: the file, its header and its pictures. */
function addInstanceRoutes(routes: Routes, reader: ArchiveReader, render: FrameRenderer): void {
  const on = (
    below: string,
    answer: (instance: StudyInstance, request: WebRequest, parts: PathParts) => Promise<WebResponse>,
  ) =>
    routes.on('GET', `/instances/{id}${below}`, async (request, parts) => {
      const resource = await resourceAt(reader, 'instances', parts.id ?? '');
      if (resource.level !== 'instances') throw notFound('such an instance');
      const { instance } = resource;
      const access = { action: below.split('/').at(-1) ?? '', study: instance.study, id: instance.id };
      return { ...(await answer(instance, request, parts)), access };
    });
  on('/simplified-tags', async (instance, request) =>
    jsonResponse(simplifiedTags(await headerJson(reader, instance, request))),
  );
  on('/tags', async (instance, request) => {
    const json = await headerJson(reader, instance, request);
    return jsonResponse(isOn(request.query, 'simplify') ? simplifiedTags(json) : fullTags(json));
  });
  on('/frames', async (instance, request) =>
    jsonResponse((await reader.frames(instance, request)).map((_, index) => String(index))),
  );
  on('/frames/{frame}/raw', async (instance, request, { frame }) => {
    const number = Number(frame);
    const found = (await reader.frames(instance, request))[number];
    if (found === undefined) throw notFound('such a frame');
    const body = frameBytes(reader, instance, await reader.header(instance, request), found, request);
    return { status: 200, headers: { 'content-type': 'application/octet-stream' }, body };
  });
  for (const name of ['preview', 'rendered']) {
    const png = (request: WebRequest): WebRequest => ({
      ...request,
      headers: {
        ...request.headers,
        accept: request.headers.accept?.includes('image/jpeg') ? 'image/jpeg' : 'image/png',
      },
    });
    on(`/${name}`, (instance, request) => retrieveRendered(reader, [instance], png(request), render));
    on(`/frames/{frame}/${name}`, (instance, request, { frame }) =>
      retrieveRendered(reader, [instance], png(request), render, Number(frame) + 1),
    );
  }
}

async function headerJson(reader: ArchiveReader, instance: StudyInstance, request: WebRequest) {
  const { dataSet, start } = await reader.header(instance, request);
  return toDicomJson(dataSet, { bigEndian: start.encoding.bigEndian, bulkDataUri: () => '' });
}
