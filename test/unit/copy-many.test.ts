import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { ByteBudget } from '../../core/copy/byte-budget.ts';
import type { CopyManyOptions } from '../../core/copy/copy-context.ts';
import { defaultBudget } from '../../core/copy/copy-context.ts';
import { copyMany } from '../../core/copy/copy-many.ts';
import type { CopyRequest } from '../../core/copy/decide.ts';
import { type CopyResult, type Destination, worstKind } from '../../core/copy/outcome.ts';
import { MirrorError } from '../../core/errors.ts';
import { MemoryStore, sampleBytes, sampleId } from '../support/memory-store.ts';

function setUp(count: number) {
  const source = new MemoryStore('source');
  for (let n = 0; n < count; n += 1) source.instances.set(sampleId(n), sampleBytes(n));
  const target = new MemoryStore('target');
  const archive = new MemoryStore('archive');
  const destinations: Destination[] = [
    { role: 'target', store: target },
    { role: 'archive', store: archive },
  ];
  const results: CopyResult[] = [];
  const requests = async function* (): AsyncGenerator<CopyRequest> {
    for (let n = 0; n < count; n += 1) yield { id: sampleId(n), lacking: destinations, undecided: [] };
  };
  const run = (options: Partial<CopyManyOptions> = {}) =>
    copyMany(requests(), {
      source,
      budget: defaultBudget(),
      ceiling: 8,
      onResult: (result) => results.push(result),
      ...options,
    });
  return { source, target, archive, results, run };
}

describe('copying many', () => {
  test('reports each instance once and never runs more at once than the ceiling', async () => {
    const { target, results, run } = setUp(300);
    target.before = () => delay(1);
    const end = await run({ ceiling: 6 });
    expect(end.stoppedBy).toBeUndefined();
    expect(new Set(results.map(({ id }) => id)).size).toBe(300);
    expect(results).toHaveLength(300);
    expect(target.instances.size).toBe(300);
    expect(target.mostAtOnce).toBeLessThanOrEqual(6);
    expect(target.mostAtOnce).toBeGreaterThan(4);
  });

  test('tries again what failed for a passing reason, and only at the destination where it failed', async () => {
    const { target, archive, results, run } = setUp(50);
    const failedOnce = new Set<unknown>();
    target.before = (call, id) => {
      if (call !== 'store' || failedOnce.has(id)) return;
      failedOnce.add(id);
      throw new MirrorError('busy', 'target is busy');
    };
    await run();
    expect(results.map(({ outcomes }) => worstKind(outcomes))).toEqual(Array(50).fill('copied'));
    expect(archive.calls.store).toBe(50);
  });

  test('asks what a destination holds before it sends again what may have been stored', async () => {
    const { target, results, run } = setUp(20);
    const store = target.store.bind(target);
    target.store = async (...instance) => {
      await store(...instance);
      throw new MirrorError('unreachable', 'the answer was lost');
    };
    await run();
    expect([target.calls.store, target.calls.open]).toEqual([20, 0]);
    expect(new Set(results.map(({ id }) => id)).size).toBe(20);
    expect(results.flatMap(({ outcomes }) => outcomes.map(({ kind }) => kind)).toSorted()).toEqual([
      ...Array(20).fill('already-equal'),
      ...Array(20).fill('copied'),
    ]);
  });

  test('lets all others through when one instance takes the target down each time', async () => {
    const { target, archive, results, run } = setUp(100);
    const killer = sampleId(42);
    let downFor = 0;
    target.before = (call, id) => {
      if (call === 'store' && id === killer) downFor = 3;
      if (downFor > 0) {
        downFor -= 1;
        throw new MirrorError('unreachable', 'target is down');
      }
    };
    await run();
    const failed = results.filter(({ outcomes }) => worstKind(outcomes) === 'failed');
    expect(failed.map(({ id }) => id)).toEqual([killer]);
    expect(target.instances.size).toBe(99);
    expect(archive.instances.size).toBe(100);
  });

  test('gives a source up that answers questions and stalls with every instance', async () => {
    const { source, results, run } = setUp(1000);
    source.before = async (call) => {
      if (call !== 'open') return;
      await delay(5);
      throw new MirrorError('unreachable', 'source stopped answering');
    };
    const end = await run({ patienceMs: 2 });
    expect(end.stoppedBy).toMatchObject({ code: 'unreachable', message: 'source stopped answering' });
    expect(source.calls.open).toBeLessThan(40);
    expect(results.length).toBeLessThan(40);
  });

  test('gives a destination up that stalls with every instance, and completes the others', async () => {
    const { target, archive, run } = setUp(200);
    target.before = async (call) => {
      if (call !== 'store') return;
      await delay(5);
      throw new MirrorError('unreachable', 'target stopped answering');
    };
    const end = await run({ patienceMs: 2 });
    expect(end.stoppedBy).toBeUndefined();
    expect([...end.withdrawn.values()]).toMatchObject([{ message: 'target stopped answering' }]);
    expect(target.calls.store).toBeLessThan(40);
    expect(archive.instances.size).toBe(200);
  });

  test('completes the archive when the target refuses everything, and says so for each instance', async () => {
    const { target, archive, results, run } = setUp(40);
    target.before = (call) => {
      if (call === 'store') throw new MirrorError('full', 'target is full');
    };
    const end = await run();
    expect([...end.withdrawn.values()].map(({ code }) => code)).toEqual(['full']);
    expect(archive.instances.size).toBe(40);
    expect(results.every(({ outcomes }) => worstKind(outcomes) === 'failed')).toBe(true);
    expect(results).toHaveLength(40);
    expect(target.calls.store).toBeLessThan(10);
  });

  test('completes the archive when the target stays away longer than patience lasts', async () => {
    const { target, archive, results, run } = setUp(40);
    target.before = () => {
      throw new MirrorError('unreachable', 'target is down');
    };
    const end = await run({ patienceMs: 100 });
    expect([...end.withdrawn.values()].map(({ code }) => code)).toEqual(['unreachable']);
    expect(archive.instances.size).toBe(40);
    expect(results).toHaveLength(40);
  });

  test('stops when the source refuses us', async () => {
    const { source, run } = setUp(1000);
    source.before = () => {
      throw new MirrorError('unauthorized', 'wrong password');
    };
    expect((await run()).stoppedBy?.code).toBe('unauthorized');
    expect(source.calls.open).toBeLessThan(10);
  });

  test('starts nothing new while draining, and finishes what runs', async () => {
    const { target, results, run } = setUp(1000);
    const drain = new AbortController();
    target.before = async (call) => {
      if (call === 'store' && target.calls.store === 20) drain.abort();
      await delay(1);
    };
    await run({ draining: drain.signal });
    expect(results.length).toBe(target.instances.size);
    expect(results.length).toBeLessThan(40);
  });
});

describe('the byte budget', () => {
  test('never gives out more than it has, and lets the largest run alone', async () => {
    const budget = new ByteBudget(100);
    let held = 0;
    let most = 0;
    await Promise.all(
      [10, 90, 500, 60, 60, 1].map(async (bytes) => {
        const release = await budget.acquire(bytes);
        held += Math.min(bytes, 100);
        most = Math.max(most, held);
        await delay(2);
        held -= Math.min(bytes, 100);
        release();
      }),
    );
    expect(most).toBeLessThanOrEqual(100);
  });

  test('holds an instance whose size was not listed only for what it turns out to be', async () => {
    const { target, run } = setUp(60);
    target.before = (call) => (call === 'store' ? delay(5) : undefined);
    await run({ ceiling: 48, budget: new ByteBudget(8 * 1024 * 1024) });
    expect(target.mostAtOnce).toBeGreaterThan(2);
  });

  test('gives a part back, and never more than it took', async () => {
    const budget = new ByteBudget(100);
    const release = await budget.acquire(100);
    release(30);
    release(50);
    const other = await budget.acquire(70);
    const third = budget.acquire(30).then(() => 'granted');
    expect(await Promise.race([third, delay(5).then(() => 'waiting')])).toBe('waiting');
    release();
    expect(await third).toBe('granted');
    other();
  });

  test('lets go of who stops waiting', async () => {
    const budget = new ByteBudget(10);
    const release = await budget.acquire(10);
    const stop = new AbortController();
    const waiting = budget.acquire(5, stop.signal);
    stop.abort(new Error('stopped'));
    await expect(waiting).rejects.toThrow('stopped');
    release();
    (await budget.acquire(10))();
  });
});
