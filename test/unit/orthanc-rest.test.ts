import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { AccessControl } from '../../cli/open/access.ts';
import { createListener, listenOn } from '../../cli/open/listener.ts';
import { openOrthancStore } from '../../core/stores/orthanc/orthanc-store.ts';
import { ask, askJson, requestFor } from '../support/open/ask.ts';
import { writeStudy } from '../support/open/generated-archive.ts';
import { archiveFolder, openSite } from '../support/open/site.ts';
import { archiveInstance, archiveSidecar, instanceOf } from '../support/open/written-instance.ts';

async function generatedSite(studies: number, instances: number) {
  const folder = await archiveFolder();
  const ids: string[] = [];
  for (let number = 0; number < studies; number += 1) {
    ids.push(await writeStudy(folder, { seed: 'rest', number, instances, sizeBytes: 4096 }));
  }
  return { ...(await openSite(folder)), ids };
}

describe('lists', () => {
  test('come in pages that go on where the last one ended, also when a page begins with its end', async () => {
    const { routes } = await generatedSite(3, 4);
    const whole = await askJson(routes, '/instances');
    expect(whole).toHaveLength(12);
    expect(whole).toEqual((whole as string[]).toSorted());
    const pages = [];
    for (const since of [0, 4, 8, 12]) pages.push(await askJson(routes, `/instances?since=${since}&limit=4`));
    expect(pages.flat()).toEqual(whole);
    const overlapping = [];
    for (const since of [0, 3, 6, 9]) overlapping.push(await askJson(routes, `/instances?since=${since}&limit=4`));
    expect([...new Set(overlapping.flat())]).toEqual(whole);
    expect(await askJson(routes, '/instances?since=2&limit=3')).toEqual((whole as string[]).slice(2, 5));
  });

  test('of every level can be expanded, and their levels belong together', async () => {
    const { routes, ids } = await generatedSite(2, 2);
    const studies = (await askJson(routes, '/studies?expand')) as {
      ID: string;
      Series: string[];
      ParentPatient: string;
    }[];
    expect(studies.map(({ ID }) => ID)).toEqual(ids.toSorted());
    for (const { ID, Series, ParentPatient } of studies) {
      expect(await askJson(routes, `/patients/${ParentPatient}`)).toMatchObject({ Studies: [ID] });
      expect(await askJson(routes, `/series/${Series[0]}`)).toMatchObject({
        ParentStudy: ID,
        Instances: expect.any(Array),
      });
      const instances = (await askJson(routes, `/studies/${ID}/instances`)) as { ID: string; ParentSeries: string }[];
      expect(instances.map(({ ParentSeries }) => ParentSeries)).toEqual([Series[0], Series[0]]);
      expect(await askJson(routes, `/instances/${instances[0]?.ID}/study`)).toMatchObject({ ID });
    }
  });

  test.each([['since=1'], ['limit=1'], ['since=x&limit=1'], ['response-content=Secrets']])(
    'with %s are refused',
    async (query) => {
      const { routes } = await generatedSite(1, 1);
      expect((await ask(routes, `/studies?${query}`)).status).toBe(400);
    },
  );

  test('are what the mirror takes for the inventory of a source', async () => {
    const { routes, reader } = await generatedSite(3, 3);
    const server = createListener({
      routes,
      access: new AccessControl({}),
      log: { append: async () => undefined },
      onDefect: (error) => {
        throw error;
      },
    });
    const port = await listenOn(server, '127.0.0.1', 0);
    const store = openOrthancStore({ url: `http://127.0.0.1:${port}` });
    try {
      const [theirs, ours] = [await Array.fromAsync(store.inventory()), await Array.fromAsync(reader.inventory())];
      expect(theirs).toEqual(ours.map(({ id, md5, sizeBytes }) => ({ id, md5, sizeBytes })));
    } finally {
      await store.close();
      server.close();
      server.closeAllConnections();
    }
  });
});

describe('what a sidecar says', () => {
  const value = 'Befund é';
  async function attachedSite() {
    const folder = await archiveFolder();
    const written = instanceOf();
    await archiveInstance(folder, written);
    const content = {
      labels: ['urgent'],
      metadata: { 1030: value },
      systemMetadata: { LastUpdate: '20260102T030405' },
    };
    await archiveSidecar(folder, [written], content);
    return { ...(await openSite(folder)), written };
  }

  test('is told as labels and metadata', async () => {
    const { routes, written } = await attachedSite();
    const path = `/studies/${written.study}`;
    expect(await askJson(routes, `${path}/labels`)).toEqual(['urgent']);
    expect(await askJson(routes, `${path}/metadata?expand`)).toMatchObject({ 1030: value });
    expect((await ask(routes, `${path}/metadata/1030`)).bytes.toString()).toBe(value);
    // Names that every object of JavaScript has are no metadata.
    for (const name of ['1031', 'constructor', '__proto__', 'toString']) {
      expect((await ask(routes, `${path}/metadata/${name}`)).status).toBe(404);
    }
  });

  test('can be searched for by its labels', async () => {
    const { routes, written } = await attachedSite();
    const find = (more: object) =>
      askJson(routes, '/tools/find', { method: 'POST', body: { Level: 'Study', Query: {}, ...more } });
    expect(await find({ Labels: ['urgent'] })).toEqual([written.study]);
    expect(await find({ Labels: ['urgent', 'other'], LabelsConstraint: 'All' })).toEqual([]);
    expect(await find({ Labels: ['other'], LabelsConstraint: 'None' })).toEqual([written.study]);
    expect(await askJson(routes, '/tools/labels')).toEqual(['urgent']);
  });
});

test('lists are in the order of ids on every level, with and without content, as in Orthanc', async () => {
  const { routes } = await generatedSite(4, 5);
  for (const level of ['patients', 'studies', 'series', 'instances']) {
    const ids = z.array(z.string()).parse(await askJson(routes, `/${level}`));
    const rows = z.array(z.looseObject({ ID: z.string() })).parse(await askJson(routes, `/${level}?expand`));
    expect(ids, level).toEqual(ids.toSorted());
    expect(
      rows.map(({ ID }) => ID),
      level,
    ).toEqual(ids);
  }
});

describe('a question', () => {
  test('finds at every level by attributes and by parents', async () => {
    const { routes, ids } = await generatedSite(3, 2);
    const find = (body: object) => askJson(routes, '/tools/find', { method: 'POST', body });
    expect(await find({ Level: 'Study', Query: { AccessionNumber: 'A1' } })).toEqual([ids[1]]);
    expect(await find({ Level: 'Instance', Query: {}, ParentStudy: ids[2] })).toHaveLength(2);
    expect(await find({ Level: 'Patient', Query: { PatientName: 'generated^2' }, Expand: true })).toMatchObject([
      { Studies: [ids[2]] },
    ]);
    expect(await find({ Level: 'Series', Query: {}, Since: 1, Limit: 1 })).toHaveLength(1);
  });

  test('that is not understood is refused, not answered with everything', async () => {
    const { routes } = await generatedSite(1, 1);
    for (const body of [
      {},
      { Level: 'Galaxy' },
      { Level: 'Study', Query: { NoSuchTag: '1' } },
      { Level: 'Study', Query: {}, OrderBy: [{}] },
      null,
    ]) {
      expect((await ask(routes, '/tools/find', { method: 'POST', body })).status).toBe(400);
    }
  });

  test('by a UID of any level finds what it names', async () => {
    const folder = await archiveFolder();
    const written = instanceOf();
    await archiveInstance(folder, written);
    const { routes, reader } = await openSite(folder);
    await reader.surveyed();
    const look = async (text: string) => {
      const request = { ...requestFor('/tools/lookup', { method: 'POST' }), readBody: async () => Buffer.from(text) };
      const { body } = await routes.answer(request);
      return JSON.parse(Buffer.concat(body instanceof Uint8Array ? [body] : await Array.fromAsync(body)).toString());
    };
    expect(await look('1.2.1')).toMatchObject([{ Type: 'Study', ID: written.study }]);
    expect(await look('1.2.1.1.1')).toMatchObject([{ Type: 'Instance', ID: written.id }]);
    expect(await look('P1')).toMatchObject([{ Type: 'Patient' }]);
    expect(await look('9.9.9')).toEqual([]);
  });
});

describe('a header', () => {
  test('is told by names and by tags', async () => {
    const folder = await archiveFolder();
    const written = instanceOf({ comment: 'x'.repeat(300) });
    await archiveInstance(folder, written);
    const { routes } = await openSite(folder);
    expect(await askJson(routes, `/instances/${written.id}/simplified-tags`)).toMatchObject({
      PatientName: 'DOE^JANE',
      Rows: '2',
      ImageComments: null,
    });
    expect(await askJson(routes, `/instances/${written.id}/tags`)).toMatchObject({
      '0010,0010': { Name: 'PatientName', Type: 'String', Value: 'DOE^JANE' },
      '0020,4000': { Type: 'TooLong', Value: null },
    });
  });
});

test('the archive calls itself what it is: read-only, with what its clients ask for', async () => {
  const { routes } = await generatedSite(1, 1);
  expect(await askJson(routes, '/system')).toMatchObject({ ReadOnly: true, Capabilities: { HasExtendedFind: true } });
  expect(await askJson(routes, '/statistics')).toMatchObject({
    CountStudies: 1,
    CountInstances: 1,
    TotalDiskSize: '4096',
  });
  expect(await askJson(routes, '/changes?since=0&limit=10')).toMatchObject({ Changes: [], Done: true });
});
