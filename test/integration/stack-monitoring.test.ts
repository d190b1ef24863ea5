/** The verifier and the status function of the synthesized stack, between two real servers. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { newRotation, slotCount } from '../../core/archive-life/verify/rotation.ts';
import { positionOf } from '../../core/archive-life/verify/subset.ts';
import { rotationDocument } from '../../core/archive-life/verify/verify-share.ts';
import { metricDefinitions } from '../../core/cloud/metrics/metrics.ts';
import { statusSchema } from '../../core/cloud/status/status-document.ts';
import { destinationNames } from '../../core/config/destination-names.ts';
import { validateConfiguration } from '../../core/config/load.ts';
import { S3Objects } from '../../core/stores/archive/s3-objects.ts';
import { generateInstance, generateInstances } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { type LocalStack, startLocalStack } from '../../local/stack/local-stack.ts';
import { post } from '../../local/upload.ts';
import { remove } from '../support/orthanc/rest.ts';
import { retentionsIn } from '../support/retentions.ts';
import { synthesizeStack } from './stack-synth.ts';

const eventually = { timeout: 60_000, interval: 100 };
const instances = [...generateInstances('monitored', 10, 4096)];
/** Every version of every object is locked so long, but for documents that are replaced. */
const termDays = 30;
const pending = generateInstance(placeOfNth('pending', 0), 4096);

const cleanUp = new AsyncDisposableStack();
let folder: string;
let source: OrthancServer;
let target: OrthancServer;
let stack: LocalStack;
let archive: S3Objects;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-monitoring-'));
  cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
  [source, target] = await Promise.all([startOrthanc(), startOrthanc()]);
  cleanUp.defer(() => source.stop());
  cleanUp.defer(() => target.stop());
  stack = await startLocalStack({
    templateFolder: await synthesizeStack(configuration(), folder),
    stateFolder: join(folder, 'state'),
    scheduleMinuteMs: 'off',
  });
  cleanUp.defer(() => stack.stop());
  const [bucket = ''] = stack.bucketNames;
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  archive = new S3Objects({
    endpoint: stack.s3Endpoint,
    bucket,
    prefix: 'main/',
    credentials,
    objectLock: 'governance',
  });
  cleanUp.defer(() => archive.close());
  for (const instance of instances) await toSource(instance);
  await stack.invoke('scheduler', { mirror: 'main' });
  await vi.waitUntil(() => stack.idle(), eventually);
});

afterAll(() => cleanUp.disposeAsync());

function configuration() {
  return {
    mirrors: { main: { source: { url: source.url }, targets: { standby: { url: target.url } }, archive: {} } },
    cloud: { allowPrivateNetworks: true, objectLock: { mode: 'governance', days: termDays } },
  };
}

async function toSource({ sizeBytes, bytes }: { sizeBytes: number; bytes: Uint8Array<ArrayBuffer> }): Promise<void> {
  expect((await post(source.url, { sizeBytes, body: () => bytes })).kind).toBe('stored');
}

async function measure() {
  return statusSchema.parse(await stack.invoke('status', { mirror: 'main' }));
}

async function reportText(name: string): Promise<string> {
  const object = await archive.get(`reports/${name}`);
  return object === undefined ? '' : Buffer.concat(await Array.fromAsync(object.body)).toString('utf8');
}

/** Every metric that was emitted so far with its dimensions and values, oldest first. */
function metrics(): { dimensions: string; values: Record<string, number> }[] {
  const emfSchema = z.looseObject({
    _aws: z.object({ CloudWatchMetrics: z.array(z.object({ Metrics: z.array(z.object({ Name: z.string() })) })) }),
  });
  return stack.logs.flatMap(({ text }) => {
    const parsed = text.includes('"_aws"') ? emfSchema.safeParse(JSON.parse(text)) : undefined;
    if (parsed?.success !== true) return [];
    const { _aws, service, mirror, destination, ...values } = parsed.data;
    const names = _aws.CloudWatchMetrics.flatMap(({ Metrics }) => Metrics.map(({ Name }) => Name));
    const numbers = names.map((name): [string, number] => [name, Number([values[name]].flat()[0])]);
    return [{ dimensions: [service, mirror, destination].join('/'), values: Object.fromEntries(numbers) }];
  });
}

const lastOf = (dimensions: string) => metrics().findLast((line) => line.dimensions === dimensions)?.values ?? {};

test('the status tells what the source and the destinations hold, and that nothing is behind', async () => {
  const status = await measure();
  const even = { instances: 10, newestPendingSeconds: 0, oldestPendingSeconds: 0, missing: 0, error: null };
  expect(status).toMatchObject({
    mirror: 'main',
    source: { instances: 10, error: null },
    destinations: [
      { name: 'standby', ...even },
      { name: 'archive', ...even },
    ],
    comparing: false,
    paused: null,
    queue: { waiting: 0, inFlight: 0, deadLetters: 0 },
  });
  expect(status.comparedAt).not.toBeNull();
});

test('the status is written for programs and for people', async () => {
  expect(statusSchema.parse(JSON.parse(await reportText('status.json')))).toMatchObject({ mirror: 'main' });
  const page = await reportText('status.html');
  expect(page).toContain('<h1>main</h1>');
  expect(page).toContain('standby');
  expect(page).not.toMatch(/<script|src=|href=/);
});

test('an instance that no queue tells of is seen to be missing at the destinations, and for how long', async () => {
  await toSource(pending);
  await vi.waitFor(async () => {
    for (const { missing, newestPendingSeconds, oldestPendingSeconds } of (await measure()).destinations) {
      expect(missing).toBe(1);
      expect(newestPendingSeconds).toBeGreaterThanOrEqual(2);
      expect(oldestPendingSeconds).toBe(newestPendingSeconds);
    }
  }, eventually);
  expect(lastOf('status/main/standby')).toMatchObject({ DestinationInstances: 10 });
  expect(lastOf('status/main/standby').OldestPendingSeconds).toBeGreaterThanOrEqual(2);
});

test('when it arrives, nothing is behind any more', async () => {
  await stack.invoke('scheduler', { mirror: 'main' });
  await vi.waitUntil(() => stack.idle(), eventually);
  const { destinations } = await measure();
  expect(destinations.map(({ missing, oldestPendingSeconds }) => [missing, oldestPendingSeconds])).toEqual([
    [0, 0],
    [0, 0],
  ]);
});

test('what was deleted at the source is not missing anywhere', async () => {
  const gone = generateInstance(placeOfNth('gone', 0), 4096);
  await toSource(gone);
  expect((await measure()).destinations.map(({ missing }) => missing)).toEqual([1, 1]);
  await remove(source.url, `/instances/${gone.id}`);
  expect((await measure()).destinations.map(({ missing }) => missing)).toEqual([0, 0]);
});

test('a target that is down is told as such, and the others are measured all the same', async () => {
  await target.kill();
  const { destinations } = await measure();
  await target.restart();
  expect(destinations).toMatchObject([
    { name: 'standby', instances: null, error: 'unreachable' },
    { name: 'archive', error: null },
  ]);
});

/** Makes the slot of an instance the one that waits longest at a destination. */
async function makeNext(name: string, id: (typeof instances)[number]['id']): Promise<void> {
  const document = rotationDocument(archive, name);
  const slot = Math.floor(positionOf(id) * slotCount);
  const seconds = Math.floor(Date.now() / 1000);
  const rotation = { ...newRotation(new Date()), slots: Array<number>(slotCount).fill(seconds).with(slot, 0) };
  await document.write(rotation, (await document.read())?.version ?? null);
}

/** Flips a bit in the file that holds these bytes below a folder. */
async function damage(root: string, bytes: Uint8Array): Promise<void> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  for (const entry of entries.filter((candidate) => candidate.isFile())) {
    const path = join(entry.parentPath, entry.name);
    const held = await readFile(path);
    if (!held.equals(bytes)) continue;
    held[held.length - 1] = (held.at(-1) ?? 0) ^ 1;
    await writeFile(path, held);
    return;
  }
  throw new Error('no file holds these bytes');
}

test('a sound share is read back, of every destination', async () => {
  const [instance] = instances;
  if (instance === undefined) throw new Error('there are no instances');
  await makeNext('standby', instance.id);
  await makeNext('archive', instance.id);
  const report = z
    .object({ sound: z.number(), damaged: z.number() })
    .parse(await stack.invoke('verifier', { mirror: 'main' }));
  expect(report.sound).toBeGreaterThanOrEqual(2);
  expect(report.damaged).toBe(0);
  expect(lastOf('verifier/main/')).toMatchObject({ Damaged: 0, Unverified: 0 });
});

test('bytes that were changed in the archive or on the disk of a target are found, told and reported by id', async () => {
  const [, inTarget, inArchive] = instances;
  if (inTarget === undefined || inArchive === undefined) throw new Error('there are not enough instances');
  await damage(target.storageFolder, inTarget.bytes);
  await damage(join(folder, 'state', 's3'), inArchive.bytes);
  await makeNext('standby', inTarget.id);
  await makeNext('archive', inArchive.id);
  expect(await stack.invoke('verifier', { mirror: 'main' })).toMatchObject({ damaged: 2, failed: [] });
  expect(lastOf('verifier/main/')).toMatchObject({ Damaged: 2 });
  const [report] = await Array.fromAsync(archive.list('reports/verify/'));
  expect(report?.key).toMatch(/^reports\/verify\/\d{8}T\d{6}\.\d{3}Z\.json$/);
  const problems = JSON.parse(await reportText(report?.key.replace('reports/', '') ?? '')).problems;
  expect(problems).toMatchObject([
    { destination: 'standby', id: inTarget.id, kind: 'damaged' },
    { destination: 'archive', id: inArchive.id, kind: 'damaged' },
  ]);
});

test('every metric that is emitted is one of those that alarms and dashboard know, with the dimensions they expect', () => {
  const { mirrors } = validateConfiguration(configuration(), 'the test');
  const names = mirrors.main === undefined ? [] : destinationNames(mirrors.main);
  const expected = ['scheduler/main/', 'transfer/main/', 'verifier/main/', 'status/main/'];
  const seen = new Set(metrics().map(({ dimensions }) => dimensions));
  expect([...seen].toSorted()).toEqual([...expected, ...names.map((name) => `status/main/${name}`)].toSorted());
  const known = new Set<string>(Object.keys(metricDefinitions));
  expect(
    metrics()
      .flatMap(({ values }) => Object.keys(values))
      .filter((name) => !known.has(name)),
  ).toEqual([]);
  expect(lastOf('transfer/main/')).toMatchObject({ Conflicts: 0, Rejected: 0, Retried: 0, DeadLettered: 0 });
});

test('what is replaced every few minutes is locked for a day, and everything else for the whole term', async () => {
  const [bucket = ''] = stack.bucketNames;
  const hours = [...(await retentionsIn(stack.s3Endpoint, bucket))];
  const replaced = hours.filter(([key]) => /^main\/(?:state\/|reports\/status)/.test(key));
  expect(replaced.map(([key]) => key)).toEqual(
    expect.arrayContaining([
      'main/reports/status.json',
      'main/state/lease.json',
      'main/state/progress.json',
      'main/state/source.json',
      'main/state/status.json',
      'main/state/verify-archive.json',
    ]),
  );
  for (const [, kept] of replaced) for (const one of kept) expect(one).toBeLessThanOrEqual(24);
  const lasting = hours.filter((entry) => !replaced.includes(entry));
  expect(lasting.map(([key]) => key.split('/')[1])).toEqual(expect.arrayContaining(['archive.json', 'instances']));
  for (const [, kept] of lasting) for (const one of kept) expect(one).toBeGreaterThan((termDays - 1) * 24);
});
