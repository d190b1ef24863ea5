/**
 * The instances of a server study by study: what is left where its change feed does not tell of all of them. Linear on every
 * version, and no answer is long: some 40 s of the server's time for a million ids, 340 s with hashes.
 */
import * as z from 'zod';
import type { CallOptions } from '../../call-options.ts';
import { isOrthancId, type OrthancId } from '../../identifiers.ts';
import { listOf } from '../../json.ts';
import { mapInOrder } from '../../streams/in-parallel.ts';
import type { InventoryEntry } from '../store.ts';
import { misbehaviour } from './bounds.ts';
import type { OrthancCapabilities } from './capabilities.ts';
import { entryOf, instanceIdSchema, listedInstancesSchema } from './dicom-attachment.ts';
import type { OrthancClient } from './http-client.ts';
import { listStudyIds } from './list-study-ids.ts';
import type { PartitionedRows } from './partitioned-rows.ts';

export interface ListedServer {
  readonly client: OrthancClient;
  readonly capabilities: OrthancCapabilities;
}

const studiesAtOnce = 4;

const studySchema = z.object({ Series: listOf(z.custom<OrthancId>(isOrthancId)) });
const seriesSchema = z.object({ Instances: listOf(instanceIdSchema) });

export interface StudiesOptions extends CallOptions {
  /** What stands for the number of an entry that there is not. */
  readonly seq: number;
  /** The day of the hashes, where the server lists them. */
  readonly day: number;
  /** Goes on behind this study, with the rows of then. */
  readonly after?: OrthancId | undefined;
  /** Called whenever the rows hold every study up to one: the moment to put them away. */
  readonly onListed: (through: OrthancId) => Promise<void>;
}

/** Puts a row into `rows` for each instance of each study; with its hash where the server lists it. */
export async function listByStudies(
  server: ListedServer,
  rows: PartitionedRows,
  { seq, day, after, onListed, ...options }: StudiesOptions,
): Promise<void> {
  const { name, limits } = server.client;
  const studies = (await listStudyIds(server, options)).filter((id) => after === undefined || id > after);
  const list = async (study: OrthancId) => ({ study, listed: await listInstancesOf(server, study, options) });
  let count = 0;
  for await (const { study, listed } of mapInOrder(studies, studiesAtOnce, list)) {
    for (const { id, md5, sizeBytes } of listed) {
      rows.add({ id, seq, askedDay: sizeBytes === undefined ? 0 : day, md5, sizeBytes });
    }
    count += listed.length;
    if (count > limits.mostInstances) throw misbehaviour(name, `lists more than ${limits.mostInstances} instances`);
    await onListed(study);
  }
}

/** The instances of a study, with their hashes where the server lists them; none if it is gone. */
export function listInstancesOf(
  server: ListedServer,
  study: OrthancId,
  options: CallOptions,
): Promise<readonly InventoryEntry[]> {
  return server.capabilities.hasExtendedFind
    ? hashedInstances(server, study, options)
    : instanceIds(server, study, options);
}

async function hashedInstances(
  { client }: ListedServer,
  study: OrthancId,
  { signal }: CallOptions,
): Promise<readonly InventoryEntry[]> {
  const call = { signal, long: true, ifMalformed: 'halt' } as const;
  const path = `/studies/${study}/instances?response-content=Attachments`;
  const listed = (await client.findJson(path, listedInstancesSchema, call)) ?? [];
  return listed.map(({ ID, Attachments }) => entryOf(ID, Attachments));
}

/** The ids alone: an old server would expand what it lists below a study, which costs ten times as much. */
async function instanceIds(
  { client }: ListedServer,
  study: OrthancId,
  { signal }: CallOptions,
): Promise<readonly InventoryEntry[]> {
  const call = { signal, long: true, ifMalformed: 'halt' } as const;
  const entries: InventoryEntry[] = [];
  const { Series: seriesIds } = (await client.findJson(`/studies/${study}`, studySchema, call)) ?? { Series: [] };
  for (const series of seriesIds) {
    const { Instances: ids } = (await client.findJson(`/series/${series}`, seriesSchema, call)) ?? { Instances: [] };
    entries.push(...ids.map((id) => ({ id, md5: undefined, sizeBytes: undefined })));
  }
  return entries;
}
