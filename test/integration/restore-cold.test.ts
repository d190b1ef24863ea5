/** An archive whose instances S3 moved to Deep Archive: what a restore says, and how they come back. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { md5Of } from '../../core/identifiers.ts';
import { openArchive } from '../../core/stores/archive/archive.ts';
import { instanceKey } from '../../core/stores/archive/keys.ts';
import { S3Objects } from '../../core/stores/archive/s3-objects.ts';
import { inParallel } from '../../core/streams/in-parallel.ts';
import { generateInstances } from '../../local/dicom/generate.ts';
import { type S3Server, startS3 } from '../../local/s3/start-s3.ts';
import { folderForTest, parseJsonLines } from '../e2e/support/scene.ts';
import { runCommand, startCommand } from '../support/command.ts';

const Bucket = 'bucket';
const count = 1000;
const hourMs = 3_600_000;
const thawSummary = z.object({ thaw: z.object({ asked: z.int(), underWay: z.int() }) });
const environment = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_REGION: 'us-east-1' };
const cleanUp = new AsyncDisposableStack();
let server: S3Server;
let archive: readonly string[];
let nowMs = Date.parse('2026-11-21T00:00:00Z');
/** Told of each request for a copy of what is cold, or to read it. @returns whether it is allowed */
let onRequest: (action: string) => boolean = () => true;

beforeAll(async () => {
  const folder = await folderOf();
  server = await startS3({
    folder: join(folder, 's3'),
    now: () => new Date(nowMs),
    isAllowed: ({ action }) => onRequest(action),
  });
  cleanUp.defer(() => server.close());
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const client = new S3Client({ endpoint: server.endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
  cleanUp.defer(() => client.destroy());
  await client.send(new CreateBucketCommand({ Bucket }));
  archive = ['--archive', `s3://${Bucket}/main`, '--endpoint', server.endpoint];
  await fillWithCold(client, credentials);
});

afterAll(() => cleanUp.disposeAsync());

async function folderOf(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-cold-'));
  cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** An archive as it is when a lifecycle rule has moved all its instances. */
async function fillWithCold(client: S3Client, credentials: { accessKeyId: string; secretAccessKey: string }) {
  const connection = { endpoint: server.endpoint, region: 'us-east-1', credentials };
  const empty = await openArchive(new S3Objects({ bucket: Bucket, prefix: 'main/', ...connection }), {
    createFor: { name: 'source' },
  });
  await empty.close();
  await inParallel([...generateInstances('cold', count, 2048)], 16, async ({ id, bytes }) => {
    const Key = `main/${instanceKey(id, md5Of(bytes))}`;
    await client.send(new PutObjectCommand({ Bucket, Key, Body: bytes, StorageClass: 'DEEP_ARCHIVE' }));
  });
}

/** Counts from now on the requests for copies. @returns how many there were */
function countThaws(isAllowed: (thaws: number) => boolean = () => true): () => number {
  let thaws = 0;
  onRequest = (action) => {
    if (action !== 's3:RestoreObject') return true;
    thaws += 1;
    return isAllowed(thaws);
  };
  return () => thaws;
}

async function restore(to: string, ...more: readonly string[]) {
  const { exitCode, stdout, stderr } = await runCommand(['restore', ...archive, '--to', to, ...more], environment);
  return { exitCode, stdout, stderr };
}

async function restoreJson(to: string, ...more: readonly string[]) {
  const { exitCode, stdout } = await restore(to, '--json', ...more);
  return { exitCode, ...parseJsonLines(stdout) };
}

test('without --thaw it names each instance that is cold, tells what copies cost and how long they take, and asks for none', async () => {
  const asked = countThaws();
  const to = join(await folderForTest(), 'restored');
  const [{ exitCode, problems, summary }, text] = await Promise.all([restoreJson(to), restore(`${to}-too`)]);
  expect(exitCode).toBe(8);
  expect(summary).toMatchObject({ copied: 0, rejected: 0, failed: count, cold: count, thaw: null });
  expect(problems.filter((problem) => Object(problem).code === 'cold')).toHaveLength(count);
  expect(text.stdout).toMatch(
    /1,000 .* lie in a cold storage class; --thaw asks S3 for copies .*\d\.\d\d US dollars.*48 hours/,
  );
  expect(asked()).toBe(0);
});

test('without the right to ask for copies it asks no further, says which right that is, and ends as refused', async () => {
  const asked = countThaws(() => false);
  const { exitCode, stdout, stderr } = await restore(join(await folderForTest(), 'restored'), '--thaw');
  expect(exitCode).toBe(7);
  expect(asked()).toBeLessThan(100);
  expect(stderr.match(/do not permit/g)).toHaveLength(1);
  expect(stdout).toContain('could not be asked for those of 1,000');
});

test('with --thaw everything comes back, whoever is stopped, whoever else restores, and if copies went away before they were read', async () => {
  const first = join(await folderForTest(), 'first');
  const killed = startCommand(['restore', ...archive, '--to', first, '--thaw'], environment);
  const before = countThaws((thaws) => {
    if (thaws === 250) killed.process.kill('SIGKILL');
    return true;
  });
  expect((await killed.result).signal).toBe('SIGKILL');

  // Copies of some are being made already; another restore asks meanwhile.
  const second = join(await folderForTest(), 'second');
  const both = await Promise.all([restoreJson(first, '--thaw'), restoreJson(second, '--thaw')]);
  let asked = 0;
  for (const { exitCode, summary } of both) {
    expect(exitCode).toBe(8);
    expect(summary).toMatchObject({ copied: 0, failed: count, cold: count, thaw: { failed: 0 } });
    const { thaw } = thawSummary.parse(summary);
    expect(thaw.asked + thaw.underWay).toBe(count);
    asked += thaw.asked;
  }
  // Each copy was begun once: by the one that was killed, or by one of the two.
  expect(asked).toBeLessThanOrEqual(count - 249);
  expect(asked).toBeGreaterThanOrEqual(count - before());
  nowMs += 24 * hourMs;
  const later = countThaws();
  const onTheWay = { cold: count, thaw: { asked: 0, underWay: count } };
  expect(await restoreJson(first, '--thaw')).toMatchObject({ exitCode: 8, summary: onTheWay });
  expect(later()).toBe(0);

  // Nobody came for them within a week.
  nowMs += 14 * 24 * hourMs;
  const again = { cold: count, thaw: { asked: count, underWay: 0 } };
  expect(await restoreJson(first, '--thaw')).toMatchObject({ exitCode: 8, summary: again });

  nowMs += 49 * hourMs;
  const amid = startCommand(['restore', ...archive, '--to', first], environment);
  let reads = 0;
  onRequest = (action) => {
    if (action === 's3:GetObject') reads += 1;
    if (reads === 400) amid.process.kill('SIGKILL');
    return true;
  };
  expect((await amid.result).signal).toBe('SIGKILL');
  const end = await restoreJson(first, '--verify');
  expect(end).toMatchObject({ exitCode: 0, problems: [], summary: { failed: 0, cold: 0, verified: { sound: count } } });
});
