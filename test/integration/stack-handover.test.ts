/** The first bulk load by a run beside the source, as docs/bulk-load.md has it, and the stack that goes on from there. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { type GeneratedInstance, generateInstances } from '../../local/dicom/generate.ts';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { type LocalStack, startLocalStack } from '../../local/stack/local-stack.ts';
import { isAllowedBy, type LocalStatement } from '../../local/stack/role-permissions.ts';
import { uploadAll } from '../../local/upload.ts';
import { startCommand } from '../support/command.ts';
import { type FaultyProxy, startProxy } from './stack-proxy.ts';
import { synthesizeStack } from './stack-synth.ts';

const before = [...generateInstances('before the handover', 80, 4096)];
const meanwhile = [...generateInstances('meanwhile', 10, 4096)];
const after = [...generateInstances('after the handover', 5, 4096)];

const cleanUp = new AsyncDisposableStack();
let source: OrthancServer;
let target: OrthancServer;
let proxies: { readonly source: FaultyProxy; readonly target: FaultyProxy };
let stack: LocalStack;
let bucket: string;
/** What was asked of each server, as `METHOD path`, since somebody emptied it. */
const asked = { source: [] as string[], target: [] as string[] };
/** What the run asked of S3. */
const actions = new Set<string>();

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-handover-'));
  cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
  // The oldest one: it does not list hashes.
  [source, target] = await Promise.all([startOrthanc({}), startOrthanc({})]);
  cleanUp.defer(() => source.stop());
  cleanUp.defer(() => target.stop());
  const noting = (name: keyof typeof asked) => (request: IncomingMessage) => {
    asked[name].push(`${request.method} ${request.url}`);
    return undefined;
  };
  proxies = {
    source: await startProxy(source.url, noting('source')),
    target: await startProxy(target.url, noting('target')),
  };
  cleanUp.defer(() => proxies.source.stop());
  cleanUp.defer(() => proxies.target.stop());
  const archive = {
    source: { url: proxies.source.url },
    targets: { standby: { url: proxies.target.url } },
    archive: {},
  };
  const configuration = { mirrors: { main: archive }, cloud: { allowPrivateNetworks: true } };
  const templateFolder = await synthesizeStack(configuration, folder);
  const statements = await documentedStatements();
  stack = await startLocalStack({
    templateFolder,
    stateFolder: join(folder, 'state'),
    scheduleMinuteMs: 'off',
    isAllowed: ({ accessKeyId, action, resource }) => {
      if (accessKeyId !== 'run') return true;
      actions.add(action);
      return isAllowedBy(statements, action, resource.replaceAll(bucket, 'BUCKET').replace('/main/', '/MIRROR/'));
    },
  });
  cleanUp.defer(() => stack.stop());
  [bucket = ''] = stack.bucketNames;
  await upload(before);
});

afterAll(() => cleanUp.disposeAsync());

async function upload(instances: readonly GeneratedInstance[]): Promise<void> {
  const uploads = instances.map(({ bytes }) => ({ sizeBytes: bytes.length, body: () => bytes }));
  await uploadAll(source.url, uploads, 2);
}

const texts = z.union([z.string().transform((text) => [text]), z.array(z.string())]);
const policySchema = z.object({
  Statement: z.array(z.object({ Effect: z.enum(['Allow', 'Deny']), Action: texts, Resource: texts })),
});
const page = readFile('docs/bulk-load.md', 'utf8');

/** The policy of the page. */
async function documentedStatements(): Promise<LocalStatement[]> {
  const [, policy = ''] = /```json\n(.*?)```/s.exec(await page) ?? [];
  const { Statement } = policySchema.parse(JSON.parse(policy));
  return Statement.map(({ Effect, Action, Resource }) => ({ effect: Effect, actions: Action, resources: Resource }));
}

/** Starts the command of the page. */
async function startRun() {
  const [, command = ''] = /^ +orthanc-mirror (run .*s3:.*)$/m.exec(await page) ?? [];
  const args = command
    .replace('http://localhost:8042', proxies.source.url)
    .replace('http://standby:8042', proxies.target.url)
    .replace('s3://BUCKET/MIRROR', `s3://${bucket}/main`)
    .split(' ');
  const environment = { AWS_ACCESS_KEY_ID: 'run', AWS_SECRET_ACCESS_KEY: 'test', AWS_REGION: 'us-east-1' };
  return startCommand([...args, '--endpoint', stack.s3Endpoint, '--json'], environment);
}

function reset(): void {
  asked.source.length = 0;
  asked.target.length = 0;
}

function uploadsToTarget(): number {
  return asked.target.filter((request) => request === 'POST /instances').length;
}

/** Ids of instances that the source was asked about one by one. */
function idsAsked(): string[] {
  const ids = asked.source.flatMap((request) => /\/instances\/([0-9a-f-]{44})/.exec(request)?.[1] ?? []);
  return [...new Set(ids)].toSorted();
}

const idsOf = (instances: readonly GeneratedInstance[]) => instances.map(({ id }): string => id).toSorted();

async function idsInTarget(): Promise<string[]> {
  return z
    .array(z.string())
    .parse(await (await fetch(new URL('/instances', target.url))).json())
    .toSorted();
}

async function tick(): Promise<void> {
  await stack.invoke('scheduler', { mirror: 'main' });
  await vi.waitUntil(() => stack.idle(), { timeout: 90_000, interval: 100 });
}

test('what a run copied, even in two goes, the stack neither copies nor reads again, and it goes on from there', async () => {
  // Killed in the middle of its work.
  const killed = await startRun();
  await vi.waitUntil(() => uploadsToTarget() >= 20, { timeout: 90_000, interval: 5 });
  killed.process.kill('SIGKILL');
  await killed.result;
  expect((await (await startRun()).result).exitCode).toBe(0);
  expect(await idsInTarget()).toEqual(idsOf(before));
  // Of what was under way when it was killed, some had been sent and not proven.
  expect(uploadsToTarget()).toBeLessThan(before.length + 50);
  expect([...actions].toSorted()).toEqual(['s3:GetObject', 's3:ListBucket', 's3:PutObject']);

  await upload(meanwhile);
  reset();
  await tick();
  expect(await idsInTarget()).toEqual(idsOf([...before, ...meanwhile]));
  expect(uploadsToTarget()).toBe(meanwhile.length);
  expect(idsAsked()).toEqual(idsOf(meanwhile));

  await upload(after);
  reset();
  await tick();
  expect(uploadsToTarget()).toBe(after.length);
  expect(idsAsked()).toEqual(idsOf(after));
  reset();
  await tick();
  expect([uploadsToTarget(), idsAsked()]).toEqual([0, []]);
  expect(stack.deadLetters()).toEqual([]);
});
