import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type EstimateInput, estimate, totalOf } from '../../core/cloud/estimate/estimate.ts';
import { pricesOf, storageClasses, storagePrices } from '../../core/cloud/estimate/prices.ts';

const hospital: EstimateInput = {
  instances: 1_000_000,
  perDay: 0,
  averageBytes: 1024 * 1024,
  storageClass: 'standard',
  targets: 1,
  targetsOutside: false,
  mirrors: 1,
  everyMinutes: 1,
  verifyDays: 30,
  linkMegabits: 1000,
};

function dollarsOf(input: Partial<EstimateInput>, what: RegExp): number {
  const { begin, monthly } = estimate({ ...hospital, ...input });
  return totalOf([...begin, ...monthly].filter((item) => what.test(item.what)));
}

test('a million instances of one MiB in Standard cost 0.023 dollars per GiB and month', () => {
  expect(dollarsOf({}, /^storage/)).toBeCloseTo((1_000_000 / 1024) * 0.023, 2);
});

test.each(storageClasses)('instances below 128 KiB stay in Standard, whatever was asked for (%s)', (storageClass) => {
  const small = { averageBytes: 127 * 1024, perDay: 100 };
  expect(estimate({ ...hospital, ...small, storageClass })).toEqual(estimate({ ...hospital, ...small }));
});

test('Deep Archive adds 32 KiB of its own and 8 KiB of Standard to every instance, and nothing is read back', () => {
  const deep = { storageClass: 'deep-archive', averageBytes: 128 * 1024 } as const;
  const gibPerKib = 1_000_000 / 1024 ** 2;
  expect(dollarsOf(deep, /^storage/)).toBeCloseTo(160 * gibPerKib * 0.00099 + 8 * gibPerKib * 0.023, 6);
  expect(dollarsOf(deep, /^verification/)).toBe(0);
});

test('colder storage costs less to keep and more to read', () => {
  const perGib = storageClasses.map((storageClass) => storagePrices[storageClass].perGibMonth);
  expect(perGib).toEqual(perGib.toSorted((one, other) => other - one));
  expect(dollarsOf({ storageClass: 'instant-retrieval' }, /^verification/)).toBeGreaterThan(
    dollarsOf({}, /^verification/),
  );
});

test('transfer to targets is charged where they are outside, each of them', () => {
  expect(dollarsOf({}, /outside/)).toBe(0);
  const once = dollarsOf({ targetsOutside: true }, /outside/);
  expect(once).toBeGreaterThan(0);
  expect(dollarsOf({ targetsOutside: true, targets: 3 }, /outside/)).toBeCloseTo(3 * once);
});

test('a look-up before a copy is charged as a listing, and an empty queue costs what asking it costs', () => {
  // Twenty million look-ups at half a cent per thousand.
  expect(dollarsOf({ instances: 20_000_000 }, /^S3 look-ups/)).toBeCloseTo(100, 6);
  // Three queues, asked by five requests that wait for 20 seconds each.
  expect(dollarsOf({ instances: 0 }, /^SQS/)).toBeCloseTo((3 * 5 * 3 * 60 * 24 * 30.4 * 0.4) / 1e6, 6);
});

test.each([
  [{ instances: 20_000_000, averageBytes: 512 * 1024, targets: 0 }, 30, true],
  [{ instances: 150_000_000, averageBytes: 512 * 1024, targets: 0 }, 30, false],
  [{ instances: 20_000_000, averageBytes: 512 * 1024, targets: 3 }, 30, false],
] as const)('of %j read back in %i days it tells whether that can be kept: %s', (input, verifyDays, can) => {
  const { verification } = estimate({ ...hospital, ...input, verifyDays });
  const { neededGibPerHour = 0, possibleGibPerHour = 0, leastDays = 0 } = verification ?? {};
  expect(neededGibPerHour <= possibleGibPerHour).toBe(can);
  expect(leastDays <= verifyDays).toBe(can);
  const longer = estimate({ ...hospital, ...input, verifyDays: leastDays }).verification;
  expect(longer?.neededGibPerHour).toBeLessThanOrEqual(possibleGibPerHour);
});

test('a first copy takes at least what the link takes', () => {
  for (const linkMegabits of [100, 1000, 10_000]) {
    const { bulkLoad } = estimate({ ...hospital, linkMegabits });
    expect(bulkLoad.linkHours).toBeCloseTo((1_000_000 * 1024 * 1024 * 8) / (linkMegabits * 0.8e6) / 3600, 6);
    expect(bulkLoad.stackHours).toBeGreaterThanOrEqual(bulkLoad.runHours);
    expect(bulkLoad.runHours).toBeGreaterThanOrEqual(bulkLoad.linkHours);
  }
});

test('the table of prices tells its date, and a source for every price', () => {
  expect(Date.parse(pricesOf)).not.toBeNaN();
  const text = readFileSync('core/cloud/estimate/prices.ts', 'utf8');
  const sources = [...text.matchAll(/^ \* - \[(\w+)\]/gm)].map(([, name]) => name ?? '');
  const priced = text.split('\n').filter((line) => /^ +per\w+: (?!0,)[\d.]+,/.test(line));
  expect(priced.length).toBeGreaterThan(20);
  for (const line of priced) {
    const named = [...line.matchAll(/\[(\w+)\]/g)].map(([, name]) => name ?? '');
    expect(named.length, line).toBeGreaterThan(0);
    expect(sources, line).toEqual(expect.arrayContaining(named));
  }
});
