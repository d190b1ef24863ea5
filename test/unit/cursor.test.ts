import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ChangeFeed } from '../../core/follow/change-feed.ts';
import { advance, type Cursor, overlapEntries, resetReason } from '../../core/follow/cursor.ts';
import { cursorAtEnd, followChanges } from '../../core/follow/follow.ts';
import { change, SimulatedFeed } from '../support/simulated-feed.ts';

async function follow(feed: ChangeFeed, start: Cursor): Promise<{ seqs: number[]; cursor: Cursor; reset?: string }> {
  const seqs: number[] = [];
  let cursor = start;
  for await (const step of followChanges(feed, start)) {
    if (step.kind === 'reset') return { seqs, cursor, reset: step.reason };
    seqs.push(...step.changes.map(({ seq }) => seq));
    cursor = step.cursor;
  }
  return { seqs, cursor };
}

describe('following the change feed', () => {
  test('yields every entry exactly once, however entries come in and in whatever order they commit', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uniqueArray(fc.integer({ min: 1, max: 900 })), { maxLength: 6 }), async (rounds) => {
        const feed = new SimulatedFeed();
        let cursor = await cursorAtEnd(feed);
        const seen: number[] = [];
        const committed = new Set<number>();
        for (const round of rounds) {
          feed.add(...round.filter((seq) => !committed.has(seq)).map((seq) => change(seq)));
          for (const seq of round) committed.add(seq);
          const followed = await follow(feed, cursor);
          expect(followed.reset).toBeUndefined();
          seen.push(...followed.seqs);
          cursor = followed.cursor;
        }
        expect(seen.sort((a, b) => a - b)).toEqual([...committed].sort((a, b) => a - b));
      }),
    );
  });

  test('costs one request when there is nothing new', async () => {
    const feed = new SimulatedFeed();
    feed.add(...Array.from({ length: 500 }, (_, index) => change(index + 1)));
    const cursor = await cursorAtEnd(feed);
    feed.requests = 0;
    expect((await follow(feed, cursor)).seqs).toEqual([]);
    expect(feed.requests).toBe(1);
  });

  test('reads many pages and remembers no more than the overlap', async () => {
    const feed = new SimulatedFeed();
    const cursor = await cursorAtEnd(feed);
    feed.add(
      ...Array.from({ length: 5500 }, (_, index) =>
        change(index + 1, index, `20261121T02${String(Math.floor(index / 100)).padStart(2, '0')}00`),
      ),
    );
    const followed = await follow(feed, cursor);
    expect(followed.seqs).toHaveLength(5500);
    expect(followed.cursor.handled.length).toBeLessThanOrEqual(overlapEntries + 100);
  });

  test('takes an entry that commits after later ones were read', async () => {
    const feed = new SimulatedFeed();
    feed.add(change(100), change(102), change(103));
    const cursor = await cursorAtEnd(feed);
    feed.add(change(101));
    expect((await follow(feed, cursor)).seqs).toEqual([101]);
  });

  test('is not alarmed when the newest instances are deleted at the source', async () => {
    const feed = new SimulatedFeed();
    feed.add(change(1), change(2), change(3));
    const cursor = await cursorAtEnd(feed);
    feed.entries = feed.entries.filter(({ seq }) => seq < 3);
    expect(await follow(feed, cursor)).toMatchObject({ seqs: [], cursor });
    expect((await follow(feed, cursor)).reset).toBeUndefined();
  });

  test.each([
    [
      'ends before the position',
      (feed: SimulatedFeed) => Object.assign(feed, { entries: [change(1)], lastEver: 1 }),
      /restored or replaced/,
    ],
    ['was cleared', (feed: SimulatedFeed) => Object.assign(feed, { entries: [change(9)], lastEver: 9 }), /cleared/],
    [
      'names other resources',
      (feed: SimulatedFeed) => Object.assign(feed, { entries: [change(1), change(2, 77), change(3)] }),
      /restored/,
    ],
  ])('asks for a comparison when the feed %s', async (_, break_, reason) => {
    const feed = new SimulatedFeed();
    feed.add(change(1), change(2), change(3));
    const cursor = await cursorAtEnd(feed);
    break_(feed);
    expect((await follow(feed, cursor)).reset).toMatch(reason);
  });
});

describe('the cursor', () => {
  test('keeps entries of the last minute even if more than the overlap came in it', () => {
    const changes = Array.from({ length: 3000 }, (_, index) => change(index + 1));
    expect(advance({ position: 0, handled: [] }, changes).handled).toHaveLength(3000);
  });

  test('has nothing against a feed that was never read', () => {
    expect(resetReason({ position: 0, handled: [] }, [], 0)).toBeUndefined();
  });
});
