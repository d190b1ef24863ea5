import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { MirrorError } from '../../core/errors.ts';
import { Pause } from '../../core/pause/pause.ts';
import { FolderObjects } from '../../core/stores/archive/folder-objects.ts';

const refused = new MirrorError('unauthorized', 'the target refuses our password');

/** The flag of a mirror whose state lies in a folder, seen by two processes with one clock. */
async function pausesOfOneMirror() {
  const folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-pause-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const clock = { nowMs: Date.parse('2026-11-21T00:00:00Z') };
  const now = () => new Date(clock.nowMs);
  const objects = [new FolderObjects(folder), new FolderObjects(folder)] as const;
  onTestFinished(async () => void (await Promise.all(objects.map((one) => one.close()))));
  return { clock, mine: new Pause(objects[0], now), other: new Pause(objects[1], now) };
}

test('a mirror that was never paused works', async () => {
  const { mine } = await pausesOfOneMirror();
  await expect(mine.throwIfInForce('main')).resolves.toBeUndefined();
});

test('a pause holds for every process, tells why, and how long to wait', async () => {
  const { clock, mine, other } = await pausesOfOneMirror();
  await mine.begin(refused, 60_000);
  clock.nowMs += 20_000;
  await expect(other.throwIfInForce('main')).rejects.toMatchObject({
    code: 'paused',
    disposition: 'halt',
    retryAfterMs: 40_000,
    message: expect.stringContaining('the target refuses our password'),
  });
});

test('a pause ends by itself', async () => {
  const { clock, mine, other } = await pausesOfOneMirror();
  await mine.begin(refused, 60_000);
  clock.nowMs += 60_000;
  expect(await other.inForce()).toBeUndefined();
});

test('a cause that lasts prolongs the pause, and processes that notice it together do not disturb each other', async () => {
  const { clock, mine, other } = await pausesOfOneMirror();
  await mine.begin(refused, 60_000);
  clock.nowMs += 60_000;
  await Promise.all([mine.begin(refused, 60_000), other.begin(refused, 60_000)]);
  expect(await mine.inForce()).toMatchObject({ code: 'unauthorized', until: '2026-11-21T00:02:00.000Z' });
});
