/** The DICOMweb service (PS3.18) below `/dicom-web`: the addresses, and what answers at each. */
import type { ArchiveReader } from '../reader/archive-reader.ts';
import type { StudyContent, StudyInstance } from '../reader/study-content.ts';
import type { SearchLevel } from '../search/attributes.ts';
import { uidOf } from '../search/candidates.ts';
import { includesType } from '../web/media-types.ts';
import { type Access, jsonList, notFound, WebError, type WebRequest, type WebResponse } from '../web/message.ts';
import type { PathParts, Routes } from '../web/routes.ts';
import { capabilities } from './capabilities.ts';
import { acceptOf, retrieveInstances, retrieveMetadata } from './retrieve.ts';
import { retrieveBulkData, retrieveFrames } from './retrieve-frames.ts';
import { type FrameRenderer, retrieveRendered, retrieveThumbnail } from './retrieve-rendered.ts';
import { search } from './search.ts';
import { parseSearchQuery } from './search-query.ts';

const dicomwebRoot = '/dicom-web';

/** Most matches of one answer where the client names no limit: it asks on with `offset`. */
const mostMatches = 100_000;

/** Adds the service to routes. */
export function addDicomwebRoutes(routes: Routes, reader: ArchiveReader, render: FrameRenderer): Routes {
  const baseUrl = ({ origin }: WebRequest) => origin + dicomwebRoot;
  const [study, series, instance] = [
    `${dicomwebRoot}/studies/{study}`,
    `${dicomwebRoot}/studies/{study}/series/{series}`,
    `${dicomwebRoot}/studies/{study}/series/{series}/instances/{instance}`,
  ];
  const searches: readonly (readonly [string, SearchLevel])[] = [
    [`${dicomwebRoot}/studies`, 'studies'],
    [`${dicomwebRoot}/series`, 'series'],
    [`${dicomwebRoot}/instances`, 'instances'],
    [`${study}/series`, 'series'],
    [`${study}/instances`, 'instances'],
    [`${series}/instances`, 'instances'],
  ];
  for (const [path, level] of searches) {
    routes.on('GET', path, (request, parts) => searchResponse(reader, level, parts, request, baseUrl(request)));
  }
  for (const path of [study, series, instance]) {
    const selected = (parts: PathParts) => instancesAt(reader, parts);
    routes
      .on('GET', path, async (request, parts) =>
        accessed('retrieve', await selected(parts), (found) => retrieveInstances(reader, found, request)),
      )
      .on('GET', `${path}/metadata`, async (request, parts) =>
        accessed('metadata', await selected(parts), (found) =>
          retrieveMetadata(reader, found, request, baseUrl(request)),
        ),
      )
      .on('GET', `${path}/rendered`, async (request, parts) =>
        accessed('rendered', await selected(parts), (found) => retrieveRendered(reader, found, request, render)),
      )
      .on('GET', `${path}/thumbnail`, async (request, parts) =>
        accessed('thumbnail', await selected(parts), (found) => retrieveThumbnail(reader, found, request, render)),
      );
  }
  const oneOf = async (parts: PathParts) => (await instancesAt(reader, parts)).slice(0, 1);
  return routes
    .on('GET', `${instance}/frames/{frames}`, async (request, parts) =>
      accessed('frames', await oneOf(parts), ([found]) =>
        retrieveFrames(reader, found, parts.frames ?? '', request, baseUrl(request)),
      ),
    )
    .on('GET', `${instance}/frames/{frames}/rendered`, async (request, parts) =>
      accessed('rendered', await oneOf(parts), (found) =>
        retrieveRendered(reader, found, request, render, Number(parts.frames)),
      ),
    )
    .on('GET', `${instance}/bulk/{path*}`, async (request, parts) =>
      accessed('bulk-data', await oneOf(parts), ([found]) =>
        retrieveBulkData(reader, found, parts.path ?? '', request, baseUrl(request)),
      ),
    )
    .on('GET', `${dicomwebRoot}/`, () => capabilities())
    .on('OPTIONS', `${dicomwebRoot}/`, () => capabilities());
}

type Some = readonly [StudyInstance, ...(readonly StudyInstance[])];

/** Answers about instances, of which there must be one, and tells what was looked at. */
async function accessed(
  action: string,
  [first, ...more]: readonly StudyInstance[],
  answer: (found: Some) => Promise<WebResponse> | WebResponse,
): Promise<WebResponse> {
  if (first === undefined) throw notFound('what this address names');
  const access: Access = { action, study: first.study, id: more.length === 0 ? first.id : undefined };
  return { ...(await answer([first, ...more])), access };
}

/** What an address names. One instance is shown while other studies are still being listed. */
async function instancesAt(reader: ArchiveReader, parts: PathParts): Promise<readonly StudyInstance[]> {
  const { study = '', instance } = parts;
  const known = instance === undefined ? [] : instancesIn(await reader.studiesSoFarOf(study), parts);
  return known.length > 0 ? known : instancesIn(await reader.studiesOf(study), parts);
}

function instancesIn(contents: readonly StudyContent[], { series, instance }: PathParts): readonly StudyInstance[] {
  return contents
    .flatMap(({ instances }) => instances)
    .filter(
      ({ tags: { tags } }) =>
        (series === undefined || uidOf(tags, 'SeriesInstanceUID') === series) &&
        (instance === undefined || uidOf(tags, 'SOPInstanceUID') === instance),
    );
}

/** Searches, and says in headers what a client may ask next (PS3.18, 8.3.4.4). */
async function searchResponse(
  reader: ArchiveReader,
  level: SearchLevel,
  { study, series }: PathParts,
  request: WebRequest,
  baseUrl: string,
): Promise<WebResponse> {
  const json = ['application/dicom+json', 'application/json'];
  if (!acceptOf(request).some(({ type }) => json.some((offered) => includesType(type, offered)))) {
    throw new WebError(406, 'matches are given as application/dicom+json');
  }
  const query = parseSearchQuery(request.query);
  const limit = Math.min(query.limit ?? mostMatches, mostMatches);
  const found = search(reader, level, { study, series }, { ...query, limit: limit + 1 }, baseUrl);
  // The first page is put together before it is sent, so that its headers can tell whether there is more.
  const page = query.limit === undefined ? undefined : await firstOf(found, limit);
  const warnings = warningsOf(reader, query.ignored, page?.hasMore === true);
  return {
    status: 200,
    headers: {
      'content-type': 'application/dicom+json',
      ...(warnings.length > 0 && { warning: warnings.join(', ') }),
    },
    body: jsonList(page === undefined ? found : asAsync(page.items)),
    access: { action: `search-${level}` },
  };
}

async function firstOf<Item>(items: AsyncIterable<Item>, limit: number) {
  const taken: Item[] = [];
  for await (const item of items) {
    if (taken.length === limit) return { items: taken, hasMore: true };
    taken.push(item);
  }
  return { items: taken, hasMore: false };
}

function warningsOf({ progress }: ArchiveReader, ignored: readonly string[], hasMore: boolean): readonly string[] {
  return [
    ...(hasMore ? ['299 orthanc-mirror "There are additional results that can be requested"'] : []),
    ...(ignored.length > 0 ? [`299 orthanc-mirror "${ignored.length} unknown attributes were ignored"`] : []),
    ...(progress.phase === 'listing' ? ['299 orthanc-mirror "The archive is still being listed"'] : []),
  ];
}

async function* asAsync<Item>(items: Iterable<Item>): AsyncGenerator<Item> {
  yield* items;
}
