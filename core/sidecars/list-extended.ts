/** Listing a study on servers with extended find (1.12.5): one request per level, all at once. */

import type { CallOptions } from '../call-options.ts';
import { MirrorError } from '../errors.ts';
import type { OrthancId } from '../identifiers.ts';
import { type ListedResource, type ListedStudy, listedResourcesSchema } from './listed-resource.ts';
import type { StudyServer } from './study-server.ts';

/** Resources per request; an instance takes about 1.5 KB of the answer. */
const pageSize = 2000;

/** What is found: the resources of a level whose ancestor, or itself, is the one with the id. */
interface Found {
  readonly level: 'Patient' | 'Study' | 'Series' | 'Instance';
  readonly by: 'ParentPatient' | 'ParentStudy';
  readonly id: OrthancId;
  readonly content: readonly string[];
}

const everything = ['Labels', 'Metadata', 'Attachments', 'Parent', 'Children'];
const withTags = [...everything, 'MainDicomTags'];

/** Lists a study with its series and instances. Throws `vanished` if the server does not hold it. */
export async function listStudyExtended(
  server: StudyServer,
  id: OrthancId,
  options: CallOptions,
): Promise<ListedStudy> {
  const by = 'ParentStudy';
  // ParentStudy of the study's own level names the study itself (seen on 1.12.7 and 1.13.0).
  const [[study], firstSeries, firstInstances] = await Promise.all([
    findPage(server, { level: 'Study', by, id, content: withTags }, 0, options),
    findPage(server, { level: 'Series', by, id, content: withTags }, 0, options),
    findPage(server, { level: 'Instance', by, id, content: everything }, 0, options),
  ]);
  if (study === undefined) throw new MirrorError('vanished', `${server.client.name} does not hold study ${id}`);
  const series = await findRest(
    server,
    { level: 'Series', by, id, content: withTags },
    firstSeries,
    study.Series,
    options,
  );
  const listed = series.flatMap(({ Instances }) => Instances ?? []);
  const instances = await findRest(
    server,
    { level: 'Instance', by, id, content: everything },
    firstInstances,
    listed,
    options,
  );
  return { study, series, instances };
}

/** Lists a patient. Throws `vanished` if the server does not hold it. */
export async function listPatientExtended(
  server: StudyServer,
  id: OrthancId,
  options: CallOptions,
): Promise<ListedResource> {
  const content = server.capabilities.listsProtection ? [...withTags, 'IsProtected'] : withTags;
  const [patient] = await findPage(server, { level: 'Patient', by: 'ParentPatient', id, content }, 0, options);
  if (patient === undefined) throw new MirrorError('vanished', `${server.client.name} does not hold patient ${id}`);
  return patient;
}

/**
 * Reads on after the first page while fewer resources were found than their parents list: a server may lower the
 * limit silently (`LimitFindResults`, `LimitFindInstances`), so a short page is not the last one.
 */
async function findRest(
  server: StudyServer,
  found: Found,
  first: readonly ListedResource[],
  expected: readonly OrthancId[] | undefined,
  options: CallOptions,
): Promise<readonly ListedResource[]> {
  const byId = new Map(first.map((resource) => [resource.ID, resource]));
  for (let since = first.length; byId.size < (expected?.length ?? 0); ) {
    const page = await findPage(server, found, since, options);
    const known = byId.size;
    for (const resource of page) byId.set(resource.ID, resource);
    // Nothing new: something of the study went meanwhile, or the server repeats itself.
    if (byId.size === known) break;
    since += page.length;
  }
  return [...byId.values()];
}

function findPage(
  server: StudyServer,
  { level, by, id, content }: Found,
  since: number,
  { signal }: CallOptions,
): Promise<readonly ListedResource[]> {
  const json = { Level: level, Query: {}, [by]: id, ResponseContent: content, Since: since, Limit: pageSize };
  return server.client.queryJson('/tools/find', json, listedResourcesSchema, { signal, long: true });
}
