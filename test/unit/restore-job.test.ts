/** A restore by the stack is authorized by a job in the archive: what it names, for as long as it holds, and nothing else. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type JobEntry, partSize, RestoreJobs, RestoreJobWriter } from '../../core/archive-life/restore/restore-job.ts';
import { MirrorError } from '../../core/errors.ts';
import { type Md5, md5Of, type OrthancId, orthancIdOf } from '../../core/identifiers.ts';
import { FolderObjects } from '../../core/stores/archive/folder-objects.ts';
import { changedStorage } from '../../core/stores/archive/object-storage.ts';
import { sampleBytes, sampleId } from '../support/memory-store.ts';

const begunAt = new Date('2026-11-21T03:02:01.123Z');
const dayMs = 86_400_000;
const study: OrthancId = orthancIdOf('patient', 'study');
const md5: Md5 = md5Of(sampleBytes(1));

let folder: string;
let objects: FolderObjects;
let job: RestoreJobWriter;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-job-'));
  objects = new FolderObjects(folder);
  job = await begin();
  await job.add({ instances: [{ id: sampleId(1), md5, sizeBytes: 64 }] });
  await job.add({ studies: [study] });
});

afterEach(async () => {
  await objects.close();
  await rm(folder, { recursive: true });
});

function begin({ mirror = 'main', at = undefined as Date | undefined } = {}): Promise<RestoreJobWriter> {
  return RestoreJobWriter.begin(objects, { mirror, target: 'standby', at }, () => begunAt);
}

function jobsAt(now: Date = begunAt): RestoreJobs {
  return new RestoreJobs(objects, 'main', { now: () => now });
}

const instanceOf = (n = 1): JobEntry => ({ job: job.id, part: 1, id: sampleId(n) });
const studyOf = (id = study): JobEntry => ({ job: job.id, part: 2, id });

test('what a job names may be restored, in the version and to the target that it names', async () => {
  const { job: found, instance } = await jobsAt().instance(instanceOf());
  expect(found).toMatchObject({ mirror: 'main', target: 'standby', at: null });
  expect(instance).toEqual({ id: sampleId(1), md5, sizeBytes: 64 });
  expect(await jobsAt().study(studyOf())).toMatchObject({ target: 'standby' });
});

test('the moment of a restore stands in its job', async () => {
  const at = new Date('2026-01-02T03:04:05.000Z');
  job = await begin({ at });
  await job.add({ studies: [study] });
  expect(await jobsAt().study({ ...studyOf(), part: 1 })).toMatchObject({ at: at.toISOString() });
});

test.each([
  ['an instance that it does not name', () => jobsAt().instance(instanceOf(2)), 'does not name instance'],
  ['a study that it does not name', () => jobsAt().study(studyOf(orthancIdOf('x'))), 'does not name study'],
  ['a study as an instance', () => jobsAt().instance({ ...instanceOf(), part: 2 }), 'does not name instance'],
  ['an instance as a study', () => jobsAt().study({ ...instanceOf() }), 'does not name study'],
  ['a part that it does not have', () => jobsAt().instance({ ...instanceOf(), part: 3 }), 'has no part 3'],
  [
    'a job that is not there',
    () => jobsAt().instance({ ...instanceOf(), job: '20261121T030201.123Z-00000000' }),
    'is not in the archive',
  ],
  [
    'a job of fourteen days ago',
    () => jobsAt(new Date(begunAt.getTime() + 14 * dayMs)).instance(instanceOf()),
    'expired at 2026-12-05T03:02:01.123Z',
  ],
])('%s is refused with the reason, for good', async (_what, ask, reason) => {
  await expect(ask()).rejects.toMatchObject({
    code: 'job-refused',
    disposition: 'reject',
    message: expect.stringContaining(reason),
  });
});

test('a job holds until its last moment', async () => {
  const last = new Date(begunAt.getTime() + 14 * dayMs - 1);
  expect(await jobsAt(last).instance(instanceOf())).toMatchObject({ instance: { md5 } });
});

test('a job that is finished allows nothing any more', async () => {
  await job.finish();
  await expect(jobsAt().instance(instanceOf())).rejects.toThrow('was finished at 2026-11-21T03:02:01.123Z');
});

test('a job of another mirror, or one that was copied under another name, allows nothing', async () => {
  job = await begin({ mirror: 'other' });
  await job.add({ instances: [{ id: sampleId(1), md5 }] });
  await expect(jobsAt().instance(instanceOf())).rejects.toThrow('is that of another mirror');
  const copied = await begin();
  await writeFile(join(folder, 'jobs', copied.id, 'job.json'), await readJob(job.id));
  await expect(jobsAt().instance({ ...instanceOf(), job: copied.id })).rejects.toThrow('is that of another mirror');
});

async function readJob(id: string): Promise<Uint8Array> {
  const object = await objects.get(`jobs/${id}/job.json`);
  return Buffer.concat(await Array.fromAsync(object?.body ?? []));
}

test.each([
  ['no JSON', '{'],
  ['another version', '{"version": 2, "instances": [], "studies": []}'],
  ['an id that is a path', '{"version": 1, "instances": [{"id": "../x", "md5": "y"}], "studies": []}'],
  ['a field of its own', '{"version": 1, "instances": [], "studies": [], "target": "other"}'],
])('a part that is damaged is refused: %s', async (_what, text) => {
  await writeFile(join(folder, 'jobs', job.id, '000001.json'), text);
  await expect(jobsAt().instance(instanceOf())).rejects.toMatchObject({ code: 'job-refused' });
});

test('a part with more than its thousand things is neither written nor believed', async () => {
  const instances = Array.from({ length: partSize + 1 }, (_, n) => ({ id: sampleId(n), md5 }));
  await expect(job.add({ instances })).rejects.toThrow();
  const text = JSON.stringify({ version: 1, instances, studies: [] });
  await writeFile(join(folder, 'jobs', job.id, '000001.json'), text);
  await expect(jobsAt().instance(instanceOf())).rejects.toMatchObject({ code: 'job-refused' });
});

test('an archive that does not answer is no refusal: the message comes back', async () => {
  let away = true;
  const jobs = new RestoreJobs(
    changedStorage(objects, {
      get: async (key, options) => {
        if (away) throw new MirrorError('unreachable', 'S3 does not answer');
        return objects.get(key, options);
      },
    }),
    'main',
    { now: () => begunAt },
  );
  await expect(jobs.instance(instanceOf())).rejects.toMatchObject({ code: 'unreachable', disposition: 'retry' });
  away = false;
  expect(await jobs.instance(instanceOf())).toMatchObject({ instance: { md5 } });
});
