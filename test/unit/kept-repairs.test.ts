import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { KeptRepairs } from '../../core/archive-life/kept-repairs.ts';
import { MirrorError } from '../../core/errors.ts';
import { Limitations } from '../../core/sidecars/limitations.ts';
import type { StudyServer } from '../../core/sidecars/study-server.ts';
import { instanceId, studyId, WatchedObjects, watchedArchive } from '../support/archived-studies.ts';

/** Nothing is written to it: what was kept lies nowhere any more. */
const server = { client: { address: 'http://server' } } as StudyServer;
const reference = { id: studyId(0), key: 'reports/replaced/gone/study.json', hash8: '00000000' };
const kept = { version: 1 as const, at: new Date(0).toISOString(), study: reference, only: [studyId(0)] };

test.each([
  ['is deleted', false],
  ['stays as a mark where nothing may be deleted', true],
])('a record that is finished %s, and is not finished twice', async (_, mayNotDelete) => {
  const { path } = await watchedArchive();
  const objects = new WatchedObjects(path);
  if (mayNotDelete) {
    objects.delete = async () => {
      throw new MirrorError('forbidden', 'no role may delete');
    };
  }
  const repairs = new KeptRepairs(objects, server.client);
  const finish = () => Array.fromAsync(repairs.finishAll({ server, limitations: new Limitations() }));
  expect(await finish()).toEqual([]);
  await repairs.keep(studyId(0), kept, {});
  expect(
    await Array.fromAsync(
      new KeptRepairs(objects, { address: 'http://other' }).finishAll({ server, limitations: new Limitations() }),
    ),
  ).toEqual([]);
  expect(await finish()).toMatchObject([{ id: studyId(0), kind: 'finished' }]);
  expect(await finish()).toEqual([]);
  const [folder = ''] = await readdir(join(path, 'state/repair'));
  expect(await readdir(join(path, 'state/repair', folder))).toHaveLength(mayNotDelete ? 1 : 0);
  await repairs.keep(studyId(0), kept, {});
  expect(await finish()).toHaveLength(1);
});

test('a record that cannot be read is told, and stops no other', async () => {
  const { objects } = await watchedArchive();
  const repairs = new KeptRepairs(objects, server.client);
  await repairs.keep(studyId(0), kept, {});
  await repairs.keep(studyId(1), kept, {});
  const [damaged = ''] = await Array.fromAsync(objects.list('state/repair/'), ({ key }) => key);
  const { etag = null } = (await objects.head(damaged)) ?? {};
  await objects.replaceIf(damaged, Buffer.from('damaged'), etag);
  const finished = await Array.fromAsync(repairs.finishAll({ server, limitations: new Limitations() }));
  expect(finished.map(({ kind }) => kind).toSorted()).toEqual(['failed', 'finished']);
});

test('what the server itself had of an instance goes before what the archive has of a study', async () => {
  const { objects } = await watchedArchive();
  const repairs = new KeptRepairs(objects, server.client);
  const study = studyId(0);
  const instances = Array.from({ length: 20 }, (_, n) => instanceId(n)).sort();
  for (const id of [study, ...instances]) await repairs.keep(id, kept, {});
  const finished = await Array.fromAsync(repairs.finishAll({ server, limitations: new Limitations() }));
  expect(finished.map(({ id }) => id)).toEqual([...instances, study]);
});
