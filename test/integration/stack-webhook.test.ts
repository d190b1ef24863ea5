/** The webhook of the synthesized stack: what the Lua hook of a real source announces, and what others try. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { freePort } from '../../local/free-port.ts';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { type LocalStack, startLocalStack } from '../../local/stack/local-stack.ts';
import { type HookedOrthanc, startHookedOrthanc, testSecret } from '../support/hooks/hooked-orthanc.ts';
import { nthInstance, postLatencies, postTo } from '../support/hooks/study-at.ts';
import { text } from '../support/orthanc/rest.ts';
import { synthesizeStack } from './stack-synth.ts';

const eventually = { timeout: 60_000, interval: 50 };
const secretHeader = 'x-orthanc-mirror-secret';
const someId = '00000000-11111111-22222222-33333333-44444444';

const cleanUp = new AsyncDisposableStack();
let hooked: HookedOrthanc;
let target: OrthancServer;
let stack: LocalStack;

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-webhook-'));
  cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
  const functionUrlPort = await freePort();
  const webhookUrl = `http://127.0.0.1:${functionUrlPort}/`;
  hooked = await startHookedOrthanc({ version: '1.12.7', hook: 'lua', webhookUrl, config: { LuaHeartBeatPeriod: 1 } });
  cleanUp.defer(() => hooked[Symbol.asyncDispose]());
  target = await startOrthanc();
  cleanUp.defer(() => target.stop());
  stack = await startLocalStack({
    templateFolder: await synthesizeStack(configuration(), folder),
    stateFolder: join(folder, 'state'),
    secrets: { webhook: testSecret },
    scheduleMinuteMs: 'off',
    functionUrlPort,
  });
  cleanUp.defer(() => stack.stop());
  // The first tick makes the archive, which no other function may; there is none after it.
  await stack.invoke('scheduler', { mirror: 'main' });
});

afterAll(() => cleanUp.disposeAsync());

function configuration(): unknown {
  const { url } = hooked.server;
  return {
    mirrors: { main: { source: { url }, targets: { standby: { url: target.url } }, archive: {} } },
    cloud: { allowPrivateNetworks: true, webhook: { secret: { secretsManager: 'webhook' } } },
  };
}

interface Sent {
  readonly secret?: string;
  readonly mirror?: string;
  readonly id?: string;
  readonly body?: string;
}

/** Sends a request like a hook does, but for what is given. @returns its status */
async function announce({ secret = testSecret, mirror = 'main', id = someId, body }: Sent = {}): Promise<number> {
  const event = { kind: 'stored', level: 'instances', id };
  const answer = await fetch(stack.functionUrl('webhook'), {
    method: 'POST',
    headers: { [secretHeader]: secret },
    body: body ?? JSON.stringify({ v: 1, mirror, events: [event] }),
  });
  await answer.arrayBuffer();
  return answer.status;
}

const linesWith = (part: string): string[] =>
  stack.logs.flatMap((line) => (line.text.includes(part) ? [line.text] : []));
const answered = (): number => linesWith('"message ').length;

test('what is posted to the source arrives in the target without any schedule', async () => {
  const instance = nthInstance('hook', 0);
  const startedAtMs = performance.now();
  await postTo(hooked.server.url, instance);
  await vi.waitUntil(async () => (await text(target.url, `/instances/${instance.id}`)) !== undefined, eventually);
  console.log(`first instance, functions started anew: ${Math.round(performance.now() - startedAtMs)} ms`);
  await vi.waitUntil(() => stack.idle(), eventually);
  expect(stack.deadLetters()).toEqual([]);
});

test('a study that is stable is announced, and its document is copied', async () => {
  await vi.waitUntil(() => linesWith('"sidecar handled"').length >= 2, eventually);
  expect(stack.deadLetters()).toEqual([]);
});

test.each([
  ['a wrong secret', { secret: 'x'.repeat(testSecret.length) }, 401],
  ['an empty secret', { secret: '' }, 401],
  ['a mirror that nobody configured', { mirror: 'stranger' }, 404],
  ['an id that is no id', { id: 'GENERATED-PATIENT' }, 400],
  ['an id that is a URL', { id: 'http://169.254.169.254/latest/meta-data' }, 400],
  ['an id that is a path', { id: `${someId}/../../system` }, 400],
  ['a body that is no JSON', { body: 'CANARY' }, 400],
  ['a body larger than a batch of a hook', { body: ' '.repeat(100_000) }, 413],
  ['a body of 10 MiB', { body: ' '.repeat(10 * 1024 * 1024) }, 413],
])('%s is refused, and nothing is put on the queue', async (_what, sent, status) => {
  const before = answered();
  expect(await announce(sent)).toBe(status);
  expect(Object.values(stack.queueDepths())).toEqual(
    Object.values(stack.queueDepths()).map(() => ({ waiting: 0, inFlight: 0 })),
  );
  expect(answered()).toBe(before);
});

test('a GET is refused', async () => {
  const answer = await fetch(stack.functionUrl('webhook'), { headers: { [secretHeader]: testSecret } });
  expect(answer.status).toBe(404);
});

test('a thousand requests at once are bounded, and the source takes instances meanwhile', async () => {
  const calm = await postLatencies(hooked.server.url, 'calm', 100);
  const flood = Promise.all(
    Array.from({ length: 1000 }, (_, n) => announce(n % 2 === 0 ? {} : { secret: 'y'.repeat(40) }).catch(() => 'cut')),
  );
  let over = false;
  void flood.finally(() => {
    over = true;
  });
  const flooded = await postLatencies(hooked.server.url, 'flooded', 100, () => over);
  const answers = Map.groupBy(await flood, (status) => status);
  const counts = Object.fromEntries([...answers].map(([status, all]) => [status, all.length]));
  console.log(
    `1,000 requests at once: ${JSON.stringify(counts)}; source ${describe(calm)} before, ${describe(flooded)} meanwhile`,
  );
  expect([...answers.keys()].filter((status) => ![200, 401, 429].includes(Number(status)))).toEqual([]);
  expect(answers.get(429)?.length ?? 0).toBeGreaterThan(0);
});

const describe = ({ p99Ms, medianMs }: { p99Ms: number; medianMs: number }): string =>
  `median ${medianMs.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms`;

test('after that, announcements are taken again, and everything arrives', async () => {
  const instance = nthInstance('after', 0);
  await postTo(hooked.server.url, instance);
  await vi.waitUntil(async () => (await text(target.url, `/instances/${instance.id}`)) !== undefined, eventually);
  await vi.waitUntil(() => stack.idle(), eventually);
  expect(stack.deadLetters()).toEqual([]);
});

test('a rotated secret is taken at once, and the former one no more', async () => {
  const rotated = 'rotated-SECRET-0123456789-0123456789';
  stack.secrets.rotate('webhook', rotated);
  await vi.waitUntil(async () => (await announce({ secret: rotated })) === 200, { timeout: 30_000, interval: 500 });
  await vi.waitUntil(async () => (await announce()) === 401, { timeout: 30_000, interval: 500 });
});

test('no log line holds a secret or what strangers sent', () => {
  const log = stack.logs.map((line) => line.text).join('\n');
  expect(log).toContain('"announcement refused"');
  expect(log).not.toMatch(/SECRET|CANARY|GENERATED|169\.254/);
});
