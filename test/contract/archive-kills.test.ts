import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { md5Of } from '../../core/identifiers.ts';
import { openObjectStorage, parseArchiveLocation } from '../../core/stores/archive/archive-location.ts';
import type { ObjectStorage } from '../../core/stores/archive/object-storage.ts';
import { startS3 } from '../../local/s3/start-s3.ts';
import { randomOf } from '../support/seeded-random.ts';

const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
const kills = 6;
const random = randomOf('kills of a writer');

let folder: string;
const processes: ChildProcess[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kills-'));
});
afterEach(async () => {
  for (const child of processes.splice(0)) {
    await kill(child);
  }
  await rm(folder, { recursive: true });
});

describe('a writer that is killed at random moments', () => {
  it('leaves only whole objects in a folder, and all that it confirmed', async () => {
    const objects = await openObjectStorage(parseArchiveLocation(folder));
    const confirmed = await writeAndKill([folder]);
    await expectWhole(objects, confirmed);
    await objects.close();
  });

  it('leaves only whole objects in S3, and all that it confirmed', async () => {
    const server = await startS3({ folder });
    await createBucket(server.endpoint);
    const objects = await openS3(server.endpoint);
    const confirmed = await writeAndKill(['s3://killed', server.endpoint]);
    await expectWhole(objects, confirmed);
    await objects.close();
    await server.close();
  });
});

describe('our S3 server, killed at random moments', () => {
  it('keeps what it confirmed, and no half object', async () => {
    const confirmed: string[] = [];
    for (let round = 0; round < kills; round += 1) {
      const { child: server, endpoint } = await startServerProcess();
      if (round === 0) {
        await createBucket(endpoint);
      }
      const writer = startWriter(['s3://killed', endpoint], confirmed);
      await writer.begun;
      await sleep(random.below(150));
      await kill(server);
      await kill(writer.child);
    }
    const { child, endpoint } = await startServerProcess();
    const objects = await openS3(endpoint);
    await expectWhole(objects, confirmed);
    await objects.close();
    await kill(child);
  });
});

/** Starts and kills a writer several times. @returns the keys that it confirmed. */
async function writeAndKill(place: readonly string[]): Promise<string[]> {
  const confirmed: string[] = [];
  for (let round = 0; round < kills; round += 1) {
    const writer = startWriter([...place], confirmed);
    await writer.begun;
    await sleep(random.below(150));
    await kill(writer.child);
  }
  return confirmed;
}

function startWriter(place: readonly string[], confirmed: string[]) {
  const round = confirmed.length;
  const [location = '', ...endpoint] = place;
  const child = start('object-storage-writer.ts', ['endless', `${location}/round-${round}`, ...endpoint]);
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => confirmed.push(`round-${round}/${line}`));
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the writer ended by itself with ${code}`);
  });
  return { child, begun: Promise.race([once(lines, 'line'), ended]) };
}

async function startServerProcess() {
  const child = start('object-storage-server.ts', [folder]);
  const [endpoint] = await once(createInterface({ input: child.stdout }), 'line');
  return { child, endpoint: String(endpoint) };
}

function start(script: string, args: readonly string[]) {
  const child = spawn(process.execPath, [join(import.meta.dirname, script), ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' },
  });
  processes.push(child);
  return child;
}

/** Kills a process and waits until all its output was read. */
async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const closed = once(child, 'close');
    child.kill('SIGKILL');
    await closed;
  }
}

function openS3(endpoint: string): Promise<ObjectStorage> {
  return openObjectStorage(parseArchiveLocation('s3://killed'), { endpoint, credentials });
}

async function createBucket(endpoint: string): Promise<void> {
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
  await client.send(new CreateBucketCommand({ Bucket: 'killed' }));
  client.destroy();
}

async function expectWhole(objects: ObjectStorage, confirmed: readonly string[]): Promise<void> {
  const found = new Set<string>();
  for await (const { key } of objects.list('')) {
    if (key.includes('/written/')) {
      const object = await objects.get(key);
      const bytes = Buffer.concat(await Array.fromAsync(object?.body ?? []));
      expect(key.endsWith(`/${md5Of(bytes)}`)).toBe(true);
      found.add(key);
    }
  }
  expect(confirmed.length).toBeGreaterThan(kills);
  expect(confirmed.filter((key) => !found.has(key))).toEqual([]);
}
