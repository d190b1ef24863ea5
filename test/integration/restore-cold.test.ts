/** An archive whose instances S3 moved to Deep Archive: what a restore says, and how they come back. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CopyObjectCommand, CreateBucketCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { generateInstances, writeFolder } from '../../local/dicom/generate.ts';
import { type S3Server, startS3 } from '../../local/s3/start-s3.ts';
import { folderForTest, parseJsonLines } from '../e2e/support/scene.ts';
import { runCommand, startCommand } from '../support/command.ts';

const Bucket = 'bucket';
const count = 200;
const hourMs = 3_600_000;
const environment = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_REGION: 'us-east-1' };
const cleanUp = new AsyncDisposableStack();
let server: S3Server;
let archive: readonly string[];
let nowMs = Date.parse('2026-11-21T00:00:00Z');
/** Told of each request for a copy of what is cold. */
let onThaw: () => void = () => undefined;

beforeAll(async () => {
  const folder = await folderOf();
  server = await startS3({
    folder: join(folder, 's3'),
    now: () => new Date(nowMs),
    isAllowed: ({ action }) => {
      if (action === 's3:RestoreObject') onThaw();
      return true;
    },
  });
  cleanUp.defer(() => server.close());
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const client = new S3Client({ endpoint: server.endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
  cleanUp.defer(() => client.destroy());
  await client.send(new CreateBucketCommand({ Bucket }));
  archive = ['--archive', `s3://${Bucket}/main`, '--endpoint', server.endpoint];
  await writeFolder(join(folder, 'files'), generateInstances('cold', count, 2048));
  expect((await runCommand(['import', join(folder, 'files'), ...archive], environment)).exitCode).toBe(0);
  await moveToDeepArchive(client);
});

afterAll(() => cleanUp.disposeAsync());

async function folderOf(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-cold-'));
  cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** What a lifecycle rule does. */
async function moveToDeepArchive(client: S3Client): Promise<void> {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'main/instances/' }));
  expect(Contents).toHaveLength(count);
  for (const { Key } of Contents) {
    const CopySource = `${Bucket}/${Key}`;
    await client.send(new CopyObjectCommand({ Bucket, Key, CopySource, StorageClass: 'DEEP_ARCHIVE' }));
  }
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
  let asked = 0;
  onThaw = () => {
    asked += 1;
  };
  const to = join(await folderForTest(), 'restored');
  const { exitCode, problems, summary } = await restoreJson(to);
  expect(exitCode).toBe(8);
  expect(summary).toMatchObject({ copied: 0, rejected: 0, failed: count, cold: count, thawing: 0 });
  expect(new Set(problems.map((problem) => Object(problem).code))).toEqual(new Set(['cold']));
  expect(problems).toHaveLength(count);
  const text = (await restore(to)).stdout;
  expect(text).toMatch(/200 .* lie in a cold storage class; --thaw asks S3 for copies .*\d\.\d\d US dollars.*48 hours/);
  expect(asked).toBe(0);
});

test('with --thaw everything comes back, whoever is stopped, whoever else restores, and if copies went away before they were read', async () => {
  const first = join(await folderForTest(), 'first');
  let asked = 0;
  const killed = startCommand(['restore', ...archive, '--to', first, '--thaw'], environment);
  onThaw = () => {
    asked += 1;
    if (asked === 50) killed.process.kill('SIGKILL');
  };
  expect((await killed.result).signal).toBe('SIGKILL');
  onThaw = () => undefined;

  // Copies of some are being made already; another restore asks meanwhile.
  const second = join(await folderForTest(), 'second');
  const both = await Promise.all([restoreJson(first, '--thaw'), restoreJson(second, '--thaw')]);
  for (const { exitCode, summary } of both) {
    expect(exitCode).toBe(8);
    expect(summary).toMatchObject({ copied: 0, failed: count, cold: count, thawing: count });
  }
  nowMs += 24 * hourMs;
  expect((await restoreJson(first)).summary).toMatchObject({ copied: 0, cold: count });

  // Nobody came for them within a week.
  nowMs += 14 * 24 * hourMs;
  expect(await restoreJson(first, '--thaw')).toMatchObject({ exitCode: 8, summary: { cold: count, thawing: count } });

  nowMs += 49 * hourMs;
  const amid = startCommand(['restore', ...archive, '--to', first], environment);
  amid.process.stderr.once('data', () => amid.process.kill('SIGKILL'));
  await amid.result;
  const end = await restoreJson(first);
  expect(end).toMatchObject({ exitCode: 0, problems: [], summary: { failed: 0, cold: 0 } });
  expect(await restoreJson(first, '--verify')).toMatchObject({
    exitCode: 0,
    summary: { copied: 0, alreadyEqual: count, verified: { sound: count, damaged: 0 } },
  });
  expect(await restoreJson(second)).toMatchObject({ exitCode: 0, summary: { copied: count, cold: 0 } });
});
