/** Who gets memory for copies, and when. */
import { expect, test } from 'vitest';
import { ByteBudget } from '../../core/copy/byte-budget.ts';

/** Takes from a budget and tells whether it was granted yet. */
function taker(budget: ByteBudget, bytes: number, signal?: AbortSignal) {
  const state: { granted: boolean; failed: unknown; release: (kept?: number) => void } = {
    granted: false,
    failed: undefined,
    release: () => undefined,
  };
  const taking = budget.acquire(bytes, signal).then(
    (release) => Object.assign(state, { granted: true, release }),
    (failed: unknown) => Object.assign(state, { failed }),
  );
  return { state, taking };
}

test('who waits is served in turn, also when a smaller one would fit', async () => {
  const budget = new ByteBudget(10);
  const first = taker(budget, 8);
  const [large, small] = [taker(budget, 5), taker(budget, 1)];
  await first.taking;
  await Promise.resolve();
  expect([large.state.granted, small.state.granted]).toEqual([false, false]);
  first.state.release();
  await Promise.all([large.taking, small.taking]);
});

test('who stops waiting makes room for those behind', async () => {
  const budget = new ByteBudget(10);
  const holder = taker(budget, 6);
  const stop = new AbortController();
  const [large, small] = [taker(budget, 9, stop.signal), taker(budget, 4)];
  await holder.taking;
  stop.abort(new Error('stopped'));
  await Promise.all([large.taking, small.taking]);
  expect([large.state.failed, small.state.granted]).toEqual([new Error('stopped'), true]);
});

test('who has stopped already takes nothing', async () => {
  const budget = new ByteBudget(10);
  await expect(budget.acquire(10, AbortSignal.abort(new Error('stopped')))).rejects.toThrow('stopped');
  (await budget.acquire(10))();
});

test('what is larger than everything takes everything, and runs alone', async () => {
  const budget = new ByteBudget(10);
  const release = await budget.acquire(1000);
  const next = taker(budget, 1);
  await Promise.resolve();
  expect(next.state.granted).toBe(false);
  release();
  await next.taking;
});

test('what was given back twice counts once', async () => {
  const budget = new ByteBudget(10);
  const release = await budget.acquire(4);
  release();
  release();
  await budget.acquire(10);
  const next = taker(budget, 1);
  await new Promise(setImmediate);
  expect(next.state.granted).toBe(false);
});
