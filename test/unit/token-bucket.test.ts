/** How often something is done at most, on a clock that only moves when somebody waits. */
import { expect, test } from 'vitest';
import { TokenBucket } from '../../core/cloud/webhook/token-bucket.ts';

function bucketOf({ burst, perSecond }: { readonly burst: number; readonly perSecond: number }) {
  const clock = { nowMs: 0 };
  const wait = async (ms: number) => {
    clock.nowMs += ms;
  };
  const bucket = new TokenBucket({ burst, perSecond, now: () => clock.nowMs });
  const never = new AbortController().signal;
  return { clock, bucket, taken: (signal = never) => bucket.taken({ wait }, signal) };
}

test('what is sent again goes out no faster than its rate', async () => {
  const { clock, taken } = bucketOf({ burst: 1, perSecond: 5 });
  const times: number[] = [];
  for (let n = 0; n < 6; n += 1) {
    await taken();
    times.push(clock.nowMs);
  }
  expect(times).toEqual([0, 200, 400, 600, 800, 1000]);
});

test('after a rest a burst goes out at once', async () => {
  const { clock, taken } = bucketOf({ burst: 3, perSecond: 1 });
  clock.nowMs = 60_000;
  for (let n = 0; n < 3; n += 1) await taken();
  expect(clock.nowMs).toBe(60_000);
  await taken();
  expect(clock.nowMs).toBe(61_000);
});

test('who is interrupted waits no more', async () => {
  const { clock, taken } = bucketOf({ burst: 1, perSecond: 1 });
  await taken();
  await taken(AbortSignal.abort());
  expect(clock.nowMs).toBe(0);
});
