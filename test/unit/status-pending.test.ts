import { expect, test } from 'vitest';
import { lagOf, nextSamples, type Sample } from '../../core/cloud/status/pending.ts';
import type { InstanceId } from '../../core/identifiers.ts';
import type { Change } from '../../core/stores/change-feed.ts';

const idOf = (n: number): InstanceId => `${n}`.padStart(8, '0').concat('-00000000'.repeat(4)) as InstanceId;
const nowSeconds = Date.UTC(2026, 10, 21, 12) / 1000;

function stored(n: number, date: string): Change {
  return { seq: n, type: 'NewInstance', level: 'instances', id: idOf(n), date };
}

const sample = (n: number, ageSeconds: number, ...missingAt: string[]): Sample => ({
  id: idOf(n),
  atSeconds: nowSeconds - ageSeconds,
  missingAt,
});

test('what the source got is looked up in every destination, with the time at which the source got it', () => {
  expect(nextSamples([], [stored(1, '20261121T115900')], ['standby', 'archive'], nowSeconds)).toEqual([
    sample(1, 60, 'standby', 'archive'),
  ]);
});

test('other changes and what is known already do not join the sample', () => {
  const changes: Change[] = [stored(1, '20261121T115900'), { ...stored(2, '20261121T115900'), type: 'StableStudy' }];
  expect(nextSamples([sample(1, 60)], changes, ['archive'], nowSeconds)).toEqual([sample(1, 60)]);
});

test('of many new instances some join, the newest always', () => {
  const changes = Array.from({ length: 500 }, (_, n) => stored(n, '20261121T115900'));
  const samples = nextSamples([], changes, ['archive'], nowSeconds);
  expect(samples).toHaveLength(20);
  expect(samples.at(-1)?.id).toBe(idOf(499));
});

test('the sample stays bounded, and keeps the oldest and the newest', () => {
  const before = Array.from({ length: 200 }, (_, n) => sample(n, 1000 - n, 'archive'));
  const samples = nextSamples(before, [stored(999, '20261121T115900')], ['archive'], nowSeconds);
  expect(samples).toHaveLength(200);
  expect([samples[0]?.id, samples.at(-1)?.id]).toEqual([idOf(0), idOf(999)]);
});

test('what has been missing for a week is left to dead letters and comparisons', () => {
  expect(nextSamples([sample(1, 8 * 86_400, 'archive')], [], ['archive'], nowSeconds)).toEqual([]);
});

test.each([
  ['nothing is known', [], { newestPendingSeconds: 0, oldestPendingSeconds: 0, missing: 0 }],
  ['all is there', [sample(1, 90), sample(2, 10)], { newestPendingSeconds: 0, oldestPendingSeconds: 0, missing: 0 }],
  [
    'only the newest is missing',
    [sample(1, 90), sample(2, 10, 'archive')],
    { newestPendingSeconds: 10, oldestPendingSeconds: 10, missing: 1 },
  ],
  [
    'an old one is missing, the newest is there',
    [sample(1, 90, 'archive'), sample(2, 10)],
    { newestPendingSeconds: 0, oldestPendingSeconds: 90, missing: 1 },
  ],
  [
    'it is missing at another destination',
    [sample(1, 90, 'standby')],
    { newestPendingSeconds: 0, oldestPendingSeconds: 0, missing: 0 },
  ],
])('the lag when %s', (_when, samples, expected) => {
  expect(lagOf(samples, 'archive', nowSeconds)).toEqual(expected);
});
