import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Destination } from '../../core/copy/outcome.ts';
import { MirrorError } from '../../core/errors.ts';
import type { InstanceId } from '../../core/identifiers.ts';
import { askToPause, askToResume } from '../../core/mirror/pause/ask.ts';
import { type Pause, pauseBeside } from '../../core/mirror/pause/pause.ts';
import { pauseStateSchema, probePauseMs, withPause, withSuspect } from '../../core/mirror/pause/pause-state.ts';
import { resume, reviewPauses } from '../../core/mirror/pause/review-pauses.ts';
import { FolderObjects } from '../../core/stores/archive/folder-objects.ts';
import { MemoryStore, sampleId } from '../support/memory-store.ts';

const secondMs = 1000;
const minuteMs = 60 * secondMs;
const away = new MirrorError('unreachable', 'the target is away');
const full = new MirrorError('full', 'the target is full');

/** The flags of a mirror whose state lies in a folder, seen by two processes with one clock. */
async function pausesOfOneMirror() {
  const folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-pause-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const clock = { nowMs: Date.parse('2026-11-21T00:00:00Z') };
  const now = () => new Date(clock.nowMs);
  const objects = [new FolderObjects(folder), new FolderObjects(folder)] as const;
  onTestFinished(async () => void (await Promise.all(objects.map((one) => one.close()))));
  const [mine, other] = [pauseBeside(objects[0], now), pauseBeside(objects[1], now)];
  const source = new MemoryStore('source');
  const target = new MemoryStore('target');
  const destinations: Destination[] = [{ role: 'target', store: target }];
  const trials: InstanceId[] = [];
  const pauses = { pause: mine, probeAfterMs: 10 * secondMs, random: () => 0.5, graceMs: 30 * minuteMs };
  const tryOut = async (_: string, id: InstanceId) => {
    trials.push(id);
    return 'sent' as const;
  };
  const review = () => reviewPauses({ source, destinations, ...pauses, tryOut });
  const holding = () => ({ now: now(), probeAfterMs: 10 * secondMs, random: 0.5 });
  const hold = (error: MirrorError, trial: InstanceId | null = null) =>
    mine.change((state) => withPause(state, target.name, error, { trial, ...holding() }));
  return { clock, mine, other, target, trials, review, hold };
}

test('a mirror that was never paused uses all its stores', async () => {
  const { mine, review } = await pausesOfOneMirror();
  expect(await mine.inForce()).toBeUndefined();
  expect(await review()).toMatchObject({ standstill: undefined, paused: [], served: [expect.anything()] });
});

test('a store that is paused is so for every process, with the reason', async () => {
  const { other, hold, review } = await pausesOfOneMirror();
  await hold(away);
  expect(await other.inForce()).toMatchObject({ store: 'target', code: 'unreachable', reason: 'the target is away' });
  expect(await review()).toMatchObject({ standstill: undefined, served: [], paused: ['target'] });
});

test('what an error advises is kept with its reason, and one that this version does not know counts as none', async () => {
  const { mine, hold } = await pausesOfOneMirror();
  const advice = 'give-certificate-authority';
  await hold(new MirrorError('tls-untrusted', 'its certificate is not trusted', { advice }));
  const state = await mine.read();
  expect(state.pauses).toMatchObject({ target: { reason: 'its certificate is not trusted', advice } });
  const newer = { ...state, pauses: { target: { ...state.pauses.target, advice: 'what is advised in years' } } };
  expect(pauseStateSchema.parse(newer).pauses).toMatchObject({ target: { advice: undefined } });
});

test('processes that notice an outage together do not disturb each other, and each adds what it saw', async () => {
  const { mine, other } = await pausesOfOneMirror();
  const suspect = (pause: Pause, n: number) => pause.change((state) => withSuspect(state, 'target', sampleId(n)));
  await Promise.all([suspect(mine, 1), suspect(other, 2), suspect(other, 1)]);
  expect((await mine.read()).suspects).toEqual({ target: { [sampleId(1)]: 2, [sampleId(2)]: 1 } });
});

test('a store that was away is back when it answers, and not before it is asked', async () => {
  const { clock, mine, target, hold, review } = await pausesOfOneMirror();
  await hold(away);
  expect(await review()).toMatchObject({ back: [] });
  target.before = () => {
    throw away;
  };
  clock.nowMs += minuteMs;
  expect(await review()).toMatchObject({ back: [], paused: ['target'] });
  target.before = () => undefined;
  clock.nowMs += 2 * minuteMs;
  expect(await review()).toMatchObject({ back: ['target'], missed: [] });
  await resume(mine, ['target']);
  expect(await mine.inForce()).toBeUndefined();
});

test('after the time of grace messages no longer wait, so that its return needs a comparison', async () => {
  const { clock, hold, review } = await pausesOfOneMirror();
  await hold(away);
  clock.nowMs += 31 * minuteMs;
  expect(await review()).toMatchObject({ back: ['target'], missed: ['target'] });
});

test('a store that refuses instances but answers questions is tried with an instance, ever more rarely up to once a minute', async () => {
  const { clock, trials, hold, review } = await pausesOfOneMirror();
  await hold(full, sampleId(7));
  const sentAt: number[] = [];
  for (let seconds = 10; seconds <= 400; seconds += 10) {
    clock.nowMs += 10 * secondMs;
    expect(await review()).toMatchObject({ back: [] });
    if (trials.length > sentAt.length) sentAt.push(seconds);
  }
  expect(new Set(trials)).toEqual(new Set([sampleId(7)]));
  expect(sentAt).toEqual([10, 30, 70, 130, 190, 250, 310, 370]);
});

test('a store that is away again at once is asked ever more rarely all the same', async () => {
  const { clock, mine, target, hold, review } = await pausesOfOneMirror();
  const pauses: number[] = [];
  for (let times = 0; times < 5; times += 1) {
    await hold(away);
    let seconds = 0;
    do {
      clock.nowMs += 10 * secondMs;
      seconds += 10;
    } while ((await review()).back.length === 0);
    pauses.push(seconds);
    await resume(mine, [target.name]);
  }
  expect(pauses).toEqual([10, 20, 40, 60, 60]);
});

test.each([
  ['a second', secondMs, [1, 2, 4, 8, 16, 32, 60, 60]],
  ['a minute', minuteMs, [60, 60, 60]],
  ['an hour, as configured', 60 * minuteMs, [3600, 3600, 3600]],
])('pauses that begin with %s grow to a minute, and never shrink', (_, firstMs, seconds) => {
  expect(seconds.map((_second, probes) => probePauseMs(probes, firstMs, 0.5) / secondMs)).toEqual(seconds);
});

test('a mirror that somebody paused stands still until somebody resumes it, whatever its servers answer', async () => {
  const { clock, mine, review } = await pausesOfOneMirror();
  await askToPause(mine, 'maintenance');
  clock.nowMs += 10 * minuteMs;
  expect(await review()).toMatchObject({ standstill: { code: 'paused', reason: 'maintenance' } });
  await askToResume(mine);
  expect(await review()).toMatchObject({ standstill: undefined, back: ['*'], missed: [] });
});

test('a store that is no longer configured holds nothing up', async () => {
  const { clock, mine, review } = await pausesOfOneMirror();
  await mine.change((state) =>
    withPause(state, 'gone', away, { now: mine.now(), probeAfterMs: minuteMs, random: 0.5 }),
  );
  clock.nowMs += minuteMs;
  expect(await review()).toMatchObject({ back: ['gone'] });
});
