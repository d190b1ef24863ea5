/** The synthesized stack at work between two real servers: what is copied, what comes back, what becomes a dead letter and why. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import { RestoreJobWriter } from '../../core/archive-life/restore/restore-job.ts';
import { type InstanceId, md5Of } from '../../core/identifiers.ts';
import { S3Objects } from '../../core/stores/archive/s3-objects.ts';
import { listVersions } from '../../core/stores/archive/s3-version-list.ts';
import { type GeneratedInstance, generateInstance, generateInstances } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { principalArn } from '../../local/stack/bucket-policies.ts';
import { type LocalStack, startLocalStack } from '../../local/stack/local-stack.ts';
import { accessKeyIdOf } from '../../local/stack/role-permissions.ts';
import { type FaultyProxy, startProxy } from './stack-proxy.ts';
import { synthesizeStack } from './stack-synth.ts';

/** Waits for what happens within seconds; fails after a time that only a hang needs. */
const eventually = { timeout: 90_000, interval: 100 };
const maxReceiveCount = 3;
const userName = 'mirror';
const firstPassword = 'first-hunter2';

const good = [...generateInstances('good', 12, 4096)];
const later = generateInstance(placeOfNth('later', 0), 4096);
const whileRefused = generateInstance(placeOfNth('refused', 0), 4096);
const afterRotation = generateInstance(placeOfNth('rotation', 0), 4096);
/** The proxy before the target answers 503 to the first two tries of this one. */
const busy = generateInstance(placeOfNth('busy', 0), 6000);
/** The proxy drops the connection whenever this one is sent: what a server that crashes looks like. */
const deadly = generateInstance(placeOfNth('deadly', 0), 8000);
/** A script of the target refuses this one. */
const filtered = generateInstance(placeOfNth('filtered', 0), 4096);
const erased = generateInstance(placeOfNth('erased', 0), 4096);

const cleanUp = new AsyncDisposableStack();
let source: OrthancServer;
let target: OrthancServer;
let proxy: FaultyProxy;
let stack: LocalStack;
let password = firstPassword;
/** The proxy before the target answers 401 to everything. */
let refusing = false;
/** The good instances, the busy, the deadly and the filtered one lie in a study each, whose sidecars are announced too. */
const studies = 4;
/** How often an instance of each size was sent to the target. */
const sends = new Map<number, number>();

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-transfer-'));
  cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
  const script = join(folder, 'filter.lua');
  const { patientId } = z.object({ patientId: z.string() }).parse({ patientId: await patientIdOf(filtered) });
  await writeFile(script, `function ReceivedInstanceFilter(dicom) return dicom.PatientID ~= '${patientId}' end`);
  [source, target] = await Promise.all([
    startOrthanc({ config: { AuthenticationEnabled: true, RegisteredUsers: { [userName]: firstPassword } } }),
    startOrthanc({ config: { LuaScripts: [script] } }),
  ]);
  cleanUp.defer(() => source.stop());
  cleanUp.defer(() => target.stop());
  proxy = await startProxy(target.url, (request) => {
    if (refusing) return 401;
    const size = Number(request.headers['content-length']);
    if (request.method !== 'POST' || request.url !== '/instances') return undefined;
    const times = (sends.get(size) ?? 0) + 1;
    sends.set(size, times);
    if (size === deadly.sizeBytes) return 'drop';
    return size === busy.sizeBytes && times <= 2 ? 503 : undefined;
  });
  cleanUp.defer(() => proxy.stop());
  const templateFolder = await synthesizeStack(configuration(), folder);
  stack = await startLocalStack({
    templateFolder,
    stateFolder: join(folder, 'state'),
    secrets: { source: firstPassword },
    scheduleMinuteMs: 'off',
  });
  cleanUp.defer(() => stack.stop());
});

afterAll(() => cleanUp.disposeAsync());

function configuration(): unknown {
  const auth = { basic: { username: userName, password: { secretsManager: 'source' } } };
  return {
    mirrors: { main: { source: { url: source.url, auth }, targets: { standby: { url: proxy.url } }, archive: {} } },
    cloud: {
      allowPrivateNetworks: true,
      repairRole: principalArn('repair'),
      transfer: { timeoutSeconds: 60, maxReceiveCount, firstRetrySeconds: 1, lastRetrySeconds: 1, pauseSeconds: 3 },
    },
  };
}

async function patientIdOf({ bytes }: GeneratedInstance): Promise<string> {
  return /GENERATED-[0-9A-F]{12}/.exec(Buffer.from(bytes).toString('latin1'))?.[0] ?? '';
}

async function post(instance: GeneratedInstance): Promise<void> {
  const authorization = `Basic ${btoa(`${userName}:${password}`)}`;
  const answer = await fetch(new URL('/instances', source.url), {
    method: 'POST',
    body: instance.bytes,
    headers: { authorization },
  });
  expect(answer.status).toBe(200);
}

async function tickAndWait(): Promise<unknown> {
  const report = await stack.invoke('scheduler', { mirror: 'main' });
  await waitUntilDone();
  return report;
}

async function waitUntilDone(): Promise<void> {
  await vi.waitUntil(() => stack.idle(), eventually);
}

async function idsInTarget(): Promise<string[]> {
  const answer = await fetch(new URL('/instances', target.url));
  return z
    .array(z.string())
    .parse(await answer.json())
    .toSorted();
}

async function idsInArchive(): Promise<string[]> {
  const [bucket = ''] = stack.bucketNames;
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const objects = new S3Objects({ endpoint: stack.s3Endpoint, bucket, prefix: 'main/', credentials });
  try {
    const entries = await Array.fromAsync(objects.list('instances/'));
    return entries.map(({ key }) => key.split('/')[1] ?? '').toSorted();
  } finally {
    await objects.close();
  }
}

const idsOf = (...instances: GeneratedInstance[]): string[] => instances.map(({ id }): string => id).toSorted();

/** Code and reason of dead letters, by what the message said. */
function deadLettersBy(text: string): Record<string, string>[] {
  return stack.deadLetters().flatMap(({ body, attributes }) => (body.includes(text) ? [attributes] : []));
}

test('a function that is quicker than the scheduler says that there is no archive yet, and makes none', async () => {
  await expect(stack.invoke('verifier', { mirror: 'main' })).rejects.toThrow(/holds no archive yet/);
});

test('an instance that fails takes nothing with it: all others arrive, and the archive holds every one', async () => {
  for (const instance of [...good, busy, deadly, filtered]) await post(instance);
  expect(await tickAndWait()).toMatchObject({ announced: 15 + studies });
  expect(await idsInTarget()).toEqual(idsOf(...good, busy));
  expect(await idsInArchive()).toEqual(idsOf(...good, busy, deadly, filtered));
});

test('only what failed came back: each good instance was sent once, the busy one until it was taken', () => {
  expect(sends.get(4096)).toBe(good.length + 1);
  expect(sends.get(busy.sizeBytes)).toBe(3);
});

test('an instance that takes the target down was given up after its tries and became a dead letter with the reason', () => {
  expect(sends.get(deadly.sizeBytes)).toBe(maxReceiveCount);
  expect(deadLettersBy(deadly.id)).toEqual([
    { code: 'unreachable', receiveCount: '3', reason: expect.stringContaining('Given up after 3 tries') },
  ]);
});

test('an instance that the target filters out became a dead letter at once with the reason', () => {
  expect(deadLettersBy(filtered.id)).toMatchObject([{ code: 'filtered-out', receiveCount: '1' }]);
  expect(deadLettersBy('"kind":"instance"')).toHaveLength(2);
});

test('a message that is delivered twice copies nothing twice, and one that vanished is done', async () => {
  const sentBefore = sends.get(4096);
  const again = { v: 1, mirror: 'main', kind: 'instance', id: good[0]?.id };
  for (const id of [again.id, again.id, '00000000-00000000-00000000-00000000-00000000']) {
    stack.send(JSON.stringify({ ...again, id }));
  }
  await waitUntilDone();
  expect(sends.get(4096)).toBe(sentBefore);
  expect(deadLettersBy('"kind":"instance"')).toHaveLength(2);
});

test.each([
  ['no message of ours', 'CANARY-MESSAGE', 'malformed-message'],
  [
    'a mirror that the queue is not of',
    JSON.stringify({ v: 1, mirror: 'stranger', kind: 'instance', id: good[0]?.id }),
    'malformed-message',
  ],
  [
    'a mirror of a name that every object has',
    JSON.stringify({ v: 1, mirror: 'constructor', kind: 'instance', id: good[0]?.id }),
    'malformed-message',
  ],
])('%s becomes a dead letter at once with the reason', async (_what, body, code) => {
  stack.send(body);
  await waitUntilDone();
  expect(stack.deadLetters().filter((letter) => letter.body === body)).toMatchObject([
    { attributes: { code, receiveCount: '1' } },
  ]);
});

test('a tick with nothing new announces nothing; what is added later arrives through the change feed', async () => {
  expect(await tickAndWait()).toMatchObject({ announced: 0, compared: 0 });
  await post(later);
  expect(await tickAndWait()).toMatchObject({ announced: 1, compared: 0 });
  expect(await idsInTarget()).toContain(later.id);
  expect(await idsInArchive()).toContain(later.id);
});

test('a target that refuses everybody is paused and costs no message, while the archive is served', async () => {
  const deadLetters = deadLettersBy('"kind":"instance"').length;
  refusing = true;
  onTestFinished(() => {
    refusing = false;
  });
  await post(whileRefused);
  await stack.invoke('scheduler', { mirror: 'main' });
  await vi.waitFor(async () => expect(await idsInArchive()).toContain(whileRefused.id), eventually);
  await vi.waitFor(
    async () =>
      expect(await stack.invoke('scheduler', { mirror: 'main' })).toMatchObject({ paused: ['main target standby'] }),
    eventually,
  );
  await vi.waitUntil(() => stack.logs.some(({ text }) => text.includes('"verdict":"renew"')), eventually);
  refusing = false;
  await vi.waitFor(
    async () => expect(await stack.invoke('scheduler', { mirror: 'main' })).toMatchObject({ paused: [] }),
    eventually,
  );
  await waitUntilDone();
  expect(await idsInTarget()).toContain(whileRefused.id);
  expect(deadLettersBy('"kind":"instance"')).toHaveLength(deadLetters);
});

test('a rotated password is noticed by functions that are warm', async () => {
  password = 'second-hunter2';
  const config = z.record(z.string(), z.unknown()).parse(JSON.parse(await readFile(source.configPath, 'utf8')));
  await writeFile(source.configPath, JSON.stringify({ ...config, RegisteredUsers: { [userName]: password } }));
  await source.restart();
  stack.secrets.rotate('source', password);
  await post(afterRotation);
  await tickAndWait();
  expect(await idsInTarget()).toContain(afterRotation.id);
});

describe('an instance that was erased at source and target, and that the archive keeps', () => {
  const id = erased.id;
  const md5 = md5Of(erased.bytes);
  let objects: S3Objects;
  let study: string;
  let series: string;

  beforeAll(async () => {
    objects = objectsAs('test');
    cleanUp.defer(() => objects.close());
    await post(erased);
    await tickAndWait();
    const authorization = `Basic ${btoa(`${userName}:${password}`)}`;
    const above = async (level: string) => {
      const answer = await fetch(new URL(`/instances/${id}/${level}`, source.url), { headers: { authorization } });
      return z.object({ ID: z.string() }).parse(await answer.json()).ID;
    };
    [study, series] = [await above('study'), await above('series')];
    await fetch(new URL(`/instances/${id}`, source.url), { method: 'DELETE', headers: { authorization } });
    await fetch(new URL(`/instances/${id}`, target.url), { method: 'DELETE' });
    expect(await idsInTarget()).not.toContain(id);
    expect(await idsInArchive()).toContain(id);
  });

  function objectsAs(accessKeyId: string): S3Objects {
    const [bucket = ''] = stack.bucketNames;
    const credentials = { accessKeyId, secretAccessKey: 'x' };
    return new S3Objects({
      endpoint: stack.s3Endpoint,
      bucket,
      prefix: 'main/',
      credentials,
      partBytes: 5 * 1024 * 1024,
    });
  }

  /** Sends what somebody made up who may write to the queue. @returns why it became a dead letter; nothing: it was done */
  async function forge(message: object): Promise<string[]> {
    const body = JSON.stringify({ v: 1, mirror: 'main', ...message });
    stack.send(body);
    await waitUntilDone();
    return stack.deadLetters().flatMap((letter) => (letter.body === body ? [letter.attributes.code ?? ''] : []));
  }

  async function jobNaming(
    named: InstanceId,
    { target: to = 'standby', mirror = 'main', begunAt = new Date() } = {},
  ): Promise<RestoreJobWriter> {
    const job = await RestoreJobWriter.begin(objects, { mirror, target: to, at: undefined }, () => begunAt);
    await job.add({ instances: [{ id: named, md5, sizeBytes: erased.sizeBytes }], studies: [] });
    return job;
  }

  const restoreOf = (job: string) => ({ kind: 'restore', job, part: 1, id });

  test.each([
    ['an instance', () => ({ kind: 'instance', id }), []],
    ['its study', () => ({ kind: 'study', id: study }), []],
    ['its series', () => ({ kind: 'resource', level: 'series', id: series }), []],
    ['the instance as a resource', () => ({ kind: 'resource', level: 'instances', id }), []],
    [
      'a restore that names everything itself',
      () => ({ kind: 'restore', target: 'standby', id, md5 }),
      ['malformed-message'],
    ],
    ['a restore for a job that is not there', () => restoreOf('20261121T030201.123Z-0a1b2c3d'), ['job-refused']],
    [
      'the sidecars of a study for a job that is not there',
      () => ({ kind: 'restore-study', job: '20261121T030201.123Z-0a1b2c3d', part: 1, id: study }),
      ['job-refused'],
    ],
  ])('does not come back by a message of %s', async (_what, message, codes) => {
    expect(await forge(message())).toEqual(codes);
    expect(await idsInTarget()).not.toContain(id);
  });

  test.each([
    [
      'is finished',
      async () => {
        const job = await jobNaming(id);
        await job.finish();
        return job;
      },
    ],
    ['expired', () => jobNaming(id, { begunAt: new Date(Date.now() - 15 * 86_400_000) })],
    ['is that of another mirror', () => jobNaming(id, { mirror: 'other' })],
    ['names a target that the mirror does not have', () => jobNaming(id, { target: 'stranger' })],
    ['names another instance', () => jobNaming(later.id)],
  ])('does not come back by a job that %s', async (_what, makeJob) => {
    const job = await makeJob();
    expect(await forge(restoreOf(job.id))).toEqual(['job-refused']);
    expect(await idsInTarget()).not.toContain(id);
  });

  test('does not come back by a part or a study that the job does not have', async () => {
    const job = await jobNaming(id);
    expect(await forge({ ...restoreOf(job.id), part: 2 })).toEqual(['job-refused']);
    expect(await forge({ kind: 'restore-study', job: job.id, part: 1, id: study })).toEqual(['job-refused']);
    expect(await idsInTarget()).not.toContain(id);
  });

  test('a job that is damaged is refused, and keeps no message going round', async () => {
    const job = '20261121T030201.123Z-ffffffff';
    await objects.putOnce(`jobs/${job}/job.json`, Buffer.from('{}'), { sizeBytes: 2 });
    expect(await forge(restoreOf(job))).toEqual(['job-refused']);
  });

  test.each(['transfer', 'scheduler', 'verifier', 'status'])('the %s function cannot make a job', async (name) => {
    const own = objectsAs(accessKeyIdOf(name));
    try {
      await expect(
        RestoreJobWriter.begin(own, { mirror: 'main', target: 'standby', at: undefined }),
      ).rejects.toMatchObject({
        code: 'forbidden',
      });
    } finally {
      await own.close();
    }
  });

  test('nobody can change a job that is there, nor any instance: AWS would refuse it', async () => {
    const job = await jobNaming(later.id);
    const [bucket = ''] = stack.bucketNames;
    for (const key of [`jobs/${job.id}/job.json`, `jobs/${job.id}/000001.json`, `instances/${id}/${md5}.dcm`]) {
      const answer = await fetch(`${stack.s3Endpoint}/${bucket}/main/${key}`, { method: 'PUT', body: '{}' });
      expect([key, answer.status]).toEqual([key, 403]);
    }
  });

  test.each([
    ['in one request', 4096],
    ['in parts', 6 * 1024 * 1024],
  ])(
    'is put right %s, if it is damaged, by the role that is named for repairs and by nobody else',
    async (_how, sizeBytes) => {
      const bytes = new Uint8Array(sizeBytes);
      const key = `instances/${id}/${md5Of(bytes)}.dcm`;
      const options = { sizeBytes, md5: md5Of(bytes) };
      expect(await objects.putOnce(key, bytes, options)).toBe('created');
      await expect(objects.supersede(key, bytes, options)).rejects.toMatchObject({
        code: 'forbidden',
        message: expect.stringContaining('cloud.repairRole'),
      });
      const repair = objectsAs('repair');
      try {
        await repair.supersede(key, bytes, options);
        const [bucket = ''] = stack.bucketNames;
        const at = {
          bucket,
          name: 'the archive',
          endpoint: stack.s3Endpoint,
          credentials: { accessKeyId: 'test', secretAccessKey: 'x' },
        };
        // The damaged one is kept as the version before.
        expect(await Array.fromAsync(listVersions(at, `main/${key}`))).toHaveLength(2);
      } finally {
        await repair.close();
      }
    },
  );

  test('comes back by a job that names it, and then by no message any more', async () => {
    const job = await jobNaming(id);
    expect(await forge(restoreOf(job.id))).toEqual([]);
    expect(await idsInTarget()).toContain(id);
    await fetch(new URL(`/instances/${id}`, target.url), { method: 'DELETE' });
    await job.finish();
    // The same words as a new message.
    expect(await forge({ ...restoreOf(job.id), part: 1 })).toEqual(['job-refused']);
    expect(await idsInTarget()).not.toContain(id);
  });
});

test('no log line holds a patient, a password or the text of a message', () => {
  const log = stack.logs.map(({ text }) => text).join('\n');
  expect(log).toContain(deadly.id);
  expect(log).not.toMatch(/GENERATED|hunter2|CANARY/);
});
