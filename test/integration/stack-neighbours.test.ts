/** Two mirrors in one synthesized stack: source and target of one accept every request and answer none. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { S3Objects } from '../../core/stores/archive/s3-objects.ts';
import { generateInstance, generateInstances } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { type LocalStack, startLocalStack } from '../../local/stack/local-stack.ts';
import { uploadAll } from '../../local/upload.ts';
import { type FaultyProxy, startProxy } from './stack-proxy.ts';
import { synthesizeStack } from './stack-synth.ts';

/** Shorter than any function lasts: what would wait for the neighbour to end does not come in time. */
const eventually = { timeout: 90_000, interval: 100 };
const timeoutSeconds = 300;
/** Of one function that works on what arrives: what is new gets as many of those of a transfer. */
const maxConcurrency = 2;
const transferConcurrency = 6;
const batchSize = 10;
/** Of every minute, and each may last four: so many ticks of one mirror are under way at most. */
const scheduler = { timeoutSeconds: 239 };
const ticksAtOnce = 4;

const instances = [...generateInstances('healthy', 12, 4096)];
const arrivals = ['one', 'two', 'three'].map((name) => generateInstance(placeOfNth(`arrival-${name}`, 0), 4096));
const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };

const cleanUp = new AsyncDisposableStack();
let hangs = false;
let source: OrthancServer;
let proxy: FaultyProxy;
let hanging: Hanging;
let hangingTarget: Hanging;
let stack: LocalStack;
let client: S3Client;

/** A server before another one that from some moment on takes requests and answers none. */
interface Hanging {
  readonly url: string;
  readonly server: Server;
  readonly held: Set<ServerResponse>;
}

async function startHanging(before: () => string): Promise<Hanging> {
  const held = new Set<ServerResponse>();
  const server = createServer((incoming, response) => {
    if (hangs) {
      held.add(response);
      return;
    }
    void fetch(new URL(incoming.url ?? '/', before())).then(async (answer) => {
      response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' });
      response.end(Buffer.from(await answer.arrayBuffer()));
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = z.object({ port: z.number() }).parse(server.address());
  return { url: `http://127.0.0.1:${port}`, server, held };
}

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-neighbours-'));
  cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
  source = await startOrthanc();
  cleanUp.defer(() => source.stop());
  const target = await startOrthanc();
  cleanUp.defer(() => target.stop());
  hanging = await startHanging(() => source.url);
  hangingTarget = await startHanging(() => target.url);
  cleanUp.defer(() => {
    for (const { server } of [hanging, hangingTarget]) {
      server.close();
      server.closeAllConnections();
    }
  });
  proxy = await startProxy(source.url, () => undefined);
  cleanUp.defer(() => proxy.stop());
  const templateFolder = await synthesizeStack(
    {
      mirrors: {
        hanging: { source: { url: hanging.url }, targets: { standby: { url: hangingTarget.url } }, archive: {} },
        healthy: { source: { url: proxy.url }, archive: {} },
      },
      cloud: {
        allowPrivateNetworks: true,
        transfer: { timeoutSeconds, maxConcurrency: transferConcurrency, batchSize },
        inbox: { timeoutSeconds, maxConcurrency },
        scheduler,
      },
    },
    folder,
  );
  stack = await startLocalStack({ templateFolder, stateFolder: join(folder, 'state'), scheduleMinuteMs: 'off' });
  cleanUp.defer(() => stack.stop());
  client = new S3Client({ endpoint: stack.s3Endpoint, forcePathStyle: true, region: 'us-east-1', credentials });
  cleanUp.defer(() => client.destroy());
  for (const mirror of ['hanging', 'healthy']) await stack.invoke('scheduler', { mirror });
  await vi.waitUntil(() => stack.idle(), eventually);
  hangs = true;
});

afterAll(() => cleanUp.disposeAsync());

/** What the function says of the messages of a mirror, in lines that begin with `what`. */
function linesOf(what: string, mirror: string): string[] {
  return stack.logs.flatMap(({ text }) =>
    text.includes(`"${what}`) && text.includes(`"mirror":"${mirror}"`) ? [text] : [],
  );
}

async function archived(mirror: string): Promise<number> {
  const bucket = stack.bucketNames.find((name) => name.startsWith('archive')) ?? '';
  const objects = new S3Objects({ endpoint: stack.s3Endpoint, bucket, prefix: `${mirror}/`, credentials });
  try {
    return (await Array.fromAsync(objects.list('instances/'))).length;
  } finally {
    await objects.close();
  }
}

async function putIntoInbox(mirror: string, name: string, body: Uint8Array): Promise<void> {
  const bucket = stack.bucketNames.find((one) => one.startsWith('inbox')) ?? '';
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: `new/${mirror}/${name}`, Body: body }));
}

test('ticks of the one that hangs leave room for those of the other', async () => {
  for (let tick = 0; tick < ticksAtOnce; tick += 1) {
    // They end with the stack.
    stack.invoke('scheduler', { mirror: 'hanging' }).catch(() => undefined);
  }
  await vi.waitUntil(() => hanging.held.size >= ticksAtOnce, eventually);
  expect(await stack.invoke('scheduler', { mirror: 'healthy' })).toMatchObject({ followed: true });
});

test('messages of the one that hangs use up its own invocations and tries, and nobody else waits for them', async () => {
  const before = hanging.held.size;
  for (const { id } of generateInstances('lost', 4 * maxConcurrency * batchSize, 2048)) {
    stack.sendTo('transfer', JSON.stringify({ v: 1, mirror: 'hanging', kind: 'instance', id }), 'hanging');
  }
  await vi.waitUntil(() => hanging.held.size > before + maxConcurrency, eventually);
  const uploads = instances.map(({ bytes, sizeBytes }) => ({ sizeBytes, body: () => bytes }));
  await uploadAll(source.url, uploads, 4, (answer) => expect(answer.kind).not.toBe('refused'));
  await stack.invoke('scheduler', { mirror: 'healthy' });
  await vi.waitFor(async () => expect(await archived('healthy')).toBe(instances.length), eventually);
  await vi.waitUntil(() => linesOf('message done', 'healthy').length >= instances.length, eventually);
  // None of the neighbour's came back yet: nothing waited for it.
  expect(linesOf('message ', 'hanging')).toEqual([]);
  expect(linesOf('message done', 'healthy').filter((text) => !text.includes('"receiveCount":1}'))).toEqual([]);
});

test('objects in the inbox of the one that hangs keep nobody else from being taken in', async () => {
  const before = hangingTarget.held.size;
  for (const [index, { bytes }] of arrivals.entries()) await putIntoInbox('hanging', `${index}.dcm`, bytes);
  await vi.waitUntil(() => hangingTarget.held.size >= before + maxConcurrency, eventually);
  const [first = instances[0]] = arrivals;
  await putIntoInbox('healthy', 'one.dcm', first?.bytes ?? new Uint8Array());
  await vi.waitUntil(() => linesOf('object handled', 'healthy').length === 1, eventually);
  expect(linesOf('object handled', 'hanging')).toEqual([]);
});
