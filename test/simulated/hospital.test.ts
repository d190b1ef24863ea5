/** A hospital of 20 million instances in simulated time; `bench/hospital.ts` is the same, larger and longer. */
import { expect, test } from 'vitest';
import { Hospital, type HospitalOptions } from '../support/hospital/hospital.ts';

const scale = 4000;
const options: HospitalOptions = {
  instances: 20_000_000,
  perDay: 40_000,
  studies: 5000,
  days: 10,
  scale,
  requestMs: 30,
  timeoutSeconds: 900,
  copiesPerSecond: { new: 8, old: 22 },
  // One batch of a comparison stands for two million real messages.
  backlogMessages: 600 * scale,
  isMirrored: true,
};

function failuresOf({ slices }: Hospital): unknown[] {
  return slices.flatMap(({ error }) => (error === undefined ? [] : [error]));
}

/** What comparisons took for an accident. */
function guardedOf({ slices }: Hospital): unknown[] {
  return slices.flatMap(({ report }) => (report?.deletions?.kind === 'guarded' ? [report.deletions] : []));
}

function longestSliceMs({ slices }: Hospital): number {
  return Math.max(...slices.map(({ tookMs }) => tookMs));
}

test('comparisons of 20 million instances end daily, in slices that each get on, and what is new goes ahead', async () => {
  const hospital = new Hospital(options);
  await hospital.compareOnce(2);
  const { source } = hospital;
  const asked = () => ({ pages: source.requests.get('page') ?? 0, feed: source.requests.get('changes') ?? 0 });
  const first = asked();
  // A thousand pages tell every hash once; and again those of the part that was under way when a slice was cut.
  expect(first.pages).toBeLessThan(1000 * 1.2);
  // Five hundred pages of the feed, a hundred at its end, and a look at what is new in each minute of half a day.
  expect(first.feed).toBeLessThan(2500);
  hospital.beginArrivals();
  await hospital.pass(1.5);
  expect(hospital.comparedAtMs.length).toBe(1 + 1);
  // A thirtieth is asked for again.
  expect(asked().pages - first.pages).toBeLessThan(100);
  expect(asked().feed - first.feed).toBeLessThan(1500 + 1.5 * 24 * 60 * 2);
  expect(hospital.slowestArrivalMs).toBeLessThan(120_000);
  expect(failuresOf(hospital)).toEqual([]);
  // What arrives while the ids are compared is on no list that was made before, and is not gone for that.
  expect(guardedOf(hospital)).toEqual([]);
  expect(longestSliceMs(hospital)).toBeLessThanOrEqual(options.timeoutSeconds * 1000);
});

/** Nothing is said there of how soon something arrives. */
const seldom = { ...options, everyMinutes: 15 };

test('a target that was away for two days gets what it missed, within the bound of the queue', async () => {
  const hospital = new Hospital(seldom);
  await hospital.compareOnce(2);
  hospital.beginArrivals();
  await hospital.beginOutage();
  await hospital.pass(2);
  expect(hospital.missing.target).toBeGreaterThan(2 * options.perDay * 0.9);
  expect(hospital.missing.archive).toBeLessThanOrEqual(scale);
  hospital.target.isAway = false;
  await hospital.pass(2);
  expect(hospital.missing.target).toBeLessThanOrEqual(scale);
  expect(hospital.longestBacklog).toBeLessThanOrEqual(options.backlogMessages);
  expect(failuresOf(hospital)).toEqual([]);
});

test('a cleared feed and a lost memory cost time, and no slice is in vain', async () => {
  const hospital = new Hospital(seldom);
  await hospital.compareOnce(2);
  hospital.beginArrivals();
  hospital.source.clearFeed();
  await hospital.pass(1);
  const compared = hospital.comparedAtMs.length;
  expect(compared).toBeGreaterThan(1);
  hospital.bucket.forgetInventories();
  await hospital.pass(2);
  expect(hospital.comparedAtMs.length).toBeGreaterThan(compared);
  expect(failuresOf(hospital)).toEqual([]);
  expect(longestSliceMs(hospital)).toBeLessThanOrEqual(options.timeoutSeconds * 1000);
});
