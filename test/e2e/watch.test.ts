/** A watch on real servers through what happens in a hospital's night, without anybody starting it again. */
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { CreateBucketCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import { type GeneratedInstance, generateInstances } from '../../local/dicom/generate.ts';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { newOrthanc } from '../../local/orthanc-versions.ts';
import { startS3 } from '../../local/s3/start-s3.ts';
import { type RunningCommand, startCommand } from '../support/command.ts';
import { type Fault, type FaultProxy, type SeenRequest, startFaultProxy } from '../support/fault-proxy.ts';
import { canMount, mountSmallDisk } from '../support/small-disk.ts';
import { folderForTest, storeAll } from './support/scene.ts';

const eventually = { timeout: 60_000, interval: 100 };

let source: OrthancServer;
let target: OrthancServer;
let toSource: FaultProxy;
let toTarget: FaultProxy;

beforeAll(async () => {
  // What was sent is announced once more when it is stable: soon, so that a source comes to rest.
  [source, target] = await Promise.all([
    startOrthanc({ config: { StableAge: 1 } }),
    startOrthanc({ version: newOrthanc().version }),
  ]);
  [toSource, toTarget] = (await Promise.all([source, target].map(({ url }) => startFaultProxy(url)))) as [
    FaultProxy,
    FaultProxy,
  ];
});
afterAll(async () => {
  await Promise.all([toSource?.close(), toTarget?.close()]);
  await Promise.all([source?.stop(), target?.stop()]);
});

interface Watching {
  readonly command: RunningCommand;
  /** What it said on stderr so far. */
  said(): string;
  /** The lines of stdout so far, parsed. */
  lines(): readonly Record<string, unknown>[];
}

/** Begins a watch that ends with the test, and must have lived until then. */
async function watch(
  archive: string,
  options: readonly string[] = [],
  environment: NodeJS.ProcessEnv = {},
): Promise<Watching> {
  const servers = ['run', toSource.url, toTarget.url];
  const command = startCommand([...servers, '--archive', archive, '--watch', ...options], environment);
  let [said, printed] = ['', ''];
  command.process.stderr.on('data', (text) => {
    said += String(text);
  });
  command.process.stdout.on('data', (text) => {
    printed += String(text);
  });
  onTestFinished(async () => {
    toSource.repair();
    toTarget.repair();
    expect(command.process.exitCode).toBeNull();
    command.process.kill('SIGTERM');
    expect(await command.result).toMatchObject({ exitCode: 130 });
  });
  const lines = () =>
    printed
      .split('\n')
      .slice(0, -1)
      .map((line) => z.record(z.string(), z.unknown()).parse(JSON.parse(line)));
  return { command, said: () => said, lines };
}

function some(seed: string, count = 3, sizeBytes = 8 * 1024): readonly GeneratedInstance[] {
  return [...generateInstances(`watch ${seed}`, count, sizeBytes)];
}

async function untilInArchive(archive: string, instances: readonly GeneratedInstance[]): Promise<void> {
  await vi.waitUntil(async () => {
    const held = new Set(await readdir(join(archive, 'instances')).catch(() => []));
    return instances.every(({ id }) => held.has(id));
  }, eventually);
}

async function untilAtTarget(instances: readonly GeneratedInstance[]): Promise<void> {
  await vi.waitUntil(async () => (await Promise.all(instances.map(isAtTarget))).every(Boolean), eventually);
}

async function isAtTarget({ id }: GeneratedInstance): Promise<boolean> {
  const answer = await fetch(new URL(`/instances/${id}`, target.url));
  await answer.arrayBuffer();
  return answer.ok;
}

/** Something that goes wrong for a while. */
interface Trouble {
  /** Where the archive lies. */
  readonly archive: string;
  readonly begin: () => Promise<void> | void;
  readonly end: () => Promise<void> | void;
  /** Whom it concerns. */
  readonly concerns: 'target' | 'archive';
  /** Size of the instances that come meanwhile. */
  readonly sizeBytes?: number;
  /** Looks at what must not have happened meanwhile. */
  readonly verify?: () => Promise<void>;
}

const isPost: NonNullable<Fault['matches']> = ({ method, path }) => method === 'POST' && path === '/instances';

const troubles: readonly [string, boolean, () => Promise<Trouble>][] = [
  [
    'an archive whose folder is moved away',
    true,
    async () => {
      const folder = await folderForTest();
      const [archive, aside] = [join(folder, 'archive'), join(folder, 'aside')];
      return {
        archive,
        concerns: 'archive',
        begin: () => rename(archive, aside),
        end: () => rename(aside, archive),
        verify: async () => expect(await readdir(folder)).toEqual(['aside']),
      };
    },
  ],
  [
    'an archive whose file system is not mounted',
    canMount,
    async () => {
      const folder = await folderForTest();
      const [archive, disk] = [join(folder, 'archive'), join(folder, 'disk')];
      await Promise.all([mkdir(archive), mkdir(disk)]);
      const mount = () => void execFileSync('mount', ['--bind', disk, archive]);
      const unmount = () => void execFileSync('umount', ['--lazy', archive]);
      mount();
      onTestFinished(() => unmount());
      return {
        archive,
        concerns: 'archive',
        begin: unmount,
        end: mount,
        verify: async () => expect(await readdir(archive)).toEqual([]),
      };
    },
  ],
  [
    'an archive whose disk is full',
    canMount,
    async () => {
      const disk = mountSmallDisk(1024 * 1024);
      onTestFinished(() => disk[Symbol.dispose]());
      const archive = join(disk.folder, 'archive');
      const enlarge = () => void execFileSync('mount', ['-o', 'remount,size=64m', disk.folder]);
      return { archive, concerns: 'archive', begin: () => undefined, end: enlarge, sizeBytes: 512 * 1024 };
    },
  ],
  ...([401, 403, 503] as const).map((status): (typeof troubles)[number] => [
    `a target that answers ${status} to everything`,
    true,
    async () => ({
      archive: join(await folderForTest(), 'archive'),
      concerns: 'target',
      begin: () => toTarget.break({ effect: { kind: 'status', status, early: true } }),
      end: () => toTarget.repair(),
    }),
  ]),
  [
    'a target that is full',
    true,
    async () => ({
      archive: join(await folderForTest(), 'archive'),
      concerns: 'target',
      begin: () => toTarget.break({ effect: { kind: 'status', status: 507 }, matches: isPost }),
      end: () => toTarget.repair(),
    }),
  ],
];

describe.each(troubles.filter(([, isPossible]) => isPossible))('%s', (name, _, scene) => {
  test('gets what it missed and what comes after, and the other missed nothing; it is said', async () => {
    const { archive, begin, end, concerns, verify, sizeBytes } = await scene();
    const [before, meanwhile, after] = ['before', 'meanwhile', 'after'].map((when) =>
      some(`${name} ${when}`, 4, when === 'meanwhile' ? sizeBytes : undefined),
    ) as [GeneratedInstance[], GeneratedInstance[], GeneratedInstance[]];
    await storeAll(source, before);
    const watching = await watch(archive);
    await Promise.all([untilInArchive(archive, before), untilAtTarget(before)]);

    await begin();
    await storeAll(source, meanwhile);
    await (concerns === 'archive' ? untilAtTarget(meanwhile) : untilInArchive(archive, meanwhile));
    await vi.waitUntil(() => watching.said().includes('cannot be used'), eventually);
    await verify?.();
    await end();

    await Promise.all([untilInArchive(archive, meanwhile), untilAtTarget(meanwhile)]);
    await storeAll(source, after);
    await Promise.all([untilInArchive(archive, after), untilAtTarget(after)]);
    const place = concerns === 'archive' ? `archive ${archive}` : `target ${toTarget.url}`;
    expect(watching.said()).toMatch(new RegExp(`^[-0-9T:]+Z ${place} cannot be used: .+; asked again in \\d`, 'm'));
    expect(watching.said()).toMatch(new RegExp(`^[-0-9T:]+Z ${place} can be used again after \\d`, 'm'));
  });
});

test('a source that is away, from the beginning and later, is waited for and spoken of; what is new comes at once', async () => {
  const archive = join(await folderForTest(), 'archive');
  toSource.break({ effect: { kind: 'drop', when: 'before' } });
  const watching = await watch(archive, ['--json']);
  const told = (type: string) => watching.lines().filter((line) => line.type === type);
  await vi.waitUntil(() => told('away').length >= 2, eventually);
  expect(told('away')[0]).toMatchObject({ role: 'source', code: 'unreachable', at: expect.any(String) });
  toSource.repair();
  await vi.waitUntil(() => told('compared').length === 1, eventually);

  toSource.break({ effect: { kind: 'drop', when: 'before' } });
  const meanwhile = some('source away');
  await storeAll(source, meanwhile);
  await vi.waitUntil(() => told('away').length >= 4, eventually);
  toSource.repair();
  await Promise.all([untilInArchive(archive, meanwhile), untilAtTarget(meanwhile)]);
  await vi.waitUntil(() => told('arrived').length > 0, eventually);
  expect(told('arrived')[0]).toMatchObject({ instances: 3, bytes: 3 * 8 * 1024, lagMs: expect.any(Number) });
  // Nothing was lost meanwhile, so nothing is compared again.
  expect([told('back').length, told('comparing').length]).toEqual([2, 1]);
});

test('an archive in S3 that does not answer at the beginning is made when it does, and filled', async () => {
  const s3 = await startS3({ folder: await folderForTest() });
  onTestFinished(() => s3.close());
  const toS3 = await startFaultProxy(s3.endpoint);
  onTestFinished(() => toS3.close());
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const client = new S3Client({ endpoint: s3.endpoint, region: 'us-east-1', credentials, forcePathStyle: true });
  onTestFinished(() => client.destroy());
  await client.send(new CreateBucketCommand({ Bucket: 'archive' }));
  const instances = some('s3');
  await storeAll(source, instances);
  toS3.break({ effect: { kind: 'status', status: 503 } });
  const environment = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_REGION: 'us-east-1' };
  const watching = await watch('s3://archive/city', ['--endpoint', toS3.url], environment);
  await untilAtTarget(instances);
  await vi.waitUntil(() => watching.said().includes('archive s3://archive/city/ cannot be used'), eventually);
  const keys = async () =>
    (await client.send(new ListObjectsV2Command({ Bucket: 'archive' }))).Contents?.map(({ Key }) => Key) ?? [];
  expect(await keys()).toEqual([]);
  toS3.repair();
  const wanted = ['city/archive.json', ...instances.map(({ id, md5 }) => `city/instances/${id}/${md5}.dcm`)];
  await vi.waitUntil(async () => {
    const found = await keys();
    return wanted.every((key) => found.includes(key));
  }, eventually);
});

test('an idle watch asks the source for nothing but what is behind the last change', async () => {
  const archive = join(await folderForTest(), 'archive');
  await storeAll(source, some('idle', 60));
  await watch(archive);
  await untilInArchive(archive, some('idle', 60));
  await untilAtTarget(some('idle', 60));
  const isLook = ({ path }: SeenRequest) => path.startsWith('/changes?since');
  // Sidecars are compared beside the looks.
  await vi.waitUntil(() => toSource.seen.length > 3 && toSource.seen.slice(-3).every(isLook), eventually);
  toSource.forget();
  await vi.waitUntil(() => toSource.seen.length >= 5, eventually);
  const idle = [...toSource.seen];
  expect(idle.filter((one) => !isLook(one))).toEqual([]);
  // At most one of them reads the end again, for what commits late; the others are answered with nothing.
  expect(idle.filter(({ answerBytes }) => answerBytes > 100).length).toBeLessThanOrEqual(1);
});

test('what is new goes ahead of what a comparison has still to copy', async () => {
  const archive = join(await folderForTest(), 'archive');
  const old = some('backlog', 200, 2048);
  await storeAll(source, old);
  toSource.break({
    effect: { kind: 'delay', ms: 200 },
    matches: ({ path }) => path.endsWith('/data') || path.endsWith('/file'),
  });
  await watch(archive, ['--concurrency', '1', '--instances-only']);
  await vi.waitUntil(async () => (await readdir(join(archive, 'instances')).catch(() => [])).length > 0, eventually);
  const fresh = some('fresh', 1);
  await storeAll(source, fresh);
  await untilInArchive(archive, fresh);
  const held = new Set(await readdir(join(archive, 'instances')));
  expect(old.filter(({ id }) => !held.has(id)).length).toBeGreaterThan(0);
});
