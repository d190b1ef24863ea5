/** A mirror that takes only a part of its source: by the search of a real server, and instance by instance. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { InstanceId } from '../../core/identifiers.ts';
import { type Filter, filterSchema } from '../../core/mirror/filters/filter-schema.ts';
import { matches } from '../../core/mirror/filters/matches.ts';
import { Selection } from '../../core/mirror/filters/select-instances.ts';
import { type OrthancStore, openOrthancStore } from '../../core/stores/orthanc/orthanc-store.ts';
import { generateInstances } from '../../local/dicom/generate.ts';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { uploadAll } from '../../local/upload.ts';

let server: OrthancServer;
let store: OrthancStore;

beforeAll(async () => {
  server = await startOrthanc();
  store = openOrthancStore({ url: server.url });
  const instances = ['one', 'two', 'three'].flatMap((seed) => [...generateInstances(seed, 10, 2048)]);
  const uploads = instances.map(({ bytes, sizeBytes }) => ({ sizeBytes, body: () => bytes }));
  await uploadAll(server.url, uploads, 4, (answer) => expect(answer.kind).not.toBe('refused'));
  const [study = '', other = ''] = await listOf('studies');
  await modify(`/studies/${study}`, { StudyDate: '19990101' });
  const { Series } = z.object({ Series: z.array(z.string()) }).parse(await getJson(`/studies/${other}`));
  await modify(`/series/${Series[0]}`, { Modality: 'CT' });
});

async function getJson(path: string): Promise<unknown> {
  return (await fetch(new URL(path, server.url))).json();
}

async function listOf(level: string): Promise<string[]> {
  return z.array(z.string()).parse(await getJson(`/${level}`));
}

/** The server adds a copy in which something else stands. */
async function modify(path: string, Replace: Readonly<Record<string, string>>): Promise<void> {
  const body = JSON.stringify({ Replace, Synchronous: true });
  const answer = await fetch(new URL(`${path}/modify`, server.url), { method: 'POST', body });
  expect(answer.status).toBe(200);
}

afterAll(async () => {
  await store.close();
  await server.stop();
});

const factsSchema = z.object({ PatientID: z.string(), StudyDate: z.string(), Modality: z.string() });

/** What every instance says of itself, read from its file by the server. */
async function factsOfAll(): Promise<Map<InstanceId, z.output<typeof factsSchema>>> {
  const entries = await Array.fromAsync(store.inventory());
  const facts = entries.map(async ({ id }) => {
    const answer = await fetch(new URL(`/instances/${id}/simplified-tags`, server.url));
    return [id, factsSchema.parse(await answer.json())] as const;
  });
  return new Map(await Promise.all(facts));
}

async function select(filter: Filter): Promise<{ listed: InstanceId[]; asked: InstanceId[]; expected: InstanceId[] }> {
  const selection = new Selection(store, filter);
  const all = await factsOfAll();
  const listed = (await Array.fromAsync(selection.inventory())).map(({ id }) => id);
  const asked: InstanceId[] = [];
  const expected: InstanceId[] = [];
  for (const [id, { PatientID, StudyDate, Modality }] of all) {
    if (await selection.selects(id)) asked.push(id);
    const facts = { patientId: PatientID, studyDate: StudyDate, modality: Modality, labels: [] };
    if (matches(filter, facts, new Date())) expected.push(id);
  }
  return { listed, asked, expected };
}

test('a search of the server, a question for one instance and the rule itself select the same', async () => {
  const all = [...(await factsOfAll()).values()];
  const [first, second] = [...new Set(all.map(({ PatientID }) => PatientID))];
  const dates = all.map(({ StudyDate }) => StudyDate).toSorted();
  const modality = 'OT';
  if (first === undefined || second === undefined) throw new Error('the generated data has two patients or more');
  const filters = [
    { patients: [first, second] },
    { modalities: [modality] },
    { modalities: ['CT'] },
    { modalities: ['XX'] },
    { studyDate: { to: '19991231' } },
    { studyDate: { from: dates[Math.floor(dates.length / 2)] } },
    { patients: [first], modalities: [modality, 'MR'], studyDate: { from: '19000101', to: '20991231' } },
    { studyDate: { withinDays: 1 } },
  ];
  for (const filter of filters) {
    const { listed, asked, expected } = await select(filterSchema.parse(filter));
    expect(listed, JSON.stringify(Object.keys(filter))).toEqual(expected);
    expect(asked).toEqual(expected);
  }
});

test('a part of the source is really left out', async () => {
  const all = await factsOfAll();
  const { PatientID = '' } = [...all.values()][0] ?? {};
  const { listed } = await select({ patients: [PatientID] });
  expect(listed.length).toBeGreaterThan(0);
  expect(listed.length).toBeLessThan(all.size);
});

test('labels on a server that has none are an error, not an empty mirror', async () => {
  const { version } = await store.capabilities();
  if (!version.startsWith('1.1') || Number(version.split('.')[1]) >= 12) return;
  const selection = new Selection(store, { labels: ['teaching'] });
  await expect(Array.fromAsync(selection.inventory())).rejects.toMatchObject({ code: 'configuration' });
});
