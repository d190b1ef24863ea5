import { expect, test } from 'vitest';
import { type EstimateInput, estimate, totalOf } from '../../core/estimate/estimate.ts';
import { pricesOf, storageClasses, storagePrices } from '../../core/estimate/prices.ts';

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
};

function dollarsOf(input: Partial<EstimateInput>, what: RegExp): number {
  const { begin, monthly } = estimate({ ...hospital, ...input });
  return totalOf([...begin, ...monthly].filter((item) => what.test(item.what)));
}

test('a million instances of one MiB in Standard cost 0.023 dollars per GiB and month', () => {
  expect(dollarsOf({}, /^storage/)).toBeCloseTo((1_000_000 / 1024) * 0.023, 2);
});

test('objects below 128 KiB are charged as 128 KiB where the class does so', () => {
  const small = { storageClass: 'infrequent-access', averageBytes: 10 * 1024 } as const;
  expect(dollarsOf(small, /^storage/)).toBe(dollarsOf({ ...small, averageBytes: 128 * 1024 }, /^storage/));
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

test('the table of prices tells its date', () => {
  expect(Date.parse(pricesOf)).not.toBeNaN();
});
