import { expect, it } from 'vitest';
import { defaultCeiling } from '../../core/copy/adaptive-concurrency.ts';
import { MirrorError } from '../../core/errors.ts';
import { StudiesAtOnce } from '../../core/sidecars/studies-at-once.ts';
import { inParallel } from '../../core/streams/in-parallel.ts';
import { SimulatedClock } from '../support/simulated-clock.ts';

interface Scene {
  readonly studies: number;
  readonly instances?: number;
  /** How long a study takes with so many at once. */
  readonly latencyMs: (atOnce: number) => number;
  readonly refusesFrom?: number;
}

/** Does the studies in virtual time. @returns how long that took, and how many there were at once */
async function simulate({ studies, instances = 10, latencyMs, refusesFrom = Number.POSITIVE_INFINITY }: Scene) {
  const clock = new SimulatedClock();
  const startedAtMs = clock.nowMs();
  const atOnce = new StudiesAtOnce({ ceiling: defaultCeiling, nowMs: () => clock.nowMs() });
  const told = { running: 0, most: 0, refused: 0, tookMs: Number.NaN };
  const work = async () => {
    told.running += 1;
    told.most = Math.max(told.most, told.running);
    const isRefused = told.running > refusesFrom;
    await clock.wait(latencyMs(told.running));
    told.running -= 1;
    if (isRefused) told.refused += 1;
    return isRefused;
  };
  const done = inParallel([...Array(studies).keys()], defaultCeiling, () =>
    atOnce.through(work, (wasPushedBack) => ({ instances, wasPushedBack })),
  ).then(() => {
    told.tookMs = clock.nowMs() - startedAtMs;
  });
  while (Number.isNaN(told.tookMs)) await clock.pass(200);
  await done;
  return told;
}

it('does a thousand studies over 200 ms at least eight times faster than one after the other', async () => {
  const { tookMs, most } = await simulate({ studies: 1000, latencyMs: () => 200 });
  expect(tookMs).toBeLessThan((1000 * 200) / 8);
  expect(most).toBe(defaultCeiling);
});

it('does few at once where a server only gets slower by more', async () => {
  const { most } = await simulate({ studies: 1000, latencyMs: (atOnce) => 5 * Math.max(4, atOnce) });
  expect(most).toBeLessThanOrEqual(16);
});

it('stays below what a server refuses', async () => {
  const { refused } = await simulate({ studies: 1000, latencyMs: () => 50, refusesFrom: 10 });
  expect(refused).toBeLessThan(100);
});

it('does no more large ones at once than memory holds', async () => {
  const { most } = await simulate({ studies: 200, instances: 4000, latencyMs: () => 200 });
  expect(most).toBe(8);
});

it('goes on after a study that failed, and throws its error', async () => {
  const atOnce = new StudiesAtOnce({ ceiling: 1 });
  const error = new MirrorError('unreachable', 'the server does not answer');
  const failing = atOnce.through(
    () => Promise.reject(error),
    () => ({ instances: 0 }),
  );
  const after = atOnce.through(
    async () => 'done',
    () => ({ instances: 1 }),
  );
  await expect(failing).rejects.toBe(error);
  expect(await after).toBe('done');
});
