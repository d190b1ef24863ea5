import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { md5Of } from '../../core/identifiers.ts';
import { ArchiveReader } from '../../core/open/reader/archive-reader.ts';
import { indexArchive } from '../../core/open/reader/index-archive.ts';
import { addPageRoutes } from '../../core/open/viewer/routes.ts';
import { Routes } from '../../core/open/web/routes.ts';
import { openArchive } from '../../core/stores/archive/archive.ts';
import { FolderObjects } from '../../core/stores/archive/folder-objects.ts';
import { historyKey, instanceKey } from '../../core/stores/archive/keys.ts';
import { ask, askJson } from '../support/open/ask.ts';
import { writeStudy } from '../support/open/generated-archive.ts';
import { partsOf } from '../support/open/multipart.ts';
import { archiveFolder, openSite } from '../support/open/site.ts';
import { archiveInstance, archiveSidecar, instanceOf } from '../support/open/written-instance.ts';

const study = '/dicom-web/studies/1.2.1';

describe('a study that was overwritten twice and then deleted', () => {
  async function archiveOfFourMoments(): Promise<string> {
    const folder = await archiveFolder();
    const versions = ['first', 'second', 'third'].map((comment) => instanceOf({ comment }));
    for (const [index, version] of versions.entries()) {
      const at = `2026-01-0${index + 1}T12:00:00Z`;
      await archiveInstance(folder, version, at);
      await archiveSidecar(folder, [version], { at });
    }
    const now = () => new Date('2026-01-04T12:00:00Z');
    const archive = await openArchive(new FolderObjects(folder), { writer: 'run', now });
    await archive.recordRemoval(instanceOf().id);
    await archive.close();
    return folder;
  }

  test.each([
    ['2026-01-01T13:00:00Z', 'first'],
    ['2026-01-02T13:00:00Z', 'second'],
    ['2026-01-03T13:00:00Z', 'third'],
  ])('has at %s the %s version, its header and its metadata', async (at, comment) => {
    const { routes } = await openSite(await archiveOfFourMoments(), new Date(at));
    const { bytes, headers } = await ask(routes, study);
    expect(partsOf(headers['content-type'] ?? '', bytes).map((part) => part.bytes)).toEqual([
      instanceOf({ comment }).bytes,
    ]);
    expect(await askJson(routes, `${study}/metadata`)).toMatchObject([{ '00204000': { Value: [comment] } }]);
  });

  test.each([['2025-12-31T00:00:00Z'], ['2026-01-05T00:00:00Z'], [undefined]])('is not there at %s', async (at) => {
    const { routes, reader } = await openSite(
      await archiveOfFourMoments(),
      at === undefined ? undefined : new Date(at),
    );
    await reader.surveyed();
    expect((await ask(routes, study)).status).toBe(404);
    expect(await askJson(routes, '/dicom-web/studies')).toEqual([]);
    expect(await askJson(routes, '/instances')).toEqual([]);
  });

  test('tells its history, whatever the moment', async () => {
    const { routes } = await openSite(await archiveOfFourMoments(), new Date('2026-01-02T13:00:00Z'));
    const { id } = instanceOf();
    expect(await askJson(routes, `/page/instances/${id}/history`)).toMatchObject({
      current: instanceOf({ comment: 'second' }).md5,
      versions: expect.arrayContaining(
        ['first', 'second', 'third'].map((comment) => expect.objectContaining({ md5: instanceOf({ comment }).md5 })),
      ),
      records: [
        { what: 'current', md5: instanceOf({ comment: 'first' }).md5 },
        { what: 'current', md5: instanceOf({ comment: 'second' }).md5 },
        { what: 'current', md5: instanceOf({ comment: 'third' }).md5 },
        { what: 'removed', at: '2026-01-04T12:00:00.000Z' },
      ],
    });
  });
});

test('a study that was changed and changed back shows what it was at each moment', async () => {
  const folder = await archiveFolder();
  const [first, second] = [instanceOf({ comment: 'first' }), instanceOf({ comment: 'second' })];
  for (const [index, version] of [first, second, first].entries()) {
    await archiveInstance(folder, version, `2026-01-0${index + 1}T12:00:00Z`);
  }
  const shown = [];
  for (const at of ['2026-01-01T13:00:00Z', '2026-01-02T13:00:00Z', '2026-01-03T13:00:00Z']) {
    const { routes } = await openSite(folder, new Date(at));
    shown.push((await ask(routes, `/instances/${first.id}/file`)).bytes);
  }
  expect(shown.map((bytes) => md5Of(bytes))).toEqual([first.md5, second.md5, first.md5]);
});

describe('what no sidecar lists', () => {
  test('is found by its own header: a study without a sidecar', async () => {
    const folder = await archiveFolder();
    await archiveInstance(folder, instanceOf());
    const { routes, reader } = await openSite(folder);
    await reader.surveyed();
    expect(reader.progress).toMatchObject({ phase: 'complete', studies: 1, instances: 1, unlisted: 1 });
    expect(await askJson(routes, '/dicom-web/studies?PatientName=doe*')).toMatchObject([
      { '0020000D': { Value: ['1.2.1'] }, '00201208': { Value: [1] } },
    ]);
    expect((await ask(routes, study)).status).toBe(200);
  });

  test('is found by its own header: an instance that came after the sidecar', async () => {
    const folder = await archiveFolder();
    const [listed, late] = [instanceOf(), instanceOf({ instance: '1.2.1.1.2' })];
    await archiveInstance(folder, listed);
    await archiveInstance(folder, late);
    await archiveSidecar(folder, [listed]);
    const { routes, reader } = await openSite(folder);
    await reader.surveyed();
    expect(await askJson(routes, `${study}/instances`)).toHaveLength(2);
  });

  test('is found at once by its Orthanc id, before the archive was looked through', async () => {
    const folder = await archiveFolder();
    const late = instanceOf();
    await archiveInstance(folder, late);
    const { routes } = await openSite(folder);
    expect(await askJson(routes, `/instances/${late.id}`)).toMatchObject({ ID: late.id, ParentSeries: late.series });
  });

  test('is not read again the next time', async () => {
    const folder = await archiveFolder();
    const late = instanceOf();
    await archiveInstance(folder, late);
    const first = await openSite(folder);
    await first.reader.surveyed();
    await first.reader.close();
    // What is kept is known by id and hash: the bytes are not needed for the list.
    await writeFile(join(folder, instanceKey(late.id, late.md5)), Buffer.alloc(late.bytes.length));
    const { routes, reader } = await openSite(folder);
    await reader.surveyed();
    expect(await askJson(routes, '/dicom-web/studies')).toHaveLength(1);
  });
});

test('the page shows the studies that are known while others are still being read, and says so', async () => {
  const folder = await archiveFolder();
  const ids = [];
  for (let number = 0; number < 60; number += 1) {
    ids.push(await writeStudy(folder, { seed: 'slow', number, instances: 1, sizeBytes: 0 }));
  }
  const last = ids.toSorted().at(-1);
  const { promise: gate, resolve: release } = Promise.withResolvers<void>();
  class SlowObjects extends FolderObjects {
    override async get(...[key, options]: Parameters<FolderObjects['get']>) {
      if (last !== undefined && key.includes(last)) await gate;
      return super.get(key, options);
    }
  }
  const { routes, reader } = await openSite(folder, undefined, new SlowObjects(folder));
  const page = () => askJson(routes, '/page/studies?limit=100');
  await expect.poll(async () => z.object({ total: z.number() }).parse(await page()).total).toBeGreaterThan(0);
  expect(await page()).toMatchObject({ progress: { phase: 'listing' } });
  release();
  await reader.listed();
  expect(await page()).toMatchObject({ total: 60 });
});

test('a study and its images are shown while others are still being listed', async () => {
  const folder = await archiveFolder();
  const ids = [];
  for (let number = 0; number < 60; number += 1) {
    ids.push(await writeStudy(folder, { seed: 'early', number, instances: 2, sizeBytes: 4096 }));
  }
  const [first = '', ...others] = ids.toSorted();
  const last = others.at(-1) ?? '';
  const { promise: gate, resolve: release } = Promise.withResolvers<void>();
  class SlowObjects extends FolderObjects {
    override async get(...[key, options]: Parameters<FolderObjects['get']>) {
      if (key.includes(last)) await gate;
      return super.get(key, options);
    }
  }
  const { routes, reader } = await openSite(folder, undefined, new SlowObjects(folder));
  const page = () => askJson(routes, '/page/studies?limit=100');
  await expect.poll(async () => JSON.stringify(await page()), { timeout: 10_000 }).toContain(first);
  const shown = shownStudySchema.parse(await askJson(routes, `/page/studies/${first}`));
  const [series] = shown.series;
  const address = `/dicom-web/studies/${shown.studyInstanceUid}/series/${series?.uid}/instances/${series?.instances[0]?.uid}`;
  expect(await askJson(routes, `${address}/metadata`)).toHaveLength(1);
  expect(reader.progress.phase).toBe('listing');
  release();
  await reader.surveyed();
});

const shownStudySchema = z.looseObject({
  studyInstanceUid: z.string(),
  series: z.array(z.object({ uid: z.string(), instances: z.array(z.object({ uid: z.string(), md5: z.string() })) })),
});

describe('to open a study', () => {
  /** How often a folder was asked, by the first part of the keys. */
  class CountedObjects extends FolderObjects {
    readonly asked = { instances: 0, history: 0 };

    override get(...[key, options]: Parameters<FolderObjects['get']>) {
      this.#count(key);
      return super.get(key, options);
    }

    override list(...[prefix, options]: Parameters<FolderObjects['list']>) {
      this.#count(prefix);
      return super.list(prefix, options);
    }

    #count(key: string): void {
      if (key.startsWith('instances/')) this.asked.instances += 1;
      if (key.startsWith('history/')) this.asked.history += 1;
    }
  }

  test('takes two requests for each instance, the next time one', async () => {
    const folder = await archiveFolder();
    const id = await writeStudy(folder, { seed: 'counted', number: 1, instances: 20, sizeBytes: 4096 });
    for (const requests of [40, 20]) {
      const objects = new CountedObjects(folder);
      const { routes, reader } = await openSite(folder, undefined, objects);
      await reader.surveyed();
      Object.assign(objects.asked, { instances: 0, history: 0 });
      await askJson(routes, `/page/studies/${id}`);
      expect(objects.asked).toEqual({ instances: requests, history: 1 });
      // What was read is kept behind the back of whoever asked.
      const kept = () => objects.head(`state/open/headers/${id}.json.gz`);
      await expect.poll(kept, { timeout: 10_000 }).toBeDefined();
      await reader.close();
    }
  });

  test.each([
    ['few', 0],
    ['many', 1_001],
  ])(
    'looks at what became of each instance since its sidecar, where there are %s records of others',
    async (_, others) => {
      const folder = await archiveFolder();
      const [kept, before, after, removed] = [
        instanceOf(),
        instanceOf({ instance: '1.2.1.1.2', comment: 'before' }),
        instanceOf({ instance: '1.2.1.1.2', comment: 'after' }),
        instanceOf({ instance: '1.2.1.1.3' }),
      ];
      for (const one of [kept, before, removed, after]) await archiveInstance(folder, one);
      await archiveSidecar(folder, [kept, before, removed]);
      const archive = await openArchive(new FolderObjects(folder), { writer: 'run' });
      await archive.recordRemoval(removed.id);
      await archive.close();
      for (let number = 0; number < others; number += 1) {
        const key = historyKey({ id: instanceOf({ instance: `1.3.${number}` }).id, number: 1, what: 'removed' });
        await mkdir(join(folder, dirname(key)), { recursive: true });
        await writeFile(join(folder, key), '{}');
      }
      const { routes } = await openSite(folder);
      const shown = shownStudySchema.parse(await askJson(routes, `/page/studies/${kept.study}`));
      expect(shown).toMatchObject({ absent: [removed.id] });
      expect(shown.series.flatMap(({ instances }) => instances.map(({ md5 }) => md5)).toSorted()).toEqual(
        [kept.md5, after.md5].toSorted(),
      );
      expect(await askJson(routes, `${study}/series/1.2.1.1/instances/1.2.1.1.2/metadata`)).toMatchObject([
        { '00204000': { Value: ['after'] } },
      ]);
    },
  );
});

describe('an archive that is not whole', () => {
  test('breaks off where bytes are not what was archived, instead of giving them', async () => {
    const folder = await archiveFolder();
    const written = instanceOf();
    await archiveInstance(folder, written);
    const damaged = Buffer.from(written.bytes);
    damaged[damaged.length - 1] = (damaged.at(-1) ?? 0) ^ 1;
    await writeFile(join(folder, instanceKey(written.id, written.md5)), damaged);
    const { routes, reader } = await openSite(folder);
    await reader.surveyed();
    await expect(ask(routes, study)).rejects.toThrow(`does not have the MD5 ${written.md5}`);
    await expect(ask(routes, `/instances/${written.id}/file`)).rejects.toThrow('does not have the MD5');
    expect(await askJson(routes, `/page/instances/${written.id}/proof`)).toMatchObject({ isEqual: false });
  });

  test('tells which instances a sidecar lists that are not there', async () => {
    const folder = await archiveFolder();
    const [there, lost] = [instanceOf(), instanceOf({ instance: '1.2.1.1.9' })];
    await archiveInstance(folder, there);
    await archiveSidecar(folder, [there, lost]);
    const { routes } = await openSite(folder);
    expect(await askJson(routes, `/page/studies/${there.study}`)).toMatchObject({ absent: [lost.id] });
  });

  test('lists and gives a file that is no DICOM at all, and shows no picture of it', async () => {
    const folder = await archiveFolder();
    const broken = { ...instanceOf(), bytes: Buffer.from('no DICOM at all, but the bytes that were archived') };
    const listed = { ...broken, md5: md5Of(broken.bytes) };
    await archiveInstance(folder, listed);
    await archiveSidecar(folder, [listed]);
    const { routes } = await openSite(folder);
    expect(await askJson(routes, `/studies/${listed.study}/instances?expand=false`)).toEqual([listed.id]);
    expect((await ask(routes, `/instances/${listed.id}/file`)).bytes).toEqual(listed.bytes);
  });

  test('answers without what it kept, and keeps it anew', async () => {
    const folder = await archiveFolder();
    await writeStudy(folder, { seed: 'kept', number: 1, instances: 3, sizeBytes: 4096 });
    const first = await openSite(folder);
    await Array.fromAsync(indexArchive(first.reader));
    await first.reader.close();
    await rm(join(folder, 'state'), { recursive: true });
    const { routes } = await openSite(folder);
    expect(await askJson(routes, '/dicom-web/instances')).toHaveLength(3);
  });

  test('answers in spite of a kept header that somebody else wrote', async () => {
    const folder = await archiveFolder();
    const id = await writeStudy(folder, { seed: 'foreign', number: 1, instances: 1, sizeBytes: 4096 });
    const objects = new FolderObjects(folder);
    await objects.replaceIf(`state/open/headers/${id}.json.gz`, Buffer.from('no gzip'), null);
    await objects.close();
    const { routes } = await openSite(folder);
    expect(await askJson(routes, '/dicom-web/instances')).toHaveLength(1);
  });
});

test('patients that share a StudyInstanceUID keep their studies apart', async () => {
  const folder = await archiveFolder();
  const [one, other] = [instanceOf(), instanceOf({ patient: 'P2', name: 'ROE^RICHARD' })];
  for (const written of [one, other]) await archiveInstance(folder, written);
  const { routes, reader } = await openSite(folder);
  await reader.surveyed();
  expect(await askJson(routes, '/dicom-web/studies')).toHaveLength(2);
  expect(await askJson(routes, '/studies')).toEqual([one.study, other.study].toSorted());
  expect(await askJson(routes, `/dicom-web/studies?PatientID=P2`)).toMatchObject([{ '00100020': { Value: ['P2'] } }]);
});

test('the first page of the list is there before the rest of it was read again', async () => {
  const folder = await archiveFolder();
  for (let number = 0; number < 3; number += 1) {
    await writeStudy(folder, { seed: 'newest', number, instances: 1, sizeBytes: 0 });
  }
  const before = await openSite(folder);
  await before.reader.surveyed();
  const page = await askJson(before.routes, '/page/studies');
  class SilentObjects extends FolderObjects {
    override async get(...[key, options]: Parameters<FolderObjects['get']>) {
      if (/catalogue|studies/.test(key)) await new Promise(() => undefined);
      return super.get(key, options);
    }
  }
  const archive = await openArchive(new SilentObjects(folder));
  const again = new ArchiveReader(archive);
  const routes = addPageRoutes(new Routes(), again);
  await expect.poll(() => askJson(routes, '/page/studies')).toMatchObject({ total: 3 });
  expect(await askJson(routes, '/page/studies')).toMatchObject({
    studies: z.object({ studies: z.array(z.unknown()) }).parse(page).studies,
    progress: { phase: 'listing' },
  });
  await archive.close();
});
