/** What is stored of a cursor is small, and following goes on with it as if it had never been stored. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Change } from '../../core/follow/change-feed.ts';
import { advance, type Cursor, freshChanges, rereadSince, resetReason } from '../../core/follow/cursor.ts';
import { restoreCursor, storeCursor, storedCursorSchema } from '../../core/follow/stored-cursor.ts';
import { change } from '../support/simulated-feed.ts';

const start: Cursor = { position: 0, handled: [] };

/** Changes in rounds: numbers that rise with gaps, which later rounds may fill, and times that rise slowly. */
const rounds = fc.array(
  fc.array(fc.tuple(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 0, max: 200 })), { maxLength: 60 }),
  { maxLength: 6 },
);

function changesOf(round: readonly (readonly [number, number])[]): readonly Change[] {
  const bySeq = new Map(round.map(([seq, second]) => [seq, change(seq, seq, dateOf(second))]));
  return [...bySeq.values()].toSorted((a, b) => a.seq - b.seq);
}

function dateOf(second: number): string {
  return new Date(Date.UTC(2026, 10, 21, 3, 0, second)).toISOString().replaceAll(/[-:]|\.\d+Z$/g, '');
}

const seqsOf = ({ handled }: Cursor) => handled.map(([seq]) => seq);

test('following goes on in the same way, round after round', () => {
  fc.assert(
    fc.property(rounds, (all) => {
      let [kept, stored] = [start, start];
      for (const round of all.map(changesOf)) {
        expect(freshChanges(stored, round)).toEqual(freshChanges(kept, round));
        expect(rereadSince(stored)).toBe(rereadSince(kept));
        const last = Math.max(kept.position, ...round.map(({ seq }) => seq));
        expect(resetReason(stored, round, last)).toBe(resetReason(kept, round, last));
        kept = advance(kept, round);
        stored = restoreCursor(storedCursorSchema.parse(storeCursor(advance(stored, round))));
        expect(stored.position).toBe(kept.position);
        expect(seqsOf(stored)).toEqual(seqsOf(kept));
      }
    }),
  );
});

describe('what is stored', () => {
  const lengthOf = (cursor: Cursor): number => JSON.stringify(storeCursor(cursor)).length;
  const entries = (count: number, dateOfNth: (n: number) => string): readonly Change[] =>
    Array.from({ length: count }, (_, n) => change(n + 1, n + 1, dateOfNth(n)));

  test.each([
    ['a slow feed', 1000, (n: number) => dateOf(n * 10)],
    ['a busy feed', 24_000, (n: number) => dateOf(Math.floor(n / 400))],
  ])('of %s is a few kilobytes', (_, count, dateOfNth) => {
    const cursor = advance(start, entries(count, dateOfNth));
    expect(cursor.handled.length).toBeGreaterThanOrEqual(1000);
    expect(lengthOf(cursor)).toBeLessThan(4000);
    expect(seqsOf(restoreCursor(storeCursor(cursor)))).toEqual(seqsOf(cursor));
  });

  test('tells a source that was restored, by the entries that name other resources', () => {
    const cursor = restoreCursor(storeCursor(advance(start, entries(100, dateOf))));
    const others = Array.from({ length: 100 }, (_, n) => change(n + 1, 5000 + n));
    expect(resetReason(cursor, others, 100)).toMatch(/names another resource/);
  });

  test('is refused when its parts do not fit', () => {
    const stored = storeCursor(advance(start, entries(10, dateOf)));
    const damaged = expect.objectContaining({ code: 'archive-format' });
    expect(() => restoreCursor({ ...stored, times: '' })).toThrow(damaged);
    expect(() => restoreCursor({ ...stored, handled: '1-2' })).toThrow(damaged);
    expect(() => restoreCursor({ ...stored, handled: '1-99999999999', times: '0*99999999999' })).toThrow(damaged);
    expect(storedCursorSchema.safeParse({ ...stored, handled: '1-' }).success).toBe(false);
  });
});
