import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  completeListing,
  type DeletionLimits,
  forget,
  type Missing,
  missingSchema,
  noteListed,
  nothingMissing,
} from '../../core/archive-life/deletions/missing.ts';
import type { InstanceId } from '../../core/identifiers.ts';
import { sampleId } from '../support/memory-store.ts';

const day = 24 * 60 * 60 * 1000;
const limits: DeletionLimits = { maxCount: 5, maxPercent: 1, graceMs: day };
const start = Date.parse('2026-11-21T02:46:00Z');

function listing(before: Missing, listed: number, missing: readonly InstanceId[], days: number) {
  return completeListing(noteListed(before, listed, missing, limits), limits, new Date(start + days * day));
}

describe('an instance', () => {
  test('is gone when two complete listings in a row miss it and the grace period is over', () => {
    const first = listing(nothingMissing, 1000, [sampleId(1)], 0);
    expect(first.verdict).toEqual({ kind: 'none' });
    const second = listing(first.next, 1000, [sampleId(1)], 1);
    expect(second.verdict).toEqual({ kind: 'gone', ids: [sampleId(1)] });
    expect(listing(forget(second.next, [sampleId(1)]), 1000, [], 2).verdict).toEqual({ kind: 'none' });
  });

  test('is not gone within the grace period, however often it was missed', () => {
    const first = listing(nothingMissing, 1000, [sampleId(1)], 0);
    expect(listing(first.next, 1000, [sampleId(1)], 0.9).verdict).toEqual({ kind: 'none' });
  });

  test('waits for the grace period since it was first missed, however often it was missed meanwhile', () => {
    const first = listing(nothingMissing, 1000, [sampleId(1)], 0);
    const second = listing(first.next, 1000, [sampleId(1)], 0.6);
    expect(second.next.previous).toEqual(first.next.previous);
    expect(listing(second.next, 1000, [sampleId(1)], 1).verdict).toEqual({ kind: 'gone', ids: [sampleId(1)] });
  });

  test('that was first missed by a clock that was ahead waits for the grace period and no longer', () => {
    const ahead = listing(nothingMissing, 1000, [sampleId(1)], 300);
    const right = listing(ahead.next, 1000, [sampleId(1)], 0);
    expect(right.verdict).toEqual({ kind: 'none' });
    expect(listing(right.next, 1000, [sampleId(1)], 1).verdict).toEqual({ kind: 'gone', ids: [sampleId(1)] });
  });

  test('that came back within the grace period begins anew', () => {
    const missed = listing(nothingMissing, 1000, [sampleId(1)], 0);
    const back = listing(missed.next, 1001, [], 1);
    expect(listing(back.next, 1000, [sampleId(1)], 2).verdict).toEqual({ kind: 'none' });
  });
});

describe('what was dealt with', () => {
  test('is not gone at once when it is missed again', () => {
    const first = listing(nothingMissing, 1000, [sampleId(1)], 0);
    const second = listing(first.next, 1000, [sampleId(1)], 1);
    expect(listing(forget(second.next, [sampleId(1)]), 1000, [sampleId(1)], 2).verdict).toEqual({ kind: 'none' });
  });
});

test('what was dealt with is forgotten, and nothing else', () => {
  const ids = [1, 2, 3].map(sampleId);
  const { next } = listing(nothingMissing, 1000, ids, 0);
  expect(forget(next, ids.slice(0, 2)).previous.map(([id]) => id)).toEqual(ids.slice(2));
});

describe('the guard', () => {
  test.each([
    ['as many as the count', 100_000, 5],
    ['as many as the percentage', 99, 1],
  ])('lets pass %s', (_, listed, count) => {
    const ids = Array.from({ length: count }, (_unused, n) => sampleId(n));
    const first = listing(nothingMissing, listed, ids, 0);
    expect(listing(first.next, listed, ids, 1).verdict).toEqual({ kind: 'gone', ids });
  });

  test('says nothing of an empty source that others hold nothing of', () => {
    expect(listing(nothingMissing, 0, [], 0).verdict).toEqual({ kind: 'none' });
  });

  test.each([
    ['the source lists nothing', 0, 1, /lists nothing/],
    ['more than the count are missing', 100_000, 6, /more than the limit of 5/],
    ['more than the percentage is missing', 100, 2, /more than the limit of 1 %/],
  ])('holds everything back when %s', (_, listed, count, reason) => {
    const ids = Array.from({ length: count }, (_unused, n) => sampleId(n));
    const first = listing(nothingMissing, 100_000, ids.slice(0, 1), 0);
    const { verdict, next } = listing(first.next, listed, ids, 3);
    expect(verdict).toMatchObject({ kind: 'guarded', count, reason: expect.stringMatching(reason) });
    expect(next.previous).toEqual(first.next.previous);
  });

  test('never lets more than the limits pass, whatever the listings say', () => {
    const rounds = fc.array(fc.record({ listed: fc.nat(2000), missing: fc.uniqueArray(fc.nat(20)) }), { maxLength: 8 });
    fc.assert(
      fc.property(rounds, (history) => {
        let state = nothingMissing;
        for (const [days, { listed, missing }] of history.entries()) {
          const { verdict, next } = listing(state, listed, missing.map(sampleId), days * 2);
          expect(missingSchema.safeParse(next).success).toBe(true);
          if (verdict.kind === 'gone') {
            expect(listed).toBeGreaterThan(0);
            expect(verdict.ids.length).toBeLessThanOrEqual(limits.maxCount);
            expect((100 * missing.length) / (listed + missing.length)).toBeLessThanOrEqual(limits.maxPercent);
            const before = history[days - 1];
            for (const id of verdict.ids) expect(missing.map(sampleId)).toContain(id);
            expect(before).toBeDefined();
          }
          state = next;
        }
      }),
    );
  });

  test('remembers no more ids than it could ever delete', () => {
    const ids = Array.from({ length: 5000 }, (_, n) => sampleId(n));
    expect(noteListed(nothingMissing, 1, ids, limits).current).toMatchObject({ count: 5000, ids: { length: 6 } });
  });
});
