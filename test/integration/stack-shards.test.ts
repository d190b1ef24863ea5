/** The state machine of the synthesized stack, with its real functions, between two real servers and a bucket. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { S3Objects } from '../../core/stores/archive/s3-objects.ts';
import { shardStates } from '../../infra/shard-states.ts';
import { generateInstance, generateInstances } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { type LocalStack, startLocalStack } from '../../local/stack/local-stack.ts';
import { uploadAll } from '../../local/upload.ts';
import { runStates } from '../support/states/interpret.ts';
import { synthesizeStack } from './stack-synth.ts';

const good = [...generateInstances('sharded', 20, 4096)];
/** A script of the target refuses this one. */
const filtered = generateInstance(placeOfNth('filtered', 0), 4096);
/** Studies one by one, the thousand parts of an archive by the hundred. */
const perInvocation = { copy: 1, verify: 100 };

const cleanUp = new AsyncDisposableStack();
let source: OrthancServer;
let target: OrthancServer;
let stack: LocalStack;
let objects: S3Objects;
let bucket: S3Objects;

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-shards-'));
  cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
  const script = join(folder, 'filter.lua');
  const [patientId] = /GENERATED-[0-9A-F]{12}/.exec(Buffer.from(filtered.bytes).toString('latin1')) ?? [];
  await writeFile(script, `function ReceivedInstanceFilter(dicom) return dicom.PatientID ~= '${patientId}' end`);
  [source, target] = await Promise.all([startOrthanc({}), startOrthanc({ config: { LuaScripts: [script] } })]);
  cleanUp.defer(() => source.stop());
  cleanUp.defer(() => target.stop());
  const configuration = {
    mirrors: { main: { source: { url: source.url }, targets: { standby: { url: target.url } }, archive: {} } },
    cloud: {
      allowPrivateNetworks: true,
      distributedMap: {},
      transfer: { maxReceiveCount: 3, firstRetrySeconds: 1, lastRetrySeconds: 1, pauseSeconds: 3 },
    },
  };
  const templateFolder = await synthesizeStack(configuration, folder);
  stack = await startLocalStack({ templateFolder, stateFolder: join(folder, 'state'), scheduleMinuteMs: 'off' });
  cleanUp.defer(() => stack.stop());
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const [name = ''] = stack.bucketNames;
  const place = { endpoint: stack.s3Endpoint, bucket: name, credentials };
  bucket = new S3Objects({ ...place, prefix: '' });
  objects = new S3Objects({ ...place, prefix: 'main/' });
  cleanUp.defer(() => bucket.close());
  cleanUp.defer(() => objects.close());
  // The scheduler begins the archive.
  await stack.invoke('scheduler', { mirror: 'main' });
  const uploads = [...good, filtered].map(({ bytes }) => ({ sizeBytes: bytes.length, body: () => bytes }));
  await uploadAll(source.url, uploads, 2);
});

afterAll(() => cleanUp.disposeAsync());

async function run(work: 'copy' | 'verify') {
  const written: string[] = [];
  await runStates(
    shardStates({
      functionArn: 'shards',
      bucketName: 'archive',
      maxConcurrency: 2,
      shardsPerInvocation: perInvocation[work],
    }),
    { mirror: 'main', work },
    {
      invoke: (name, payload) => stack.invoke(name, payload),
      readObject: async (_, key) => {
        const object = await bucket.get(key);
        return Buffer.concat(object === undefined ? [] : await Array.fromAsync(object.body)).toString();
      },
      writeObject: async (_, key, text) => void written.push(key, text),
      wait: async () => undefined,
      execution: `${work}-1`,
    },
  );
  const [key, text = '[]'] = written;
  const counts = z.array(z.record(z.string(), z.number())).parse(JSON.parse(text));
  const sumOf = (name: string) => counts.reduce((sum, one) => sum + (one[name] ?? 0), 0);
  return { key, sumOf };
}

async function idsInTarget(): Promise<string[]> {
  return z.array(z.string()).parse(await (await fetch(new URL('/instances', target.url))).json());
}

test('copies every study, and leaves to the queue what the target refuses, which makes it a dead letter', async () => {
  const { key, sumOf } = await run('copy');
  expect(key).toBe('main/state/shards/copy-1/SUCCEEDED_0.json');
  expect(sumOf('left')).toBeGreaterThanOrEqual(1);
  await vi.waitUntil(() => stack.idle(), { timeout: 90_000, interval: 100 });
  expect((await idsInTarget()).toSorted()).toEqual(good.map(({ id }): string => id).toSorted());
  const archived = await Array.fromAsync(objects.list('instances/'));
  expect(archived).toHaveLength(good.length + 1);
  expect(stack.deadLetters().filter(({ body }) => body.includes(filtered.id))).toMatchObject([
    { attributes: { code: 'filtered-out' } },
  ]);
});

test('reads the whole archive back', async () => {
  const { sumOf } = await run('verify');
  expect([sumOf('sound'), sumOf('damaged'), sumOf('unverified')]).toEqual([good.length + 1, 0, 0]);
});
