/**
 * The ids of a server by the series or studies that hold them: what is left where its change feed does not tell of all of
 * them. Linear on every version, and no answer is long: 3 s of the server's time for a million ids where it lists in order,
 * some 40 s elsewhere.
 *
 * From 1.12.5 on, series are listed with the ids of their children. What lies nearer is of no use there (1.12.7 and 1.13.0,
 * SQLite): `/studies/{id}/instances` ignores `response-content`, `/series/{id}` takes 0.36 s, and whatever
 * asks for the instances of one study looks at all instances of the server (0.17 s with a million).
 */
import * as z from 'zod';
import type { CallOptions } from '../../call-options.ts';
import { type InstanceId, isOrthancId, type OrthancId } from '../../identifiers.ts';
import { listOf } from '../../json.ts';
import { mapInOrder } from '../../streams/in-parallel.ts';
import type { InventoryEntry } from '../store.ts';
import { misbehaviour } from './bounds.ts';
import type { OrthancCapabilities } from './capabilities.ts';
import { entryOf, instanceIdSchema, listedInstancesSchema } from './dicom-attachment.ts';
import type { OrthancClient } from './http-client.ts';
import { listInPages, type ReadPage, requireAscending } from './inventory-paged.ts';
import { listStudyIds } from './list-study-ids.ts';
import type { PartitionedRows } from './partitioned-rows.ts';

export interface ListedServer {
  readonly client: OrthancClient;
  readonly capabilities: OrthancCapabilities;
}

const studiesAtOnce = 4;
/** Ids that a page of series tells, on average: 1 MB, and some 10 MB of the server's memory. */
const idsOfPage = 20_000;
/** A page begins with the last series of the one before, so that fewer would not get on. */
const fewestSeriesOfPage = 2;
const mostSeriesOfPage = 1000;

const orthancIdSchema = z.custom<OrthancId>(isOrthancId);
const studySchema = z.object({ Series: listOf(orthancIdSchema) });
const seriesSchema = z.object({ Instances: listOf(instanceIdSchema) });
const listedSeriesSchema = listOf(z.object({ ID: orthancIdSchema, Instances: listOf(instanceIdSchema) }));
const countsSchema = z.object({ CountInstances: z.coerce.number(), CountSeries: z.coerce.number() });

/** A series or study, and the instances that it held when it was asked for. */
interface Parent {
  readonly id: OrthancId;
  readonly instances: readonly InstanceId[];
}

/** Which of them a server is listed by. */
export type ParentLevel = 'series' | 'studies';

export function parentLevelOf({ capabilities }: ListedServer): ParentLevel {
  return capabilities.hasExtendedFind ? 'series' : 'studies';
}

export interface ParentsOptions extends CallOptions {
  /** Goes on behind this series or study, with the rows of then. */
  readonly after?: OrthancId | undefined;
  /** Called whenever the rows hold every series or study up to one: the moment to put them away. */
  readonly onListed: (through: OrthancId) => Promise<void>;
}

/** Puts a row into `rows` for each instance of each series or study, in the order of the ids of these. */
export async function listByParents(
  server: ListedServer,
  rows: PartitionedRows,
  { after, onListed, ...options }: ParentsOptions,
): Promise<void> {
  const { name, limits } = server.client;
  const list = { series: listSeries, studies: listStudies }[parentLevelOf(server)];
  let count = 0;
  for await (const { id: through, instances } of list(server, after, options)) {
    for (const id of instances) rows.add({ id, seq: 0, askedDay: 0, md5: undefined, sizeBytes: undefined });
    count += instances.length;
    if (count > limits.mostInstances) throw misbehaviour(name, `lists more than ${limits.mostInstances} instances`);
    await onListed(through);
  }
}

async function* listSeries(
  { client }: ListedServer,
  after: OrthancId | undefined,
  options: CallOptions,
): AsyncGenerator<Parent> {
  const call = { ...options, long: true, ifMalformed: 'halt' } as const;
  const readPage: ReadPage<Parent> = async (since, limit) => {
    const path = `/series?since=${since}&limit=${limit}&response-content=Children`;
    const listed = await client.getJson(path, listedSeriesSchema, call);
    const page = listed.map(({ ID: id, Instances: instances }) => ({ id, instances }));
    requireAscending(client.name, 'series', page);
    return page;
  };
  const { CountInstances: instances, CountSeries: series } = await client.getJson('/statistics', countsSchema, call);
  const usual = Math.round((idsOfPage * series) / Math.max(1, instances));
  const limit = Math.max(fewestSeriesOfPage, Math.min(mostSeriesOfPage, usual));
  yield* listInPages(client, readPage, { what: 'series', limit, itemsPerRequest: 1, after, count: series });
}

async function* listStudies(
  server: ListedServer,
  after: OrthancId | undefined,
  options: CallOptions,
): AsyncGenerator<Parent> {
  const studies = (await listStudyIds(server, options)).filter((id) => after === undefined || id > after);
  const list = async (id: OrthancId) => ({ id, instances: await listIdsOf(server, id, options) });
  yield* mapInOrder(studies, studiesAtOnce, list);
}

/** The instances of a study, with hashes and sizes as far as the server lists them; none if it is gone. */
export async function listInstancesOf(
  server: ListedServer,
  study: OrthancId,
  options: CallOptions,
): Promise<readonly InventoryEntry[]> {
  const ids = await listIdsOf(server, study, options);
  const found = await findBelow(server, study, attachmentsOfInstances, options);
  const entries = new Map(found.map(({ ID, Attachments }) => [ID, entryOf(ID, Attachments)]));
  return ids.map((id) => entries.get(id) ?? { id, md5: undefined, sizeBytes: undefined });
}

/**
 * The ids alone. An old server would expand what it lists below a study, which costs ten times as much. What a new one finds
 * may be cut (`LimitFindResults`): so the study tells which series there are, and each that was not found is asked for.
 */
async function listIdsOf(
  server: ListedServer,
  study: OrthancId,
  { signal }: CallOptions,
): Promise<readonly InstanceId[]> {
  const call = { signal, long: true, ifMalformed: 'halt' } as const;
  const { Series: seriesIds } = (await server.client.findJson(`/studies/${study}`, studySchema, call)) ?? {
    Series: [],
  };
  const found = await findBelow(server, study, childrenOfSeries, { signal });
  const instancesOf = new Map(found.map(({ ID, Instances }) => [ID, Instances]));
  const ids: InstanceId[] = [];
  for (const series of seriesIds) {
    const held =
      instancesOf.get(series) ?? (await server.client.findJson(`/series/${series}`, seriesSchema, call))?.Instances;
    ids.push(...(held ?? []));
  }
  return ids;
}

/** What is looked for below a study. */
interface Wanted<Found> {
  readonly level: 'Series' | 'Instance';
  readonly content: 'Children' | 'Attachments';
  readonly schema: z.ZodType<readonly Found[]>;
}

const childrenOfSeries = { level: 'Series', content: 'Children', schema: listedSeriesSchema } as const;
const attachmentsOfInstances = { level: 'Instance', content: 'Attachments', schema: listedInstancesSchema } as const;

/** What a server finds below a study, as far as it tells (`LimitFindResults`, `LimitFindInstances`); nothing of an old one. */
async function findBelow<Found>(
  { client, capabilities }: ListedServer,
  study: OrthancId,
  { level, content, schema }: Wanted<Found>,
  { signal }: CallOptions,
): Promise<readonly Found[]> {
  if (!capabilities.hasExtendedFind) return [];
  const query = { Level: level, Query: {}, ParentStudy: study, ResponseContent: [content] };
  return client.queryJson('/tools/find', query, schema, { signal, long: true, ifMalformed: 'halt' });
}
