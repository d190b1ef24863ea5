/** What was said to be at a target is checked after copying. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CopyResult, type Destination, type OutcomeKind, outcomeKinds } from '../../core/copy/outcome.ts';
import { MirrorError } from '../../core/errors.ts';
import type { InstanceId } from '../../core/identifiers.ts';
import type { MirrorRun } from '../../core/mirror/mirror-run.ts';
import { runMirror } from '../../core/mirror/run-mirror.ts';
import { countOf } from '../../core/mirror/summary.ts';
import { ToldOutcomesLog } from '../../core/mirror/told-outcomes.ts';
import { MemoryStore, sampleBytes, sampleId } from '../support/memory-store.ts';
import { RecyclingServer } from '../support/recycling-server.ts';
import { change, SimulatedFeed } from '../support/simulated-feed.ts';

function setUp(count: number, targets: readonly RecyclingServer[]) {
  const source = new MemoryStore('source');
  for (let n = 0; n < count; n += 1) source.instances.set(sampleId(n), sampleBytes(n));
  const archive = new MemoryStore('archive');
  const destinations: Destination[] = [
    ...targets.map((store) => ({ role: 'target' as const, store })),
    { role: 'archive', store: archive },
  ];
  const feed = new SimulatedFeed();
  const results: CopyResult[] = [];
  const run = (options: Partial<MirrorRun> = {}) => {
    results.length = 0;
    const observer = { onResult: (result: CopyResult) => void results.push(result) };
    return runMirror({ source, feed, destinations, concurrency: 4, observer, ...options });
  };
  const lost = (): readonly InstanceId[] =>
    results.flatMap(({ id, outcomes }) => (outcomes.some(({ error }) => error?.code === 'not-held') ? [id] : []));
  return { source, archive, feed, run, lost };
}

describe('a target that keeps what it took', () => {
  test('is proven to by its feed and its count, without another listing', async () => {
    const target = new RecyclingServer('target');
    const { run, lost } = setUp(2500, [target]);
    const { summary, stoppedBy } = await run();
    expect([summary.instances.copied, stoppedBy, lost()]).toEqual([2500, undefined, []]);
    expect(target.calls.inventory).toBe(1);
    expect(target.feed.requests).toBeLessThan(10);
  });

  test('is not asked when nothing was copied', async () => {
    const target = new RecyclingServer('target');
    const { run } = setUp(10, [target]);
    await run();
    const before = target.counted;
    await run();
    expect(target.counted - before).toBe(1);
  });

  test.each([
    ['whose feed was cleared meanwhile', (target: RecyclingServer) => target.clearFeed()],
    ['that others delete from', (target: RecyclingServer) => target.remove(sampleId(900))],
  ])('%s is listed once more, and nothing is told', async (_, meanwhile) => {
    const target = new RecyclingServer('target');
    const { run, lost } = setUp(20, [target]);
    target.put(sampleId(900), sampleBytes(900));
    target.before = (call) => {
      if (call === 'store' && target.calls.store === 20) meanwhile(target);
    };
    const { summary } = await run();
    expect([summary.instances.copied, summary.instances.failed, lost()]).toEqual([20, 0, []]);
    expect(target.calls.inventory).toBe(2);
  });

  test('is proven to although others store something at that very moment', async () => {
    const target = new RecyclingServer('target');
    const { run, lost } = setUp(20, [target]);
    const readChanges = target.feed.readChanges.bind(target.feed);
    target.feed.readChanges = async (query) => {
      target.put(sampleId(900), sampleBytes(900));
      return readChanges(query);
    };
    expect((await run()).summary.instances.copied).toBe(20);
    expect([target.calls.inventory, lost()]).toEqual([1, []]);
  });

  test('that is never quiet is listed once more, and nothing is told', async () => {
    const target = new RecyclingServer('target');
    target.isBusy = true;
    const { run, lost } = setUp(20, [target]);
    expect((await run()).summary.instances.copied).toBe(20);
    expect([target.calls.inventory, lost()]).toEqual([2, []]);
  });
});

describe('a target that deletes by itself', () => {
  test('is told by each instance that it took and does not hold', async () => {
    const target = new RecyclingServer('target', 5);
    const { source, run, lost } = setUp(60, [target]);
    const { summary } = await run();
    expect(summary.instances).toMatchObject({ copied: 5, failed: 55 });
    expect(summary.destinations.get('target')).toMatchObject({ copied: 5, failed: 55 });
    expect(summary.destinations.get('archive')).toMatchObject({ copied: 60, failed: 0 });
    expect([...lost()].sort()).toEqual([...source.instances.keys()].filter((id) => !target.instances.has(id)).sort());
  });

  test('is told by each instance that was equal before something else was copied', async () => {
    const target = new RecyclingServer('target');
    const { source, run, lost } = setUp(10, [target]);
    await run();
    for (let n = 10; n < 14; n += 1) source.instances.set(sampleId(n), sampleBytes(n));
    target.room = 10;
    const { summary } = await run();
    expect(summary.instances).toMatchObject({ copied: 4, 'already-equal': 6, failed: 4 });
    expect(lost()).toHaveLength(4);
    expect(countOf(summary.instances)).toBe(14);
  });

  test('is told among others, and each instance counts once', async () => {
    const [one, two] = [new RecyclingServer('one', 3), new RecyclingServer('two', 5)];
    const targets = [one, two, new RecyclingServer('three')];
    const { run } = setUp(12, targets);
    const { summary } = await run();
    expect(countOf(summary.instances)).toBe(12);
    const held = [...one.instances.keys()].filter((id) => two.instances.has(id)).length;
    expect(summary.instances).toMatchObject({ copied: held, failed: 12 - held });
    expect(targets.map(({ name }) => summary.destinations.get(name)?.failed)).toEqual([9, 7, 0]);
  });

  test('does not make a failure of what arrived at the source since, nor twice of what was told', async () => {
    const target = new RecyclingServer('target', 8);
    const { source, feed, run, lost } = setUp(10, [target]);
    target.put(sampleId(3), sampleBytes(333));
    const late = sampleId(500);
    let listings = 0;
    source.before = (call) => {
      if (call !== 'inventory') return;
      listings += 1;
      if (listings < 2) return;
      source.instances.set(late, sampleBytes(500));
      feed.add(change(feed.lastEver + 1, 500));
    };
    const { summary } = await run();
    expect(listings).toBe(2);
    expect(target.instances.has(late)).toBe(false);
    expect(lost()).not.toContain(late);
    expect(lost()).not.toContain(sampleId(3));
    expect(countOf(summary.instances)).toBe(10);
    expect(summary.instances).toMatchObject({ conflict: 1, failed: lost().length });
  });

  test('that stops answering is not taken for proven', async () => {
    const target = new RecyclingServer('target');
    const { run } = setUp(5, [target]);
    target.onCount = () => {
      if (target.counted > 1) throw new MirrorError('unreachable', 'target is down');
    };
    expect((await run()).stoppedBy?.code).toBe('unreachable');
  });

  test('is asked after everything that belongs to the instances was written', async () => {
    const target = new RecyclingServer('target');
    const { run, lost } = setUp(6, [target]);
    await run({ feed: undefined, afterCopying: async () => target.remove(sampleId(2)) });
    expect(lost()).toEqual([sampleId(2)]);
    await run();
    const { summary } = await run({ feed: undefined, afterCopying: async () => target.remove(sampleId(3)) });
    expect(summary.instances).toMatchObject({ copied: 0, 'already-equal': 5, failed: 1 });
  });

  test('is not looked at in a dry run', async () => {
    const target = new RecyclingServer('target', 1);
    const { run } = setUp(5, [target]);
    expect((await run({ dryRun: true })).summary.instances).toMatchObject({ copied: 5, failed: 0 });
    expect(target.counted).toBe(0);
  });

  test('is told by each comparison of a watch', async () => {
    const target = new RecyclingServer('target', 3);
    const { run, lost } = setUp(6, [target]);
    const stop = new AbortController();
    let comparisons = 0;
    target.before = (call) => {
      if (call === 'inventory') comparisons += 1;
      // Each comparison and each listing to name what is lost.
      if (comparisons === 5) stop.abort();
    };
    await run({ watch: { pollMs: 1, compareEveryMs: 1 }, draining: stop.signal });
    expect(lost().length).toBeGreaterThanOrEqual(6);
  });
});

test('what was told of instances is remembered by id, the last word of each', () => {
  const destinations: Destination[] = [new MemoryStore('a'), new MemoryStore('b')].map((store) => ({
    role: 'target',
    store,
  }));
  const outcome = fc.record({ destination: fc.constantFrom(...destinations), kind: fc.constantFrom(...outcomeKinds) });
  const told = fc.record({ n: fc.nat(50), outcomes: fc.uniqueArray(outcome, { selector: (one) => one.destination }) });
  fc.assert(
    fc.property(fc.array(told, { maxLength: 3000 }), (all) => {
      const log = new ToldOutcomesLog(destinations);
      const expected = new Map<InstanceId, Map<Destination, OutcomeKind>>();
      for (const { n, outcomes } of all) {
        log.add({ id: sampleId(n), outcomes });
        expected.set(sampleId(n), new Map(outcomes.map(({ destination, kind }) => [destination, kind])));
      }
      const sorted = [...log.sorted()];
      expect(sorted.map(({ id }) => id)).toEqual([...expected.keys()].sort());
      for (const { id, told: last } of sorted) expect(last).toEqual(expected.get(id));
    }),
    { numRuns: 50 },
  );
});
