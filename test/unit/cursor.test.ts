import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  advance,
  type Cursor,
  cursorAt,
  landmarkEntries,
  lateCommitSeconds,
  mustReread,
  recognize,
} from '../../core/mirror/follow/cursor.ts';
import { cursorAtEnd, followChanges, isQuiet } from '../../core/mirror/follow/follow.ts';
import type { ChangeFeed } from '../../core/stores/change-feed.ts';
import { change, SimulatedFeed } from '../support/simulated-feed.ts';

const startMs = Date.parse('2026-11-21T02:46:00Z');
const seconds = (count: number): { nowMs: number } => ({ nowMs: startMs + count * 1000 });

async function follow(
  feed: ChangeFeed,
  start: Cursor,
  at: { nowMs: number },
): Promise<{ seqs: number[]; cursor: Cursor; reset?: string }> {
  const seqs: number[] = [];
  let cursor = start;
  for await (const step of followChanges(feed, start, at)) {
    if (step.kind === 'reset') return { seqs, cursor, reset: step.reason };
    seqs.push(...step.changes.map(({ seq }) => seq));
    cursor = step.cursor;
  }
  return { seqs, cursor };
}

/** Looks at the feed every so many seconds. @returns how many requests and entries each look cost. */
async function watch(
  feed: SimulatedFeed,
  start: Cursor,
  { from, to, every }: { from: number; to: number; every: number },
): Promise<{ cursor: Cursor; requests: number; entries: number }> {
  Object.assign(feed, { requests: 0, entriesGiven: 0 });
  let cursor = start;
  for (let at = from; at < to; at += every) ({ cursor } = await follow(feed, cursor, seconds(at)));
  return { cursor, requests: feed.requests, entries: feed.entriesGiven };
}

describe('following the change feed', () => {
  test('yields every entry exactly once, however entries come in and in whatever order they commit', async () => {
    const rounds = fc.array(fc.uniqueArray(fc.integer({ min: 1, max: 900 })), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(rounds, fc.integer({ min: 1, max: 18 }), async (committing, everySeconds) => {
        const feed = new SimulatedFeed();
        let cursor = await cursorAtEnd(feed, seconds(0));
        const seen: number[] = [];
        const committed = new Set<number>();
        const look = async (at: number): Promise<void> => {
          const followed = await follow(feed, cursor, seconds(at));
          expect(followed.reset).toBeUndefined();
          seen.push(...followed.seqs);
          cursor = followed.cursor;
        };
        let at = 0;
        for (const round of committing) {
          feed.add(...round.filter((seq) => !committed.has(seq)).map((seq) => change(seq)));
          for (const seq of round) committed.add(seq);
          at += everySeconds;
          await look(at);
        }
        for (const end = at + 2 * lateCommitSeconds; at < end; at += 5) await look(at);
        expect(seen.sort((a, b) => a - b)).toEqual([...committed].sort((a, b) => a - b));
      }),
    );
  });

  test('a silent feed costs one request with an empty answer for each look, for good', async () => {
    const feed = new SimulatedFeed();
    feed.add(...Array.from({ length: 3000 }, (_, index) => change(index + 1)));
    const start = await cursorAtEnd(feed, seconds(0));
    const after = await watch(feed, start, { from: 5, to: 200, every: 5 });
    const idle = await watch(feed, after.cursor, { from: 200, to: 3800, every: 5 });
    expect({ requests: idle.requests, entries: idle.entries }).toEqual({ requests: 720, entries: 0 });
    expect(await isQuiet(feed, idle.cursor, seconds(3800))).toBe(true);
  });

  test('after a burst its end is read again a few times, with growing pauses, and then no more', async () => {
    const feed = new SimulatedFeed();
    let cursor = await cursorAtEnd(feed, seconds(0));
    feed.add(...Array.from({ length: 500 }, (_, index) => change(index + 1)));
    ({ cursor } = await follow(feed, cursor, seconds(1)));
    const readAt: number[] = [];
    for (let at = 2; at < 1000; at += 1) {
      if (mustReread(cursor, seconds(at).nowMs)) readAt.push(at);
      ({ cursor } = await follow(feed, cursor, seconds(at)));
    }
    expect(readAt).toEqual([20, 40, 79, 157]);
  });

  test('reads many pages and remembers no more than what may still be overtaken, and some landmarks', async () => {
    const feed = new SimulatedFeed();
    let cursor = await cursorAtEnd(feed, seconds(0));
    feed.add(...Array.from({ length: 5500 }, (_, index) => change(index + 1)));
    const followed = await follow(feed, cursor, seconds(1));
    expect(followed.seqs).toHaveLength(5500);
    ({ cursor } = await watch(feed, followed.cursor, { from: 5, to: 300, every: 5 }));
    expect(cursor.handled).toHaveLength(landmarkEntries);
  });

  test.each([1, 30, lateCommitSeconds - 1])(
    'takes an entry that commits %i s after a later one was read',
    async (lateSeconds) => {
      const feed = new SimulatedFeed();
      feed.add(change(100));
      let cursor = await cursorAtEnd(feed, seconds(0));
      feed.add(change(102), change(103));
      ({ cursor } = await follow(feed, cursor, seconds(1)));
      ({ cursor } = await watch(feed, cursor, { from: 2, to: 1 + lateSeconds, every: 1 }));
      feed.add(change(101));
      const seqs: number[] = [];
      for (let at = 1 + lateSeconds; at < 400; at += 1) {
        const followed = await follow(feed, cursor, seconds(at));
        seqs.push(...followed.seqs);
        cursor = followed.cursor;
      }
      expect(seqs).toEqual([101]);
    },
  );

  test('takes a late entry also while new ones keep coming', async () => {
    const feed = new SimulatedFeed();
    let cursor = await cursorAtEnd(feed, seconds(0));
    const seqs: number[] = [];
    for (let at = 1; at < 100; at += 1) {
      // Entry 10 commits half a minute after its neighbours.
      feed.add(change(at === 40 ? 10 : at < 10 ? at : at + 1));
      const followed = await follow(feed, cursor, seconds(at));
      seqs.push(...followed.seqs);
      cursor = followed.cursor;
    }
    expect(seqs).toContain(10);
    expect(new Set(seqs).size).toBe(seqs.length);
  });

  test('is not alarmed when the newest instances are deleted at the source, all that it remembers included', async () => {
    const feed = new SimulatedFeed();
    feed.add(...Array.from({ length: 200 }, (_, index) => change(index + 1)));
    let cursor = await cursorAtEnd(feed, seconds(0));
    ({ cursor } = await watch(feed, cursor, { from: 5, to: 300, every: 5 }));
    feed.entries = feed.entries.filter(({ seq }) => seq < 100);
    feed.add(change(201));
    expect(await follow(feed, cursor, seconds(400))).toMatchObject({ seqs: [201] });
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
      (feed: SimulatedFeed) =>
        Object.assign(feed, { entries: [change(1), change(2, 77), change(3), change(4)], lastEver: 4 }),
      /restored/,
    ],
  ])('asks for a comparison when the feed %s', async (_, break_, reason) => {
    const feed = new SimulatedFeed();
    feed.add(change(1), change(2), change(3));
    let cursor = await cursorAtEnd(feed, seconds(0));
    ({ cursor } = await watch(feed, cursor, { from: 5, to: 300, every: 5 }));
    break_(feed);
    expect(await isQuiet(feed, cursor, seconds(3600))).toBe(false);
    expect((await follow(feed, cursor, seconds(3600))).reset).toMatch(reason);
  });
});

describe('the cursor', () => {
  test('keeps entries that may still be overtaken, however many they are', () => {
    const changes = Array.from({ length: 3000 }, (_, index) => change(index + 1));
    expect(advance(cursorAt(0, 0, startMs), changes, startMs).handled).toHaveLength(3000);
  });

  test('has nothing against a feed that was never read', () => {
    expect(recognize(cursorAt(0, 0, startMs), [])).toBe('known');
  });

  test('reads again at once when the clock was set back', () => {
    expect(mustReread(cursorAt(9, 0, startMs), startMs - 86_400_000)).toBe(true);
  });
});
