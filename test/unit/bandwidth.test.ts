import { expect, test, vi } from 'vitest';
import { ByteRate } from '../../core/copy/byte-rate.ts';
import { limitReads } from '../../core/copy/limit-reads.ts';
import { md5Of } from '../../core/identifiers.ts';
import { MemoryStore, sampleBytes, sampleId } from '../support/memory-store.ts';

/** A rate on a clock that jumps to where somebody sleeps until. */
function simulatedRate(bytesPerSecond: number) {
  const clock = { nowMs: 0 };
  const sleepUntil = async (atMs: number) => {
    clock.nowMs = Math.max(clock.nowMs, atMs);
  };
  return { clock, rate: new ByteRate({ bytesPerSecond, now: () => clock.nowMs, sleepUntil }) };
}

test('bytes of many streams together pass at the rate, after the burst of one second', async () => {
  const { clock, rate } = simulatedRate(1000);
  await Promise.all(Array.from({ length: 30 }, () => rate.take(200)));
  expect(clock.nowMs).toBe(5000);
});

test('what was not used is saved up for one second only', async () => {
  const { clock, rate } = simulatedRate(1000);
  clock.nowMs = 60_000;
  await rate.take(3000);
  expect(clock.nowMs).toBe(62_000);
});

test('who waits is let go when its work is broken off', async () => {
  const rate = new ByteRate({ bytesPerSecond: 1 });
  const stop = new AbortController();
  const taken = rate.take(1_000_000, stop.signal);
  stop.abort();
  await taken;
});

test('an instance that is given up is given up at its source', async () => {
  const store = new MemoryStore('source', [[sampleId(1), sampleBytes(1)]]);
  const cancel = vi.fn();
  const open = store.open.bind(store);
  store.open = async (id) => ({ ...(await open(id)), cancel });
  const opened = await limitReads(store, simulatedRate(1).rate).open(sampleId(1));
  expect(cancel).not.toHaveBeenCalled();
  opened.cancel();
  expect(cancel).toHaveBeenCalledOnce();
});

test('an instance that is read slowly is the same instance', async () => {
  const store = new MemoryStore('source', [[sampleId(1), sampleBytes(1, 100_000)]]);
  store.chunkBytes = 10_000;
  const { clock, rate } = simulatedRate(10_000);
  const { body } = await limitReads(store, rate).open(sampleId(1));
  expect(md5Of(Buffer.concat(await Array.fromAsync(body)))).toBe(md5Of(sampleBytes(1, 100_000)));
  expect(clock.nowMs).toBe(9000);
});
