/** The synthesized stack with one source and two real targets, of which one goes away for a while. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { S3Objects } from '../../core/stores/archive/s3-objects.ts';
import { generateInstances } from '../../local/dicom/generate.ts';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { type LocalStack, startLocalStack } from '../../local/stack/local-stack.ts';
import { uploadAll } from '../../local/upload.ts';
import { synthesizeStack } from './stack-synth.ts';

const eventually = { timeout: 240_000, interval: 250 };
const instances = [...generateInstances('outage', 60, 4096)];

const cleanUp = new AsyncDisposableStack();
let source: OrthancServer;
let standby: OrthancServer;
let research: OrthancServer;
let stack: LocalStack;

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-outage-'));
  cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
  [source, standby, research] = await Promise.all([startOrthanc(), startOrthanc(), startOrthanc()]);
  for (const server of [source, standby, research]) cleanUp.defer(() => server.stop());
  const targets = { standby: { url: standby.url }, research: { url: research.url } };
  const templateFolder = await synthesizeStack(
    {
      mirrors: { main: { source: { url: source.url }, targets, archive: {} } },
      cloud: {
        allowPrivateNetworks: true,
        transfer: {
          timeoutSeconds: 60,
          maxReceiveCount: 2,
          firstRetrySeconds: 1,
          lastRetrySeconds: 1,
          pauseSeconds: 2,
        },
      },
    },
    folder,
  );
  stack = await startLocalStack({ templateFolder, stateFolder: join(folder, 'state'), scheduleMinuteMs: 1000 });
  cleanUp.defer(() => stack.stop());
});

afterAll(() => cleanUp.disposeAsync());

async function countIn(server: OrthancServer): Promise<number> {
  const answer = await fetch(new URL('/statistics', server.url));
  return z.object({ CountInstances: z.number() }).parse(await answer.json()).CountInstances;
}

async function countInArchive(): Promise<number> {
  const [bucket = ''] = stack.bucketNames;
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  await using objects = new AsyncDisposableStack();
  const storage = new S3Objects({ endpoint: stack.s3Endpoint, bucket, prefix: 'main/', credentials });
  objects.defer(() => storage.close());
  return (await Array.fromAsync(storage.list('instances/'))).length;
}

test('with one of two targets down the other and the archive get 60 instances at once', async () => {
  await vi.waitUntil(() => stack.logs.some(({ text }) => text.includes('source followed')), eventually);
  await standby.kill();
  const uploads = instances.map(({ bytes, sizeBytes }) => ({ sizeBytes, body: () => bytes }));
  await uploadAll(source.url, uploads, 4, (answer) => expect(answer.kind).not.toBe('refused'));
  await vi.waitFor(async () => expect([await countIn(research), await countInArchive()]).toEqual([60, 60]), eventually);
});

test('while it is away its messages come back more often than an instance is tried, and none becomes a dead letter', async () => {
  await vi.waitUntil(() => stack.logs.filter(({ text }) => text.includes('"verdict":"renew"')).length > 60, eventually);
  expect(stack.deadLetters()).toEqual([]);
});

test('when it returns it catches up with no manual step', async () => {
  await standby.restart();
  await vi.waitFor(async () => expect(await countIn(standby)).toBe(60), eventually);
  await vi.waitUntil(() => stack.idle(), eventually);
  expect(stack.deadLetters()).toEqual([]);
});
