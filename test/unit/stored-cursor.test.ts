/** What is stored of a cursor is small, and following goes on with it as if it had never been stored. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  advance,
  type Cursor,
  cursorAt,
  freshChanges,
  landmarkEntries,
  mustReread,
  recognize,
} from '../../core/mirror/follow/cursor.ts';
import { restoreCursor, storeCursor, storedCursorSchema } from '../../core/mirror/follow/stored-cursor.ts';
import type { Change } from '../../core/stores/change-feed.ts';
import { change } from '../support/simulated-feed.ts';

const startMs = Date.parse('2026-11-21T03:00:00Z');
const start = cursorAt(0, 0, startMs);

/** Changes in rounds, seconds after each other: numbers that rise with gaps, which later rounds may fill. */
const rounds = fc.array(
  fc.tuple(fc.nat({ max: 200 }), fc.uniqueArray(fc.integer({ min: 1, max: 3000 }), { maxLength: 60 })),
  { maxLength: 6 },
);

const changesOf = (seqs: readonly number[]): readonly Change[] =>
  seqs.toSorted((a, b) => a - b).map((seq) => change(seq, seq));
const seqsOf = ({ handled }: Cursor) => handled.map(([seq]) => seq);
const stored = (cursor: Cursor): Cursor => restoreCursor(storedCursorSchema.parse(storeCursor(cursor)));

test('following goes on in the same way, round after round', () => {
  fc.assert(
    fc.property(rounds, (all) => {
      let [kept, again] = [start, start];
      let nowMs = startMs;
      for (const [seconds, seqs] of all) {
        nowMs += seconds * 1000;
        const round = changesOf(seqs);
        const fresh = freshChanges(kept, round);
        expect(freshChanges(again, round)).toEqual(fresh);
        expect(mustReread(again, nowMs)).toBe(mustReread(kept, nowMs));
        expect(recognize(again, round)).toBe(recognize(kept, round));
        kept = advance(kept, fresh, nowMs);
        again = stored(advance(again, fresh, nowMs));
        expect({ ...again, handled: seqsOf(again) }).toEqual({ ...kept, handled: seqsOf(kept) });
      }
    }),
  );
});

describe('what is stored', () => {
  const entries = (count: number): readonly Change[] => Array.from({ length: count }, (_, n) => change(n + 1, n + 1));

  test('of a busy feed, whose last minutes must be known by heart, is a few kilobytes', () => {
    let cursor = start;
    const all = entries(24_000);
    for (let second = 0; second < 60; second += 1) {
      cursor = advance(cursor, all.slice(second * 400, second * 400 + 400), startMs + second * 1000);
    }
    expect(seqsOf(cursor)).toHaveLength(24_000);
    expect(JSON.stringify(storeCursor(cursor)).length).toBeLessThan(4000);
    expect(seqsOf(stored(cursor))).toEqual(seqsOf(cursor));
  });

  test('tells a source that was restored, by the entries that name other resources', () => {
    const cursor = stored(advance(start, entries(10 * landmarkEntries), startMs));
    const others = Array.from({ length: 10 * landmarkEntries }, (_, n) => change(n + 1, 5000 + n));
    expect(recognize(cursor, others)).toBe('other');
    expect(recognize(cursor, entries(10 * landmarkEntries))).toBe('known');
  });

  test('is refused when its parts do not fit', () => {
    const parts = storeCursor(advance(start, entries(10), startMs));
    const damaged = expect.objectContaining({ code: 'archive-format' });
    expect(() => restoreCursor({ ...parts, times: '' })).toThrow(damaged);
    expect(() => restoreCursor({ ...parts, handled: '1-2' })).toThrow(damaged);
    expect(() => restoreCursor({ ...parts, handled: '1-99999999999', times: '0*99999999999' })).toThrow(damaged);
    expect(storedCursorSchema.safeParse({ ...parts, handled: '1-' }).success).toBe(false);
  });
});
