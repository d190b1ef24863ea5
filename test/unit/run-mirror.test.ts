import { describe, expect, test, vi } from 'vitest';
import type { Destination } from '../../core/copy/outcome.ts';
import { MirrorError } from '../../core/errors.ts';
import type { MirrorRun } from '../../core/mirror/mirror-run.ts';
import { runMirror } from '../../core/mirror/run-mirror.ts';
import { MemoryStore, sampleBytes, sampleId } from '../support/memory-store.ts';
import { change, SimulatedFeed } from '../support/simulated-feed.ts';

function setUp(count: number) {
  const source = new MemoryStore('source');
  for (let n = 0; n < count; n += 1) source.instances.set(sampleId(n), sampleBytes(n));
  const target = new MemoryStore('target');
  const archive = new MemoryStore('archive');
  const destinations: Destination[] = [
    { role: 'target', store: target },
    { role: 'archive', store: archive },
  ];
  const feed = new SimulatedFeed();
  const run = (options: Partial<MirrorRun> = {}) =>
    runMirror({ source, feed, destinations, concurrency: 8, ...options });
  return { source, target, archive, feed, run };
}

describe('a mirror run', () => {
  test('copies what is missing; a second run copies nothing and downloads nothing', async () => {
    const { source, target, archive, run } = setUp(60);
    expect((await run()).summary.instances).toMatchObject({ copied: 60, 'already-equal': 0 });
    const opened = source.calls.open;
    expect((await run()).summary.instances).toMatchObject({ copied: 0, 'already-equal': 60 });
    expect(source.calls.open).toBe(opened);
    expect([target.instances.size, archive.instances.size]).toEqual([60, 60]);
  });

  test('compares by hashes asked one by one where the listings do not tell them', async () => {
    const { source, target, archive, run } = setUp(20);
    for (const store of [source, target, archive]) store.listsHashes = false;
    await run();
    const opened = source.calls.open;
    expect((await run()).summary.instances['already-equal']).toBe(20);
    expect(source.calls.open).toBe(opened);
  });

  test('takes what arrives at the source while it runs', async () => {
    const { source, target, feed, run } = setUp(50);
    let added = false;
    target.before = (call) => {
      if (call !== 'store' || added) return;
      added = true;
      source.instances.set(sampleId(1000), sampleBytes(1000));
      feed.add(change(1, 1000));
    };
    await run();
    expect(target.instances.has(sampleId(1000))).toBe(true);
  });

  test('counts an instance with a conflict once, and says which destination it is', async () => {
    const { target, run } = setUp(5);
    target.instances.set(sampleId(3), sampleBytes(99));
    target.instances.set(sampleId(77), sampleBytes(77));
    const { summary } = await run();
    expect(summary.instances).toMatchObject({ copied: 4, conflict: 1 });
    expect(summary.destinations.get('target')).toMatchObject({ copied: 4, conflict: 1 });
    expect(summary.destinations.get('archive')).toMatchObject({ copied: 5, conflict: 0 });
    expect(summary.notAtSource).toBe(1);
  });

  test('writes nothing in a dry run and tells what it would copy', async () => {
    const { target, archive, run } = setUp(9);
    expect((await run({ dryRun: true })).summary.instances.copied).toBe(9);
    expect([target.calls.store, archive.calls.store]).toEqual([0, 0]);
  });

  test('serves the archive when the target does not answer', async () => {
    const { target, archive, run } = setUp(9);
    target.before = () => {
      throw new MirrorError('unreachable', 'target is down');
    };
    const end = await run({ patienceMs: 10 });
    expect(archive.instances.size).toBe(9);
    expect([...end.withdrawn.values()].map(({ code }) => code)).toEqual(['unreachable']);
  });

  test('says why it could not begin when the source does not answer', async () => {
    const { source, run } = setUp(9);
    source.before = () => {
      throw new MirrorError('unreachable', 'source is down');
    };
    const end = await run();
    expect(end.stoppedBy?.code).toBe('unreachable');
    expect(end.withdrawn).toEqual(new Map());
  });

  test('reports a listing that breaks in the middle, after finishing what was begun', async () => {
    const { source, run, target } = setUp(100);
    const inventory = source.inventory.bind(source);
    source.inventory = async function* (options) {
      let listed = 0;
      for await (const entry of inventory(options)) {
        listed += 1;
        if (listed > 50) throw new MirrorError('server-error', 'page 2 failed');
        yield entry;
      }
    };
    const end = await run();
    expect(end.stoppedBy?.code).toBe('server-error');
    expect(end.withdrawn).toEqual(new Map());
    expect(end.summary.instances.copied).toBe(target.instances.size);
  });

  test.each([true, false])('resolves conflicts by the policy, where listings tell hashes: %s', async (listsHashes) => {
    const { source, target, run } = setUp(5);
    for (const store of [source, target]) store.listsHashes = listsHashes;
    target.instances.set(sampleId(3), sampleBytes(99));
    const resolveConflicts: MirrorRun['resolveConflicts'] = async (result) => ({
      ...result,
      outcomes: result.outcomes.map((one) =>
        one.kind === 'conflict' ? { destination: one.destination, kind: 'copied' } : one,
      ),
    });
    const { summary } = await run({ resolveConflicts });
    expect(summary.instances).toMatchObject({ copied: 5, conflict: 0 });
    expect(summary.destinations.get('target')).toMatchObject({ copied: 5, conflict: 0 });
  });

  test('counts what only destinations hold, and nothing that the source holds', async () => {
    const { target, archive, run } = setUp(5);
    await run();
    target.instances.set(sampleId(77), sampleBytes(77));
    archive.instances.set(sampleId(78), sampleBytes(78));
    expect((await run()).summary).toMatchObject({ notAtSource: 2, instances: { copied: 0, 'already-equal': 5 } });
  });

  test('watches until it is told to stop, and copies what comes meanwhile', async () => {
    const { source, target, feed, run } = setUp(3);
    const drain = new AbortController();
    target.before = (call, id) => {
      if (call === 'store' && id === sampleId(500)) drain.abort();
      if (call !== 'store' || target.calls.store !== 3) return;
      source.instances.set(sampleId(500), sampleBytes(500));
      feed.add(change(feed.lastEver + 1, 500));
    };
    const running = run({ watch: { pollMs: 5, compareEveryMs: 60_000 }, draining: drain.signal });
    expect((await running).interrupted).toBe(true);
    expect(target.instances.size).toBe(4);
  });
});

describe('a mirror that somebody paused', () => {
  const paused = new MirrorError('paused', 'paused by somebody');
  const watch = { watch: { pollMs: 5, compareEveryMs: 3_600_000 } };

  test('copies nothing, and says why', async () => {
    const { source, target, archive, run } = setUp(3);
    const end = await run({ paused: async () => () => paused });
    expect([end.stoppedBy, target.instances.size, archive.instances.size]).toEqual([paused, 0, 0]);
    expect(source.calls.open).toBe(0);
  });

  test('pauses one destination and serves the others', async () => {
    const { target, archive, run } = setUp(3);
    const end = await run({ paused: async () => (one) => (one?.store === target ? paused : undefined) });
    expect([target.calls.store, archive.instances.size]).toEqual([0, 3]);
    expect([...end.withdrawn.values()]).toEqual([paused]);
  });

  test('does not wait for what the archive would tell of pauses while that is away', async () => {
    const { target, archive, feed, source, run } = setUp(3);
    const stop = new AbortController();
    let asked = 0;
    archive.before = () => {
      throw new MirrorError('unreachable', 'the archive is away');
    };
    const paused = async () => {
      asked += 1;
      return () => undefined;
    };
    const watching = run({ ...watch, patienceMs: 0, draining: stop.signal, paused });
    await vi.waitUntil(() => target.instances.size === 3);
    source.instances.set(sampleId(3), sampleBytes(3));
    feed.add(change(1, 3));
    await vi.waitUntil(() => target.instances.size === 4);
    stop.abort();
    await watching;
    expect(asked).toBe(1);
  });

  test.each(['the whole mirror', 'one target'])(
    'while it watches stops for %s, and goes on when that is over',
    async (what) => {
      const { source, target, archive, feed, run } = setUp(3);
      const stop = new AbortController();
      let [isPaused, looks] = [false, 0];
      const watching = run({
        ...watch,
        draining: stop.signal,
        paused: async () => {
          looks += 1;
          const holds = isPaused;
          return (one) => (holds && (what === 'one target') === (one?.store === target) ? paused : undefined);
        },
      });
      await vi.waitUntil(() => target.instances.size === 3 && archive.instances.size === 3);
      isPaused = true;
      const seenPaused = looks + 2;
      await vi.waitUntil(() => looks >= seenPaused);
      source.instances.set(sampleId(3), sampleBytes(3));
      feed.add(change(1, 3));
      const looked = looks + 5;
      await vi.waitUntil(() => looks >= looked);
      expect(target.instances.size).toBe(3);
      isPaused = false;
      await vi.waitUntil(() => target.instances.size === 4 && archive.instances.size === 4);
      stop.abort();
      const { stoppedBy, withdrawn } = await watching;
      expect([stoppedBy, withdrawn.size]).toEqual([undefined, 0]);
    },
  );
});
