/** Outages that last, on a simulated clock: what arrives, what becomes a dead letter, and what it costs. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ByteRate } from '../../core/copy/byte-rate.ts';
import { limitReads } from '../../core/copy/limit-reads.ts';
import { type ErrorCode, MirrorError } from '../../core/errors.ts';
import { FolderObjects } from '../../core/stores/archive/folder-objects.ts';
import { sampleBytes, sampleId } from '../support/memory-store.ts';
import { minuteMs, SimulatedMirror } from '../support/simulated-mirror.ts';

async function mirrorTo(...targets: readonly string[]): Promise<SimulatedMirror> {
  return new SimulatedMirror({ objects: await stateFolder(), targets });
}

async function stateFolder(): Promise<FolderObjects> {
  const folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-outage-'));
  const objects = new FolderObjects(folder);
  onTestFinished(async () => {
    await objects.close();
    await rm(folder, { recursive: true });
  });
  return objects;
}

function failWith(code: ErrorCode): () => never {
  return () => {
    throw new MirrorError(code, 'the server is not there');
  };
}

/** Lets the mirror run for so many minutes, with a tick each `everyMinutes`. */
async function pass(mirror: SimulatedMirror, minutes: number, everyMinutes: number): Promise<void> {
  for (let minute = 0; minute < minutes; minute += everyMinutes) {
    await mirror.tick();
    await mirror.work();
    mirror.nowMs += everyMinutes * minuteMs;
  }
}

test('with one of two targets down, the other and the archive are complete at once; it catches up by itself', async () => {
  const mirror = await mirrorTo('standby', 'research');
  const [standby, research] = mirror.targets;
  if (standby === undefined || research === undefined) throw new Error('two targets');
  standby.before = failWith('unreachable');
  for (let n = 1; n <= 200; n += 1) mirror.add(n);
  await pass(mirror, 1, 1);
  expect([research.instances.size, mirror.archive.instances.size, standby.instances.size]).toEqual([200, 200, 0]);
  await pass(mirror, 20, 1);
  standby.before = () => undefined;
  await pass(mirror, 10, 1);
  expect(standby.instances.size).toBe(200);
  expect(mirror.queue).toEqual([]);
  expect(mirror.deadLetters).toEqual([]);
});

test.each(['unreachable', 'busy', 'unauthorized', 'full'] as const)(
  'a target that fails with "%s" for three days costs no message, and gets everything when it is back',
  async (code) => {
    const mirror = await mirrorTo('standby');
    const [standby] = mirror.targets;
    if (standby === undefined) throw new Error('one target');
    mirror.add(1);
    await pass(mirror, 5, 5);
    // A server that is full still answers questions.
    const fail = failWith(code);
    standby.before = (call) => (code === 'full' && call !== 'store' ? undefined : fail());
    for (let n = 2; n <= 433; n += 1) {
      mirror.add(n);
      if (n % 3 === 1) await pass(mirror, 30, 15);
    }
    expect(mirror.archive.instances.size).toBe(433);
    expect(standby.instances.size).toBe(1);
    expect(mirror.deadLetters).toEqual([]);
    // Of 432 messages none is kept going for days: those of the time of grace, the trials, and one each.
    expect(mirror.deliveries).toBeLessThan(1200);
    expect(mirror.queue.length).toBeLessThan(20);
    standby.before = () => undefined;
    await pass(mirror, 90, 5);
    expect(standby.instances.size).toBe(433);
    expect(mirror.deadLetters).toEqual([]);
    expect(mirror.queue).toEqual([]);
  },
  60_000,
);

test('a source that is away for three days costs no message, and everything arrives when it is back', async () => {
  const mirror = await mirrorTo('standby');
  for (let n = 1; n <= 50; n += 1) mirror.add(n);
  await mirror.tick();
  mirror.source.before = failWith('unreachable');
  mirror.feed.readChanges = failWith('unreachable');
  await mirror.work();
  for (let tick = 0; tick < 3 * 24 * 4; tick += 1) {
    expect(await mirror.tick()).toMatchObject({ paused: ['source'], followed: false });
    await mirror.work();
    mirror.nowMs += 15 * minuteMs;
  }
  mirror.source.before = () => undefined;
  Object.assign(mirror.feed, { readChanges: Object.getPrototypeOf(mirror.feed).readChanges });
  await pass(mirror, 30, 5);
  expect([mirror.targets[0]?.instances.size, mirror.archive.instances.size]).toEqual([50, 50]);
  expect(mirror.deadLetters).toEqual([]);
}, 60_000);

test('an instance that takes the target down each time becomes a dead letter in the end, and nothing else is', async () => {
  const mirror = await mirrorTo('standby');
  const [standby] = mirror.targets;
  if (standby === undefined) throw new Error('one target');
  const deadly = sampleId(20);
  let restartsAtMs = 0;
  standby.before = (call, id) => {
    if (call === 'store' && id === deadly) restartsAtMs = mirror.nowMs + 2 * minuteMs;
    if (mirror.nowMs < restartsAtMs) throw new MirrorError('unreachable', 'connection refused');
  };
  for (let n = 1; n <= 40; n += 1) mirror.add(n);
  await pass(mirror, 24 * 60, 5);
  expect(standby.instances.size).toBe(39);
  expect(mirror.archive.instances.size).toBe(40);
  expect(mirror.deadLetters.map(({ code, body }) => [code, body.includes(deadly)])).toEqual([['unreachable', true]]);
  expect(mirror.queue).toEqual([]);
}, 60_000);

test('after three days a target is filled at the configured rate', async () => {
  const bytesPerSecond = 16;
  const mirror = new SimulatedMirror({
    objects: await stateFolder(),
    targets: ['standby'],
    reader: (source, simulated) =>
      limitReads(
        source,
        new ByteRate({
          bytesPerSecond,
          now: () => simulated.nowMs,
          sleepUntil: async (atMs) => {
            simulated.nowMs = Math.max(simulated.nowMs, atMs);
          },
        }),
      ),
  });
  const [standby] = mirror.targets;
  if (standby === undefined) throw new Error('one target');
  standby.before = failWith('unreachable');
  for (let n = 1; n <= 300; n += 1) mirror.add(n);
  await pass(mirror, 3 * 24 * 60, 15);
  expect(mirror.archive.instances.size).toBe(300);
  standby.before = () => undefined;
  const startMs = mirror.nowMs;
  await pass(mirror, 15, 15);
  expect(standby.instances.size).toBe(300);
  const drainMs = mirror.nowMs - startMs - 15 * minuteMs;
  const bytes = 300 * sampleBytes(1).byteLength;
  expect(drainMs / 1000).toBeCloseTo(bytes / bytesPerSecond, -1);
}, 60_000);
