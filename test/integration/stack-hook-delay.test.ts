/**
 * How long it takes from `POST /instances` at a source with a hook until target and archive hold the instance: through the
 * webhook of the synthesized stack, and through the schedule alone when the webhook function is stopped.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { freePort } from '../../local/free-port.ts';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { type LocalStack, startLocalStack } from '../../local/stack/local-stack.ts';
import { type HookedOrthanc, startHookedOrthanc, testSecret } from '../support/hooks/hooked-orthanc.ts';
import { nthInstance, postTo } from '../support/hooks/study-at.ts';
import { synthesizeStack } from './stack-synth.ts';

const hooks = ['lua', 'python'] as const;
type Hook = (typeof hooks)[number];

/** `docs/hooks.md` has the figures of 50, on an idle machine. */
const measured = 10;
/** The first instances start the processes of the functions. */
const warmingUp = 5;
/** A minute of the schedules lasts so long when they carry: the mirrors are followed every minute. */
const tickMs = 4_000;
/** Arrivals are looked for so often. */
const lookEveryMs = 20;
const arrivesWithin = { timeout: 240_000, interval: lookEveryMs };

const cleanUp = new AsyncDisposableStack();
let folder: string;
let templateFolder: string;
let functionUrlPort: number;
let target: OrthancServer;
const sources = new Map<Hook, HookedOrthanc>();
let posted = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-hook-delay-'));
  cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
  functionUrlPort = await freePort();
  const webhookUrl = `http://127.0.0.1:${functionUrlPort}/`;
  for (const hook of hooks) {
    const config = hook === 'lua' ? { LuaHeartBeatPeriod: 1 } : {};
    const source = await startHookedOrthanc({ version: '1.12.7', hook, mirror: hook, webhookUrl, config });
    cleanUp.defer(() => source[Symbol.asyncDispose]());
    sources.set(hook, source);
  }
  target = await startOrthanc();
  cleanUp.defer(() => target.stop());
  templateFolder = await synthesizeStack(configuration(), folder);
});

afterAll(() => cleanUp.disposeAsync());

/** One mirror for each hook, called like it. */
function configuration(): unknown {
  const mirrors = hooks.map((hook) => [
    hook,
    { source: { url: sourceUrl(hook) }, targets: { standby: { url: target.url } }, archive: {} },
  ]);
  const webhook = { secret: { secretsManager: 'webhook' } };
  return { mirrors: Object.fromEntries(mirrors), cloud: { allowPrivateNetworks: true, webhook } };
}

function sourceUrl(hook: Hook): string {
  return sources.get(hook)?.server.url ?? '';
}

/** @param scheduleMinuteMs `off`: nothing but the webhook can tell what is new, after a first tick that makes the archives */
async function startStack(name: string, scheduleMinuteMs: number | 'off'): Promise<LocalStack> {
  const stateFolder = join(folder, name);
  const secrets = { webhook: testSecret };
  const stack = await startLocalStack({ templateFolder, stateFolder, secrets, functionUrlPort, scheduleMinuteMs });
  if (scheduleMinuteMs === 'off') for (const mirror of hooks) await stack.invoke('scheduler', { mirror });
  return stack;
}

/** Posts an instance at the source that nobody has seen. @returns the milliseconds until target and archive hold it */
async function delayOf(hook: Hook, stack: LocalStack): Promise<number> {
  posted += 1;
  const instance = nthInstance('hook delay', posted);
  const postedAtMs = performance.now();
  await postTo(sourceUrl(hook), instance);
  const places = [
    `${target.url}/instances/${instance.id}/simplified-tags`,
    `${stack.s3Endpoint}/${stack.bucketNames[0]}/${hook}/instances/${instance.id}/${instance.md5}.dcm`,
  ];
  await Promise.all(places.map((place) => vi.waitUntil(() => isThere(place), arrivesWithin)));
  return performance.now() - postedAtMs;
}

async function isThere(place: string): Promise<boolean> {
  const answer = await fetch(place);
  await answer.arrayBuffer();
  return answer.ok;
}

const linesOf = (stack: LocalStack, name: string, part: string): number =>
  stack.logs.filter((line) => line.function === name && line.text.includes(part)).length;

/** Tells measured delays. */
function tell(what: string, delaysMs: readonly number[]): void {
  const sorted = delaysMs.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN;
  const [median, p95, longest] = [0.5, 0.95, 1].map((share) => `${Math.round(at(share))} ms`);
  console.log(`${what}: median of ${sorted.length} ${median}, 95 of 100 within ${p95}, longest ${longest}`);
}

describe('with the webhook alone, no schedule runs', () => {
  let stack: LocalStack;
  beforeAll(async () => {
    stack = await startStack('webhook-alone', 'off');
  });
  afterAll(() => stack.stop());

  test.each(hooks)('what the %s hook announces is in target and archive without a schedule', async (hook) => {
    for (let n = 0; n < warmingUp; n += 1) {
      await delayOf(hook, stack);
    }
    const delaysMs: number[] = [];
    for (let n = 0; n < measured; n += 1) {
      delaysMs.push(await delayOf(hook, stack));
    }
    tell(`POST at the source to target and archive, ${hook} hook`, delaysMs);
    // The tick that made each archive, and no other.
    expect(linesOf(stack, 'scheduler', '"source followed"')).toBe(hooks.length);
  });

  test('the webhook function carried it', async () => {
    await vi.waitUntil(() => stack.idle(), arrivesWithin);
    expect(linesOf(stack, 'webhook', '"announcement taken"')).toBeGreaterThan(measured);
    expect(stack.deadLetters()).toEqual([]);
  });
});

describe('with the webhook function stopped', () => {
  let stack: LocalStack;
  beforeAll(async () => {
    stack = await startStack('schedule-alone', tickMs);
    await stack.stopFunction('webhook');
  });
  afterAll(() => stack.stop());

  test('what arrives at the sources is in target and archive by the schedule alone', async () => {
    await vi.waitUntil(() => linesOf(stack, 'scheduler', '"source followed"') >= hooks.length, arrivesWithin);
    await vi.waitUntil(() => stack.idle(), arrivesWithin);
    for (const hook of hooks) await delayOf(hook, stack);
    const delaysMs: Promise<number>[] = [];
    for (let n = 0; n < measured; n += 1) {
      // Spread over two ticks, so that some have just missed one.
      await delay((2 * tickMs) / measured);
      for (const hook of hooks) delaysMs.push(delayOf(hook, stack));
    }
    tell('the same by the schedule alone', await Promise.all(delaysMs));
    expect(linesOf(stack, 'webhook', '"announcement taken"')).toBe(0);
  });
});
