/**
 * Canary strings in everything that patients, hospitals and administrators call private, through a run of the whole
 * stack with failures: none may appear anywhere but in the data itself.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { HeadObjectCommand, ListObjectVersionsCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { isInstanceId } from '../../core/identifiers.ts';
import { type GeneratedInstance, generateInstance } from '../../local/dicom/generate.ts';
import { identifiersOf, placeOfNth } from '../../local/dicom/identifiers.ts';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { newOrthanc } from '../../local/orthanc-versions.ts';
import { type LocalStack, startLocalStack } from '../../local/stack/local-stack.ts';
import { put } from '../support/orthanc/rest.ts';
import { type FaultyProxy, startProxy } from './stack-proxy.ts';
import { synthesizeStack } from './stack-synth.ts';

const eventually = { timeout: 60_000, interval: 100 };
const password = 'CANARY-PASSWORD-1';
const token = 'CANARY-TOKEN-2-of-the-target';
const webhookSecret = 'CANARY-WEBHOOK-3-0123456789abcdef';
/** What the study is called by in the texts of generated instances, in the same lengths. */
const texts = {
  'Generated^Patient': 'CANARY4^Patientin',
  'GENERATED FILLER': 'CANARY5-CREATOR_',
  GENERATED: 'CANARY6-A',
};
const count = 12;

const instances = Array.from({ length: count }, (_, n) =>
  withCanaries(generateInstance(placeOfNth('canary', n), 4096)),
);
const identifiers = Array.from({ length: count }, (_, n) => identifiersOf(placeOfNth('canary', n)));
/** Everything that must not be seen: secrets, tags, labels, names, and the identifiers of DICOM. */
const canaries = [...new Set(['CANARY', 'GENERATED', 'kanarie', ...identifiers.flatMap((ids) => Object.values(ids))])];

const cleanUp = new AsyncDisposableStack();
const failures: string[] = [];
let folder: string;
let source: OrthancServer;
let target: OrthancServer;
let proxy: FaultyProxy;
let stack: LocalStack;
let refusing = false;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-canary-'));
  cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
  const auth = { AuthenticationEnabled: true, RegisteredUsers: { mirror: password } };
  source = await startOrthanc({ ...newOrthanc(), config: { ...auth, StableAge: 1 } });
  cleanUp.defer(() => source.stop());
  target = await startOrthanc(newOrthanc());
  cleanUp.defer(() => target.stop());
  proxy = await startProxy(target.url, spoil);
  cleanUp.defer(() => proxy.stop());
  stack = await startLocalStack({
    templateFolder: await synthesizeStack(configuration(), folder),
    stateFolder: join(folder, 'state'),
    secrets: { source: JSON.stringify({ password }), target: token, webhook: webhookSecret },
    scheduleMinuteMs: 'off',
    onFailure: (error) => failures.push(error.message),
  });
  cleanUp.defer(() => stack.stop());
  await run();
});

afterAll(() => cleanUp.disposeAsync());

function configuration(): unknown {
  const basic = { username: 'mirror', password: { secretsManager: 'source', key: 'password' } };
  const main = {
    source: { url: source.url, auth: { basic } },
    targets: { standby: { url: proxy.url, auth: { bearer: { secretsManager: 'target' } } } },
    archive: {},
  };
  return {
    mirrors: { main },
    cloud: {
      allowPrivateNetworks: true,
      webhook: { secret: { secretsManager: 'webhook' } },
      transfer: { timeoutSeconds: 60, maxReceiveCount: 2, firstRetrySeconds: 1, lastRetrySeconds: 1, pauseSeconds: 2 },
    },
  };
}

const posts = new Map<string, number>();

/** Every third instance fails in another way; the answers of the target repeat what they were sent. */
function spoil(request: { method?: string | undefined; url?: string | undefined }): number | 'drop' | undefined {
  if (refusing) return 401;
  if (request.method !== 'POST' || request.url !== '/instances') return undefined;
  const n = (posts.get('all') ?? 0) + 1;
  posts.set('all', n);
  return [undefined, undefined, 'drop' as const, undefined, 503, 400][n % 6];
}

function withCanaries({ bytes, ...rest }: GeneratedInstance): GeneratedInstance {
  let latin1 = Buffer.from(bytes).toString('latin1');
  for (const [text, canary] of Object.entries(texts)) {
    // The patient id begins with GENERATED too and stays as it is: it is a canary itself.
    latin1 = latin1.replace(new RegExp(`${text.replace('^', '\\^')}(?!-)`), canary);
  }
  return { ...rest, bytes: Uint8Array.from(Buffer.from(latin1, 'latin1')) };
}

const authorized = { authorization: `Basic ${btoa(`mirror:${password}`)}` };

async function toSource(path: string, method: string, body: string | Uint8Array<ArrayBuffer>): Promise<void> {
  const answer = await fetch(new URL(path, source.url), { method, body, headers: authorized });
  if (!answer.ok) throw new Error(`the source answered ${answer.status} to ${path}`);
}

async function run(): Promise<void> {
  for (const { bytes } of instances) await toSource('instances', 'POST', bytes);
  const ids: unknown = await (await fetch(new URL('studies', source.url), { headers: authorized })).json();
  const [study = ''] = Array.isArray(ids) ? ids.map(String) : [];
  await toSource(`studies/${study}/labels/kanarie-label`, 'PUT', '');
  await toSource(`studies/${study}/metadata/1024`, 'PUT', 'CANARY-METADATA');
  await toSource(`studies/${study}/attachments/1025`, 'PUT', 'CANARY-ATTACHMENT');
  await drained();
  await announce({ v: 1, mirror: 'main', events: [{ kind: 'stable', level: 'studies', id: study }] });
  await announce({ v: 1, mirror: 'main', events: [{ kind: 'stored', level: 'instances', id: 'CANARY^PATIENT' }] });
  await announce({ v: 1, mirror: 'CANARY-MIRROR', events: [] });
  await drained();
  refusing = true;
  const id = instances.find(({ id: candidate }) => isInstanceId(candidate))?.id;
  stack.send(JSON.stringify({ v: 1, mirror: 'main', kind: 'instance', id }));
  await vi.waitUntil(() => stack.logs.some(({ text }) => text.includes('"code":"unauthorized"')), eventually);
  await attempt('scheduler');
  await attempt('status');
  refusing = false;
  await drained();
  await put(target.url, '/tools/log-level', 'default');
  await attempt('verifier');
  await attempt('status');
  await source.pause();
  await attempt('scheduler');
  await attempt('status');
  await attempt('verifier');
}

async function attempt(functionName: string): Promise<void> {
  await stack.invoke(functionName, { mirror: 'main' }).then(
    (result) => failures.push(JSON.stringify(result)),
    (error: unknown) => failures.push(String(error)),
  );
}

async function announce(body: unknown): Promise<void> {
  const headers = { 'x-orthanc-mirror-secret': webhookSecret };
  const answer = await fetch(stack.functionUrl('webhook'), { method: 'POST', headers, body: JSON.stringify(body) });
  failures.push(await answer.text());
}

/** Follows the source until nothing waits any more: ticks also look whether servers that were away are back. */
async function drained(): Promise<void> {
  await vi.waitUntil(
    async () => {
      await attempt('scheduler');
      return stack.idle();
    },
    { timeout: 90_000, interval: 1000 },
  );
}

/** Which canaries a text holds. */
function found(text: string): string[] {
  return canaries.filter((canary) => text.toLowerCase().includes(canary.toLowerCase()));
}

async function files(root: string): Promise<{ path: string; text: string }[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map(async (entry) => {
        const path = join(entry.parentPath, entry.name);
        return { path: relative(root, path), text: await readFile(path, 'latin1') };
      }),
  );
}

test('the canaries are in the data: in instances and sidecars of the archive', async () => {
  const text = (await files(join(folder, 'state', 's3'))).map((file) => file.text).join('\n');
  for (const canary of ['CANARY4', 'CANARY5', 'CANARY6', 'kanarie-label', 'CANARY-ATTACHMENT', 'GENERATED-']) {
    expect(text).toContain(canary);
  }
});

test('the run met failures of every kind', () => {
  const log = stack.logs.map(({ text }) => text).join('\n');
  for (const code of ['unreachable', 'busy', 'refused', 'unauthorized']) {
    expect(log).toContain(`"code":"${code}"`);
  }
  expect(log).toContain('"announcement refused"');
  expect(stack.deadLetters().length).toBeGreaterThan(0);
});

test('no canary is in a log line or a metric', () => {
  expect(stack.logs.length).toBeGreaterThan(30);
  expect(stack.logs.some(({ text }) => text.includes('_aws'))).toBe(true);
  expect(stack.logs.filter(({ text }) => found(text).length > 0)).toEqual([]);
});

test('no canary is in a message, a dead letter or its reason', async () => {
  const queues = await files(join(folder, 'state', 'queues'));
  expect(queues.some(({ text }) => text.includes('"kind":"instance"'))).toBe(true);
  expect(queues.flatMap(({ path, text }) => found(text).map((canary) => [path, canary]))).toEqual([]);
  expect(found(JSON.stringify(stack.deadLetters()))).toEqual([]);
});

test('no canary is in what functions answer or fail with', () => {
  expect(failures.length).toBeGreaterThan(8);
  expect(failures.some((text) => text.includes('unreachable') || text.includes('MirrorError'))).toBe(true);
  expect(failures.filter((text) => found(text).length > 0)).toEqual([]);
});

test('no canary is in a key, in the metadata of an object, in state or in a report', async () => {
  const client = new S3Client({
    endpoint: stack.s3Endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  const [Bucket = ''] = stack.bucketNames;
  try {
    const { Versions = [] } = await client.send(new ListObjectVersionsCommand({ Bucket }));
    const keys = Versions.flatMap(({ Key, VersionId }) => (Key === undefined ? [] : [{ Key, VersionId }]));
    expect(keys.map(({ Key }) => Key)).toEqual(
      expect.arrayContaining(['main/reports/status.json', 'main/state/progress.json', 'main/archive.json']),
    );
    expect(keys.filter(({ Key }) => found(Key).length > 0)).toEqual([]);
    for (const key of keys) {
      const head = await client.send(new HeadObjectCommand({ Bucket, ...key }));
      expect(found(JSON.stringify(head))).toEqual([]);
      if (/^main\/(?:state|reports|history)\/|^main\/archive\.json$/.test(key.Key)) {
        const answer = await fetch(`${stack.s3Endpoint}/${Bucket}/${key.Key}`);
        expect(found(await answer.text())).toEqual([]);
      }
    }
  } finally {
    client.destroy();
  }
});
