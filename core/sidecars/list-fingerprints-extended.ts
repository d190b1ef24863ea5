/** Fingerprints on servers with extended find (1.12.5): pages of resources of every level, with what is attached to each. */
import { isMirrorError } from '../errors.ts';
import type { OrthancId, ResourceLevel } from '../identifiers.ts';
import { Progress } from '../stores/orthanc/bounds.ts';
import { joinPages, type ReadPage, requireAscending } from '../stores/orthanc/inventory-paged.ts';
import { type FingerprintScope, FingerprintSum, type StudyFingerprint } from './fingerprint.ts';
import type { MetContent } from './limitations.ts';
import { type ListedResource, listedResourceSchema, listedResourcesSchema } from './listed-resource.ts';
import { type ReadOptions, resourcePath } from './read-options.ts';
import { contentOf } from './resource-content.ts';
import type { ResourceContent } from './sidecar.ts';
import type { StudyServer } from './study-server.ts';

/**
 * A page costs a server some 0.65 µs for each of *all* its resources of the level, and 65 µs for each row (measured on
 * 1.12.7 and 1.13.0): few large pages are cheap, many small ones are not. A row takes about 1 KB.
 */
const rowsOfPage = 10_000;
/** A page whose answer is too long, because values are large, is asked for again with so much fewer rows. */
const shrinking = 8;
/** A page of one row would be taken for the end. */
const fewestRows = 2;

const everything = ['Labels', 'Metadata', 'Attachments', 'Parent'];

interface Listing extends ReadOptions {
  readonly scope: FingerprintScope;
  readonly met?: MetContent | undefined;
}

/** See `listStudyFingerprints`. */
export async function* extendedFingerprints(server: StudyServer, options: Listing): AsyncGenerator<StudyFingerprint> {
  const { scope } = options;
  const patients = scope.patients ? await sumPatients(server, options) : new Map<OrthancId, FingerprintSum>();
  const below = await sumBelow(server, options);
  for await (const study of listLevel(server, 'studies', everything, options)) {
    const sum = new FingerprintSum();
    sum.add('studies', study.ID, await metContentOf(server, 'studies', study, options), scope);
    sum.addSum(below.get(study.ID));
    sum.addSum(study.ParentPatient === undefined ? undefined : patients.get(study.ParentPatient));
    yield { studyId: study.ID, fingerprint: sum.toString() };
  }
}

async function metContentOf(
  server: StudyServer,
  level: ResourceLevel,
  listed: ListedResource,
  options: Listing,
): Promise<ResourceContent> {
  const content = await contentOf(server, level, listed, options);
  options.met?.add(content);
  return content;
}

/** Sums by patient. */
async function sumPatients(server: StudyServer, options: Listing): Promise<ReadonlyMap<OrthancId, FingerprintSum>> {
  const sums = new Map<OrthancId, FingerprintSum>();
  const content = server.capabilities.listsProtection ? [...everything, 'IsProtected'] : everything;
  for await (const patient of listLevel(server, 'patients', content, options)) {
    const sum = new FingerprintSum();
    sum.add('patients', patient.ID, await metContentOf(server, 'patients', patient, options), options.scope);
    if (patient.IsProtected ?? (await isProtected(server, patient.ID, options))) sum.addProtection(patient.ID);
    sums.set(patient.ID, sum);
  }
  return sums;
}

async function isProtected({ client }: StudyServer, id: OrthancId, { signal }: Listing): Promise<boolean> {
  return (await client.findText(`${resourcePath('patients', id)}/protected`, { signal })) === '1';
}

/**
 * Sums of series and instances by study. No change feed is asked which of them carry anything: its entries vanish when
 * it is cleared, and with each resource that is overwritten.
 */
async function sumBelow(server: StudyServer, options: Listing): Promise<ReadonlyMap<OrthancId, FingerprintSum>> {
  const sums = new Map<OrthancId, FingerprintSum>();
  const studyOfSeries = new Map<OrthancId, OrthancId>();
  const add = async (level: ResourceLevel, listed: ListedResource, study: OrthancId) => {
    const sum = sums.get(study) ?? new FingerprintSum();
    sums.set(study, sum);
    sum.add(level, listed.ID, await metContentOf(server, level, listed, options), options.scope);
  };
  for await (const series of listLevel(server, 'series', everything, options)) {
    if (series.ParentStudy === undefined) continue;
    studyOfSeries.set(series.ID, series.ParentStudy);
    await add('series', series, series.ParentStudy);
  }
  for await (const instance of listLevel(server, 'instances', everything, options)) {
    const series = instance.ParentSeries;
    if (series === undefined) continue;
    const study = studyOfSeries.get(series) ?? (await askStudy(server, series, options));
    if (study === undefined) continue;
    studyOfSeries.set(series, study);
    await add('instances', instance, study);
  }
  return sums;
}

/** The study of a series that came after the series were listed; `undefined` if it is gone again. */
async function askStudy(
  { client }: StudyServer,
  series: OrthancId,
  { signal }: Listing,
): Promise<OrthancId | undefined> {
  return (await client.findJson(resourcePath('series', series), listedResourceSchema, { signal }))?.ParentStudy;
}

/** All resources of a level, each once, in ascending order of id, whatever comes or goes meanwhile. */
async function* listLevel(
  { client }: StudyServer,
  level: ResourceLevel,
  content: readonly string[],
  { signal }: Listing,
): AsyncGenerator<ListedResource> {
  const call = { signal, long: true, ifMalformed: 'halt' } as const;
  let mostRows = rowsOfPage;
  const readRows = async (since: number, limit: number): Promise<readonly ListedResource[]> => {
    for (;;) {
      try {
        const rows = Math.min(limit, mostRows);
        const path = `/${level}?since=${since}&limit=${rows}&response-content=${content.join(';')}`;
        return await client.getJson(path, listedResourcesSchema, call);
      } catch (error) {
        if (!isMirrorError(error, 'answer-malformed') || mostRows === fewestRows) throw error;
        mostRows = Math.max(fewestRows, Math.floor(mostRows / shrinking));
      }
    }
  };
  const readPage: ReadPage<{ readonly id: OrthancId; readonly resource: ListedResource }> = async (since, limit) => {
    const listed = (await readRows(since, limit)).map((resource) => ({ id: resource.ID, resource }));
    requireAscending(client.name, level, listed);
    return listed;
  };
  // A page of the fewest rows brings one new resource.
  const progress = new Progress(client.name, level, { mostItems: client.limits.mostInstances, itemsPerRequest: 1 });
  for await (const { resource } of joinPages(readPage, rowsOfPage, 0, undefined, progress)) yield resource;
}
