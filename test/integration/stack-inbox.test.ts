/** Files that arrive in the inbox bucket of the synthesized stack, between real servers: what becomes of each. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { S3Objects } from '../../core/stores/archive/s3-objects.ts';
import { type GeneratedInstance, generateInstance } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { LocalBuckets } from '../../local/stack/local-buckets.ts';
import { type LocalStack, startLocalStack } from '../../local/stack/local-stack.ts';
import { readStackTemplate } from '../../local/stack/template.ts';
import { zip } from '../support/import/archives.ts';
import { type FaultyProxy, startProxy } from './stack-proxy.ts';
import { synthesizeStack } from './stack-synth.ts';

const eventually = { timeout: 90_000, interval: 100 };
const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
const maxReceiveCount = 3;

const instance = (name: string, sizeBytes = 4096): GeneratedInstance =>
  generateInstance(placeOfNth(name, 0), sizeBytes);
const plain = instance('plain');
const nameless = instance('nameless');
const zipped = [instance('zip-one'), instance('zip-two')];
/** Larger than what is sent in one request, or kept in memory. */
const large = instance('large', 24 * 1024 * 1024);
const known = instance('known');
const late = instance('late');
/** Lies in new/ before anybody is told of what arrives there. */
const lost = instance('lost');
/** The proxy before the target drops the connection whenever this one is sent. */
const deadly = instance('deadly', 8000);

const cleanUp = new AsyncDisposableStack();
let source: OrthancServer;
let target: OrthancServer;
let proxy: FaultyProxy;
let stack: LocalStack;
let client: S3Client;
let bucket: string;
let refusing = false;

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-inbox-'));
  cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
  [source, target] = await Promise.all([startOrthanc(), startOrthanc()]);
  cleanUp.defer(() => source.stop());
  cleanUp.defer(() => target.stop());
  proxy = await startProxy(target.url, (request) => {
    if (refusing) return 401;
    return request.headers['content-length'] === String(deadly.sizeBytes) ? 'drop' : undefined;
  });
  cleanUp.defer(() => proxy.stop());
  const templateFolder = await synthesizeStack(configuration(), folder);
  const stateFolder = join(folder, 'state');
  await putUntold(templateFolder, stateFolder);
  stack = await startLocalStack({ templateFolder, stateFolder, scheduleMinuteMs: 'off' });
  cleanUp.defer(() => stack.stop());
  bucket = stack.bucketNames.find((name) => name.startsWith('inbox')) ?? '';
  client = new S3Client({ endpoint: stack.s3Endpoint, forcePathStyle: true, region: 'us-east-1', credentials });
  cleanUp.defer(() => client.destroy());
});

afterAll(() => cleanUp.disposeAsync());

function configuration(): unknown {
  return {
    mirrors: {
      main: {
        source: { url: source.url },
        targets: { standby: { url: proxy.url } },
        archive: {},
      },
    },
    cloud: {
      allowPrivateNetworks: true,
      inbox: { timeoutSeconds: 60 },
      transfer: { timeoutSeconds: 60, maxReceiveCount, firstRetrySeconds: 1, lastRetrySeconds: 1, pauseSeconds: 1 },
    },
  };
}

/** Puts an object into the bucket while nobody listens, as if S3 had lost its notification. */
async function putUntold(templateFolder: string, stateFolder: string): Promise<void> {
  const { buckets } = await readStackTemplate(templateFolder);
  const alone = await LocalBuckets.start(buckets, join(stateFolder, 's3'));
  const name = buckets.map(({ logicalId }) => LocalBuckets.nameOf(logicalId)).find((one) => one.startsWith('inbox'));
  const answer = await fetch(`${alone.endpoint}/${name}/new/main/CANARY%20lost%2B1.dcm`, {
    method: 'PUT',
    body: lost.bytes,
  });
  await alone.stop();
  expect(answer.status).toBe(200);
}

async function put(name: string, body: Uint8Array): Promise<void> {
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: `new/${name}`, Body: body }));
}

async function keys(): Promise<string[]> {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }));
  return Contents.map(({ Key }) => Key ?? '').toSorted();
}

async function read(key: string): Promise<Buffer> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
}

async function reasonOf(name: string): Promise<unknown> {
  return JSON.parse((await read(`refused/${name}.reason.json`)).toString());
}

async function takenIn(): Promise<void> {
  await vi.waitUntil(async () => stack.idle() && !(await keys()).some((key) => key.startsWith('new/')), eventually);
}

async function idsIn(server: OrthancServer): Promise<string[]> {
  const answer = await fetch(new URL('/instances', server.url));
  return z.array(z.string()).parse(await answer.json());
}

async function archivedUnder(folder: string): Promise<string[]> {
  const archive = stack.bucketNames.find((name) => name !== bucket) ?? '';
  const objects = new S3Objects({ endpoint: stack.s3Endpoint, bucket: archive, prefix: 'main/', credentials });
  try {
    const entries = await Array.fromAsync(objects.list(folder));
    return entries.map(({ key }) => key.slice(folder.length).split(/[/.]/)[0] ?? '');
  } finally {
    await objects.close();
  }
}

const arrived = [lost, plain, nameless, ...zipped, large, known];

test('what S3 did not tell of is found when it has lain there for long, and no message waits', async () => {
  const look = (olderThanMinutes: number) => stack.invoke('inbox', { relist: { olderThanMinutes } });
  const looks = () => stack.logs.filter(({ text }) => text.includes('"inbox looked through"')).map(({ text }) => text);
  await look(15);
  expect(await keys()).toEqual(['new/main/CANARY lost+1.dcm']);
  await look(0);
  await takenIn();
  expect(await keys()).toEqual(['done/main/CANARY lost+1.dcm']);
  await look(0);
  expect(looks().map((text) => /"announced":(\d+)/.exec(text)?.[1])).toEqual(['0', '1', '0']);
});

test('what is DICOM goes to target and archive, and every object is moved where it belongs', async () => {
  await fetch(new URL('/instances', source.url), { method: 'POST', body: known.bytes });
  await put('main/CANARY^PATIENT/study 1+2/plain.dcm', plain.bytes);
  await put('main/CANARY^PATIENT/plain again.dcm', plain.bytes);
  await put('main/no extension', nameless.bytes);
  await put('main/two.zip', zip(zipped.map(({ bytes }, index) => ({ name: `${index}.dcm`, bytes }))));
  await put('main/large.dcm', large.bytes);
  await put('main/known.dcm', known.bytes);
  await put('main/empty.dcm', new Uint8Array());
  await put('main/letter.txt', Buffer.from('Dear CANARY'));
  await put('main/cut.dcm', plain.bytes.subarray(0, plain.bytes.length - 700));
  await takenIn();
  expect(await keys()).toEqual([
    'done/main/CANARY lost+1.dcm',
    'done/main/CANARY^PATIENT/plain again.dcm',
    'done/main/CANARY^PATIENT/study 1+2/plain.dcm',
    'done/main/known.dcm',
    'done/main/large.dcm',
    'done/main/no extension',
    'done/main/two.zip',
    'refused/main/cut.dcm',
    'refused/main/cut.dcm.reason.json',
    'refused/main/empty.dcm',
    'refused/main/empty.dcm.reason.json',
    'refused/main/letter.txt',
    'refused/main/letter.txt.reason.json',
  ]);
  const ids = arrived.map(({ id }): string => id).toSorted();
  expect((await idsIn(target)).toSorted()).toEqual(ids);
  expect(await archivedUnder('instances/')).toEqual(ids);
});

test('the bytes that were moved are those that arrived', async () => {
  expect((await read('done/main/large.dcm')).equals(large.bytes)).toBe(true);
  expect((await read('refused/main/letter.txt')).toString()).toBe('Dear CANARY');
});

test('beside what was refused lies the reason', async () => {
  expect(await reasonOf('main/cut.dcm')).toMatchObject({ files: [{ outcome: 'refused', code: 'source-corrupt' }] });
  expect(await reasonOf('main/empty.dcm')).toMatchObject({ files: [{ path: 'empty.dcm' }] });
  expect(await reasonOf('main/letter.txt')).toMatchObject({ files: [{ outcome: 'not-dicom', what: 'text' }] });
});

test.each(['stranger', 'constructor'])(
  'what lies below the name of no mirror, such as %s, is refused by the hourly look',
  async (name) => {
    await put(`${name}/plain.dcm`, plain.bytes);
    await stack.invoke('inbox', { relist: { olderThanMinutes: 0 } });
    await takenIn();
    expect(await reasonOf(`${name}/plain.dcm`)).toMatchObject({ reason: expect.stringContaining('no mirror') });
  },
);

test('a message that tells of an object of another mirror becomes a dead letter, and the object stays', async () => {
  await put('stranger/later.dcm', plain.bytes);
  const { VersionId } = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: 'new/stranger/later.dcm' }));
  const object = { key: 'new/stranger/later.dcm', versionId: VersionId };
  const record = { eventName: 'ObjectCreated:Put', s3: { bucket: { name: bucket }, object } };
  const body = JSON.stringify({ Records: [record] });
  stack.sendTo('inbox', body);
  await vi.waitUntil(() => stack.idle(), eventually);
  expect(stack.deadLetters().filter((letter) => letter.body === body)).toMatchObject([
    { attributes: { code: 'malformed-message' } },
  ]);
  expect(await keys()).toContain('new/stranger/later.dcm');
  await stack.invoke('inbox', { relist: { olderThanMinutes: 0 } });
});

test('a notification that is delivered again, or tells of another bucket, changes nothing', async () => {
  const before = await keys();
  const record = (name: string) => ({
    eventName: 'ObjectCreated:Put',
    s3: { bucket: { name }, object: { key: 'new/main/large.dcm', versionId: 'gone' } },
  });
  stack.sendTo('inbox', JSON.stringify({ Records: [record(bucket)] }));
  stack.sendTo('inbox', JSON.stringify({ Records: [record('another')] }));
  await takenIn();
  expect(await keys()).toEqual(before);
  expect(stack.deadLetters().map(({ attributes }) => attributes.code)).toEqual([
    'malformed-message',
    'malformed-message',
  ]);
});

test('an instance that takes the target down is given up after its tries, with the reason', async () => {
  await put('main/deadly.dcm', deadly.bytes);
  await takenIn();
  const reason = { code: 'unreachable', reason: expect.stringContaining(`Given up after ${maxReceiveCount} tries`) };
  expect(await reasonOf('main/deadly.dcm')).toMatchObject(reason);
});

test('an object waits, however long, while the target refuses everybody', async () => {
  refusing = true;
  await put('main/late.dcm', late.bytes);
  const waits = () => stack.logs.filter(({ text }) => text.includes('"verdict":"renew"')).length > 0;
  await vi.waitUntil(waits, eventually);
  expect(await keys()).toContain('new/main/late.dcm');
  refusing = false;
  await takenIn();
  expect(await keys()).toContain('done/main/late.dcm');
  expect(await idsIn(target)).toContain(late.id);
});

test('the archive records of all that came by the inbox that its source did not supply it', async () => {
  // The archive has the one that the target could not take.
  const others = [...arrived, late, deadly];
  // A function that ended between the record and the object left one record more.
  const recorded = new Set(await archivedUnder('history/'));
  expect([...recorded]).toEqual(others.map(({ id }): string => id).toSorted());
});

test('no log line holds the key of an object, a patient or a word of a file', () => {
  const log = stack.logs.map(({ text }) => text).join('\n');
  expect(log).toContain('object handled');
  expect(log).not.toMatch(/CANARY|GENERATED|lost\+1|plain|letter\.txt|two\.zip/);
});
