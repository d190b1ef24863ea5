/** What a scheduled mirror does with a queue that is not worked off as fast as a comparison finds things. */
import { expect, test } from 'vitest';
import { Backlog } from '../../core/mirror/backlog.ts';
import type { Progress } from '../../core/mirror/progress.ts';
import { tick } from '../../core/mirror/tick.ts';
import { MemoryStore, sampleBytes, sampleId } from '../support/memory-store.ts';
import { standingClock } from '../support/simulated-clock.ts';
import { change, SimulatedFeed } from '../support/simulated-feed.ts';

const minuteMs = 60_000;
const minutesPerDay = 24 * 60;

/** A mirror of `count` instances whose queue takes `most` messages of what is old. */
function setUp(count: number, most: number) {
  const source = new MemoryStore('source');
  const target = new MemoryStore('target');
  const feed = new SimulatedFeed();
  const add = (first: number, last = first): void => {
    const added = Array.from({ length: last - first + 1 }, (_, index) => first + index);
    for (const n of added) source.instances.set(sampleId(n), sampleBytes(n));
    feed.add(...added.map((n, index) => change(feed.lastEver + 1 + index, n)));
  };
  add(1, count);
  const lanes = { new: [] as string[], old: [] as string[] };
  let nowMs = Date.parse('2026-11-21T00:00:00Z');
  let progress: Progress | undefined;
  let version = 0;
  const asked = { times: 0 };
  let fullest = 0;
  const minute = async () => {
    const report = await tick({
      source,
      feed,
      sourceIdentity: async () => 'database',
      destinations: [{ role: 'target', store: target }],
      document: {
        read: async () => progress && { value: progress, version: `${version}` },
        write: async (value) => {
          progress = value;
          version += 1;
          return `${version}`;
        },
      },
      send: async (announcements, age) => {
        lanes[age].push(...announcements.map(({ id }) => id));
        fullest = Math.max(fullest, lanes.old.length, lanes.new.length);
      },
      backlog: new Backlog({
        most,
        left: async (age) => {
          asked.times += 1;
          return lanes[age].length;
        },
      }),
      underLease: (work) => work(),
      clock: standingClock(() => nowMs),
      compareEveryMs: minutesPerDay * minuteMs,
      deadline: new AbortController().signal,
    });
    nowMs += minuteMs;
    return report;
  };
  /** Copies what waits longest. */
  const work = (lane: 'new' | 'old', messages: number): void => {
    for (const id of lanes[lane].splice(0, messages)) {
      const bytes = source.instances.get(id as never);
      if (bytes !== undefined) target.instances.set(id as never, bytes);
    }
  };
  return { lanes, minute, work, add, asked, target, fullest: () => fullest };
}

test('while nobody works on the queue, days of comparisons put nothing on it a second time', async () => {
  const { lanes, minute } = setUp(200, 1000);
  const perDay: number[] = [];
  for (let day = 1; day <= 4; day += 1) {
    const before = lanes.old.length;
    for (let n = 0; n < minutesPerDay; n += 1) await minute();
    perDay.push(lanes.old.length - before);
  }
  expect(perDay).toEqual([200, 0, 0, 0]);
  expect(new Set(lanes.old).size).toBe(200);
});

test('what expired on the queue, because nobody worked on it, is found again', async () => {
  const { lanes, minute } = setUp(200, 1000);
  for (let n = 0; n < 4 * minutesPerDay; n += 1) await minute();
  lanes.old.length = 0;
  await minute();
  expect(new Set(lanes.old).size).toBe(200);
});

test('a first comparison never fills the queue beyond its bound, and goes on behind what was announced', async () => {
  const { lanes, minute, work, target, fullest } = setUp(5000, 1000);
  const ids: string[] = [];
  let minutes = 0;
  for (let comparing = true; comparing; minutes += 1) {
    const before = lanes.old.length;
    const report = await minute();
    ids.push(...lanes.old.slice(before));
    comparing = report.comparing;
    work('old', 300);
    expect(minutes).toBeLessThan(200);
  }
  expect(fullest()).toBeLessThanOrEqual(1000);
  expect(ids.length).toBe(5000);
  expect(new Set(ids).size).toBe(5000);
  // Three hundred a minute: the queue never ran dry.
  expect(minutes).toBeLessThan(5000 / 300 + 3);
  work('old', 1000);
  expect(target.instances.size).toBe(5000);
});

test('what is new has a lane of its own, and is announced within a minute however full the queue is', async () => {
  const { lanes, minute, add } = setUp(5000, 1000);
  for (let n = 0; n < 10; n += 1) await minute();
  for (let n = 5001; n <= 5005; n += 1) {
    add(n);
    expect(await minute()).toMatchObject({ announced: 1, waitsForQueue: true, comparing: true });
  }
  expect(lanes.new).toEqual([5001, 5002, 5003, 5004, 5005].map(sampleId));
  expect(lanes.old).toHaveLength(1000);
});

test('the queue is not asked how full it is while nothing is to be compared', async () => {
  const { lanes, minute, work, asked } = setUp(50, 1000);
  await minute();
  work('old', 50);
  asked.times = 0;
  for (let n = 0; n < 60; n += 1) await minute();
  expect(asked.times).toBe(0);
  expect(lanes.old).toEqual([]);
});

test('what piled up while nobody looked fills the queue to its bound; the rest is compared, and what comes now is ahead', async () => {
  const { lanes, minute, work, add, target, fullest } = setUp(100, 1000);
  await minute();
  work('old', 100);
  add(101, 8000);
  expect(await minute()).toMatchObject({ compareReason: 'more came than the queue takes', waitsForQueue: true });
  add(8001);
  await minute();
  expect(lanes.new).toEqual([sampleId(8001)]);
  work('new', 1);
  for (let minutes = 0; target.instances.size < 8001; minutes += 1) {
    expect(minutes).toBeLessThan(30);
    work('old', 500);
    await minute();
  }
  expect(fullest()).toBeLessThanOrEqual(1000);
});

test('what comes while a comparison waits for the queue, and is too much for it, is found by the next one', async () => {
  const { minute, work, add, target, fullest } = setUp(3000, 1000);
  await minute();
  // Behind the comparison, whose ids lie anywhere.
  add(3001, 10_000);
  await minute();
  for (let minutes = 0; target.instances.size < 10_000; minutes += 1) {
    expect(minutes).toBeLessThan(50);
    for (const lane of ['new', 'old'] as const) work(lane, 300);
    await minute();
  }
  expect(fullest()).toBeLessThanOrEqual(1000);
});

test('while nobody works on the queue, days of news do not fill it beyond its bound, and nothing of them is lost', async () => {
  const { minute, work, add, target, fullest } = setUp(100, 1000);
  let n = 100;
  for (let minutes = 0; minutes < 3 * minutesPerDay; minutes += 20) {
    add(n + 1, n + 20);
    n += 20;
    await minute();
  }
  expect(fullest()).toBeLessThanOrEqual(1000);
  for (let minutes = 0; target.instances.size < n; minutes += 1) {
    expect(minutes).toBeLessThan(n / 300 + 20);
    for (const lane of ['new', 'old'] as const) work(lane, 300);
    await minute();
  }
  expect(fullest()).toBeLessThanOrEqual(1000);
});
