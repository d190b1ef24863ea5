/** Fingerprints on servers with extended find (1.12.5): pages of a thousand resources, with what is attached to each. */
import { z } from 'zod';
import type { OrthancId, ResourceLevel } from '../identifiers.ts';
import { listOf } from '../json.ts';
import { Progress } from '../stores/orthanc/bounds.ts';
import { type FingerprintScope, FingerprintSum, type StudyFingerprint } from './fingerprint.ts';
import { type ListedResource, listedResourceSchema, listedResourcesSchema } from './listed-resource.ts';
import { type ReadOptions, resourcePath } from './read-options.ts';
import { contentOf } from './resource-content.ts';
import type { StudyServer } from './study-server.ts';

const pageSize = 1000;
const everything = ['Labels', 'Metadata', 'Attachments', 'Parent'];

/** All of them are sent with each search. A label has 64 characters at most. */
const labelsSchema = listOf(z.string().max(64)).refine((labels) => labels.length <= 10_000);

interface Listing extends ReadOptions {
  readonly scope: FingerprintScope;
}

/** See `listStudyFingerprints`. */
export async function* extendedFingerprints(server: StudyServer, options: Listing): AsyncGenerator<StudyFingerprint> {
  const { scope } = options;
  const patients = scope.patients ? await sumPatients(server, options) : new Map<OrthancId, FingerprintSum>();
  const below = await sumBelow(server, options);
  let last = '';
  for await (const study of pages(server, 'studies', everything, options)) {
    // Pages shift when studies come while they are read: one may be listed twice.
    if (study.ID <= last) continue;
    last = study.ID;
    const sum = new FingerprintSum();
    sum.add('studies', study.ID, await contentOf(server, 'studies', study, options), scope);
    sum.addSum(below.get(study.ID));
    sum.addSum(study.ParentPatient === undefined ? undefined : patients.get(study.ParentPatient));
    yield { studyId: study.ID, fingerprint: sum.toString() };
  }
}

/** Sums by patient; only those to which something is attached. */
async function sumPatients(server: StudyServer, options: Listing): Promise<ReadonlyMap<OrthancId, FingerprintSum>> {
  const sums = new Map<OrthancId, FingerprintSum>();
  const { listsProtection } = server.capabilities;
  for await (const patient of pages(
    server,
    'patients',
    listsProtection ? [...everything, 'IsProtected'] : everything,
    options,
  )) {
    const sum = new FingerprintSum();
    sum.add('patients', patient.ID, await contentOf(server, 'patients', patient, options), options.scope);
    if (patient.IsProtected ?? (await isProtected(server, patient.ID, options))) sum.addProtection(patient.ID);
    sums.set(patient.ID, sum);
  }
  return sums;
}

async function isProtected({ client }: StudyServer, id: OrthancId, { signal }: Listing): Promise<boolean> {
  return (await client.findText(`${resourcePath('patients', id)}/protected`, { signal })) === '1';
}

/** Sums of series and instances by study. */
async function sumBelow(server: StudyServer, options: Listing): Promise<ReadonlyMap<OrthancId, FingerprintSum>> {
  const sums = new SumsByStudy(server, options);
  if (options.scope.below === 'everything') {
    for await (const series of pages(server, 'series', everything, options)) await sums.addSeries(series);
    for await (const instance of pages(server, 'instances', everything, options)) await sums.addInstance(instance);
  } else if (options.scope.labels) {
    const labels = await server.client.getJson('/tools/labels', labelsSchema, { signal: options.signal });
    if (labels.length === 0) return sums.byStudy;
    for await (const series of labelled(server, 'Series', labels, options)) await sums.addSeries(series);
    for await (const instance of labelled(server, 'Instance', labels, options)) await sums.addInstance(instance);
  }
  return sums.byStudy;
}

class SumsByStudy {
  readonly byStudy = new Map<OrthancId, FingerprintSum>();
  readonly #studyOfSeries = new Map<OrthancId, OrthancId>();
  readonly #server: StudyServer;
  readonly #options: Listing;

  constructor(server: StudyServer, options: Listing) {
    this.#server = server;
    this.#options = options;
  }

  async addSeries(series: ListedResource): Promise<void> {
    if (series.ParentStudy === undefined) return;
    this.#studyOfSeries.set(series.ID, series.ParentStudy);
    await this.#add('series', series, series.ParentStudy);
  }

  async addInstance(instance: ListedResource): Promise<void> {
    if (instance.ParentSeries === undefined) return;
    const study = this.#studyOfSeries.get(instance.ParentSeries) ?? (await this.#askStudy(instance.ParentSeries));
    if (study !== undefined) await this.#add('instances', instance, study);
  }

  async #add(level: ResourceLevel, listed: ListedResource, study: OrthancId): Promise<void> {
    const sum = this.byStudy.get(study) ?? new FingerprintSum();
    this.byStudy.set(study, sum);
    sum.add(level, listed.ID, await contentOf(this.#server, level, listed, this.#options), this.#options.scope);
  }

  async #askStudy(series: OrthancId): Promise<OrthancId | undefined> {
    const { signal } = this.#options;
    const found = await this.#server.client.findJson(resourcePath('series', series), listedResourceSchema, { signal });
    if (found?.ParentStudy !== undefined) this.#studyOfSeries.set(series, found.ParentStudy);
    return found?.ParentStudy;
  }
}

/** All resources of a level, in ascending order of id. */
function pages(
  { client }: StudyServer,
  level: ResourceLevel,
  content: readonly string[],
  { signal }: Listing,
): AsyncGenerator<ListedResource> {
  const call = { signal, long: true, ifMalformed: 'halt' } as const;
  const readPage = (since: number) => {
    const path = `/${level}?since=${since}&limit=${pageSize}&response-content=${content.join(';')}`;
    return client.getJson(path, listedResourcesSchema, call);
  };
  return joinPages(client, level, readPage, ({ length }) => length < pageSize);
}

/** All resources of a level that have labels. A short page may be a lowered limit (`LimitFindResults`). */
function labelled(
  { client }: StudyServer,
  level: 'Series' | 'Instance',
  labels: readonly string[],
  { signal }: Listing,
): AsyncGenerator<ListedResource> {
  const content = ['Labels', 'Parent'];
  const found = { Level: level, Query: {}, Labels: labels, LabelsConstraint: 'Any', ResponseContent: content };
  const call = { signal, long: true, ifMalformed: 'halt' } as const;
  const readPage = (since: number) => {
    const query = { ...found, Since: since, Limit: pageSize };
    return client.queryJson('/tools/find', query, listedResourcesSchema, call);
  };
  return joinPages(client, 'resources with labels', readPage, ({ length }) => length === 0);
}

/** Pages shift when resources come or go meanwhile: some may be listed twice, or not at all. */
async function* joinPages(
  { name, limits }: StudyServer['client'],
  what: string,
  readPage: (since: number) => Promise<readonly ListedResource[]>,
  isLast: (page: readonly ListedResource[]) => boolean,
): AsyncGenerator<ListedResource> {
  const progress = new Progress(name, what, { mostItems: limits.mostInstances, itemsPerRequest: 1 });
  let last = '';
  for (let since = 0; ; ) {
    progress.request();
    const page = await readPage(since);
    yield* page;
    if (isLast(page)) return;
    since += page.length;
    const before = last;
    progress.found(page.filter(({ ID }) => ID > before).length);
    last = page.at(-1)?.ID ?? last;
  }
}
