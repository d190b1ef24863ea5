/** A watch on simulated stores and a simulated clock: it never gives up, says so, and brings what is new first. */
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Missing, nothingMissing } from '../../core/archive-life/deletions/missing.ts';
import type { Destination } from '../../core/copy/outcome.ts';
import { type ErrorCode, MirrorError } from '../../core/errors.ts';
import type { InstanceId } from '../../core/identifiers.ts';
import type { MirrorEvent } from '../../core/mirror/mirror-events.ts';
import type { MirrorRun } from '../../core/mirror/mirror-run.ts';
import { RemovalRecorder } from '../../core/mirror/record-removals.ts';
import { runMirror } from '../../core/mirror/run-mirror.ts';
import { MemoryArchive, MemoryStore, sampleBytes, sampleId } from '../support/memory-store.ts';
import { SimulatedClock } from '../support/simulated-clock.ts';
import { change, SimulatedFeed } from '../support/simulated-feed.ts';

const secondMs = 1000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;

/** A mirror of a source with `count` instances to a target and an archive. */
class Scene {
  readonly clock = new SimulatedClock();
  readonly source = new MemoryStore('source');
  readonly target = new MemoryStore('target');
  readonly archive = new MemoryArchive('archive');
  readonly destinations: readonly Destination[] = [
    { role: 'target', store: this.target },
    { role: 'archive', store: this.archive },
  ];
  readonly feed = new SimulatedFeed();
  readonly events: (MirrorEvent & { readonly atSeconds: number })[] = [];
  readonly problems: string[] = [];
  readonly #stop = new AbortController();
  #end: ReturnType<typeof runMirror> | undefined;
  #next = 1;
  #sourceIsAway = false;
  /** Whether the watch ended. */
  isOver = false;

  constructor(count: number) {
    const readChanges = this.feed.readChanges.bind(this.feed);
    const lastChange = this.feed.lastChange.bind(this.feed);
    this.feed.readChanges = async (query) => {
      this.#beThere();
      return readChanges(query);
    };
    this.feed.lastChange = async () => {
      this.#beThere();
      return lastChange();
    };
    this.add(count);
  }

  /** So many instances come to the source. @returns their ids */
  add(count: number): readonly InstanceId[] {
    return Array.from({ length: count }, () => {
      const n = this.#next;
      this.#next += 1;
      this.source.instances.set(sampleId(n), sampleBytes(n));
      this.feed.add(change(this.feed.lastEver + 1, n));
      return sampleId(n);
    });
  }

  /** Begins the watch. */
  watch(options: Partial<MirrorRun> = {}): void {
    const { source, feed, destinations, clock } = this;
    const startMs = clock.nowMs();
    this.#end = runMirror({
      source,
      feed,
      destinations,
      clock,
      concurrency: 4,
      patienceMs: 0,
      draining: this.#stop.signal,
      watch: { pollMs: 5 * secondMs, compareEveryMs: 24 * hourMs },
      observer: {
        onEvent: (event) => this.events.push({ ...event, atSeconds: (clock.nowMs() - startMs) / 1000 }),
        onResult: ({ id, outcomes }) => {
          if (outcomes.some(({ kind }) => kind === 'failed')) this.problems.push(id);
        },
      },
      ...options,
    });
    void this.#end.finally(() => {
      this.isOver = true;
    });
    onTestFinished(async () => void (await this.stop()));
  }

  async stop() {
    this.#stop.abort();
    // What is under way is finished.
    await this.clock.pass(minuteMs);
    return this.#end;
  }

  sourceAway(code: ErrorCode | undefined): void {
    this.#sourceIsAway = code !== undefined;
    this.source.before = code === undefined ? () => undefined : failWith(code);
  }

  /** What the destinations lack. */
  get lacking(): readonly number[] {
    return [this.target, this.archive].map((store) => this.source.instances.size - store.instances.size);
  }

  told(kind: MirrorEvent['kind'], store?: string) {
    return this.events.filter((event) => event.kind === kind && (store === undefined || storeOf(event) === store));
  }

  #beThere(): void {
    if (this.#sourceIsAway) throw new MirrorError('unreachable', 'the source is away', { store: 'source' });
  }
}

function storeOf(event: MirrorEvent): string | undefined {
  return 'store' in event ? event.store : undefined;
}

function failWith(code: ErrorCode): () => never {
  return () => {
    throw new MirrorError(code, 'it does not work');
  };
}

/** Every reason for which a destination may fail that may pass, and whether it still answers questions. */
const reasons: readonly [ErrorCode, 'answers' | 'silent'][] = [
  ['unreachable', 'silent'],
  ['busy', 'silent'],
  ['server-error', 'silent'],
  ['unauthorized', 'silent'],
  ['forbidden', 'silent'],
  ['forbidden', 'answers'],
  ['tls-untrusted', 'silent'],
  ['configuration', 'silent'],
  ['full', 'answers'],
  ['read-only', 'answers'],
];

describe.each(reasons)('a destination that fails with "%s" (%s)', (code, how) => {
  test.each(['target', 'archive'] as const)(
    'as %s is asked again until it works, gets all it missed, and the other lacks nothing meanwhile',
    async (which) => {
      const scene = new Scene(20);
      const [failing, other] = which === 'target' ? [scene.target, scene.archive] : [scene.archive, scene.target];
      scene.watch();
      await scene.clock.pass(minuteMs);
      expect(scene.lacking).toEqual([0, 0]);
      failing.before = (call) => (how === 'answers' && call !== 'store' ? undefined : failWith(code)());
      for (let minutes = 0; minutes < 60; minutes += 1) {
        scene.add(2);
        await scene.clock.pass(minuteMs);
        expect(other.instances.size).toBe(scene.source.instances.size);
      }
      expect(failing.instances.size).toBe(20);
      failing.before = () => undefined;
      await scene.clock.pass(10 * minuteMs);
      expect(scene.lacking).toEqual([0, 0]);
      scene.add(3);
      await scene.clock.pass(10 * secondMs);
      expect(scene.lacking).toEqual([0, 0]);

      const away = scene.told('away', which);
      expect(away.length).toBeGreaterThan(10);
      expect(away.every((event) => event.kind === 'away' && event.code === code && event.reason !== '')).toBe(true);
      const pauses = away.slice(1).map(({ atSeconds }, index) => atSeconds - (away[index]?.atSeconds ?? 0));
      expect(Math.max(...pauses)).toBeLessThanOrEqual(60 * 1.25);
      expect(pauses.at(-1) ?? 0).toBeGreaterThanOrEqual(60 * 0.75);
      expect(scene.told('back', which)).toHaveLength(1);
      expect(scene.told('away', other.name)).toEqual([]);
      const end = await scene.stop();
      expect([end?.withdrawn.size, end?.stoppedBy, end?.summary.instances.failed]).toEqual([0, undefined, 0]);
    },
  );
});

test('a full destination is tried with one instance, and compared only when it takes that', async () => {
  const scene = new Scene(50);
  scene.target.before = (call) => (call === 'store' ? failWith('full')() : undefined);
  scene.watch();
  await scene.clock.pass(hourMs);
  // Those that were on their way when it was noticed, and one for each time it was asked again.
  expect(scene.target.calls.store).toBeLessThan(90);
  expect(scene.told('comparing')).toHaveLength(1);
  scene.target.before = () => undefined;
  await scene.clock.pass(10 * minuteMs);
  expect(scene.lacking).toEqual([0, 0]);
});

test.each(['unreachable', 'unauthorized', 'server-error', 'tls-untrusted'] as const)(
  'a source that fails with "%s" is waited for; then what is new comes without a new comparison',
  async (code) => {
    const scene = new Scene(30);
    scene.watch();
    await scene.clock.pass(minuteMs);
    scene.sourceAway(code);
    await scene.clock.pass(20 * minuteMs);
    scene.add(10);
    const listed = scene.source.calls.inventory;
    scene.sourceAway(undefined);
    await scene.clock.pass(6 * minuteMs);
    expect(scene.lacking).toEqual([0, 0]);
    expect(scene.source.calls.inventory).toBe(listed);
    expect(scene.told('away', 'source').length).toBeGreaterThan(5);
    expect(scene.told('back', 'source')).toHaveLength(1);
  },
);

test('a source that goes away amid the first comparison is compared from where it was, and nothing is missed', async () => {
  const scene = new Scene(500);
  let stored = 0;
  scene.archive.before = (call) => {
    if (call !== 'store') return;
    stored += 1;
    if (stored === 200) scene.sourceAway('unreachable');
  };
  scene.watch();
  await scene.clock.pass(minuteMs);
  expect(scene.archive.instances.size).toBeLessThan(300);
  const arrived = scene.add(5);
  scene.sourceAway(undefined);
  await scene.clock.pass(10 * minuteMs);
  expect(scene.lacking).toEqual([0, 0]);
  expect(arrived.every((id) => scene.target.instances.has(id))).toBe(true);
  expect(scene.told('comparing')).toHaveLength(1);
  expect(scene.problems).toEqual([]);
});

test('everything may be away at the beginning; each is used as soon as it answers', async () => {
  const scene = new Scene(10);
  scene.sourceAway('unreachable');
  scene.target.before = failWith('unauthorized');
  scene.archive.before = failWith('unreachable');
  scene.watch();
  await scene.clock.pass(minuteMs);
  expect(['source', 'target', 'archive'].map((name) => scene.told('away', name).length > 0)).toEqual([
    true,
    true,
    true,
  ]);
  scene.sourceAway(undefined);
  await scene.clock.pass(5 * minuteMs);
  expect(scene.lacking).toEqual([10, 10]);
  scene.archive.before = () => undefined;
  await scene.clock.pass(10 * minuteMs);
  expect(scene.lacking).toEqual([10, 0]);
  scene.target.before = () => undefined;
  await scene.clock.pass(10 * minuteMs);
  expect(scene.lacking).toEqual([0, 0]);
});

test('a destination that answers again is used only when it is admitted', async () => {
  const scene = new Scene(10);
  let refusal: MirrorError | undefined = new MirrorError('preflight-refused', 'it transcodes by now');
  scene.watch({ admit: async ({ store }) => (store === scene.target ? refusal : undefined) });
  await scene.clock.pass(minuteMs);
  expect(scene.lacking).toEqual([0, 0]);
  scene.target.before = failWith('unreachable');
  scene.add(5);
  await scene.clock.pass(minuteMs);
  scene.target.before = () => undefined;
  await scene.clock.pass(10 * minuteMs);
  expect(scene.lacking).toEqual([5, 0]);
  expect(scene.told('away', 'target').at(-1)).toMatchObject({ code: 'preflight-refused' });
  refusal = undefined;
  await scene.clock.pass(10 * minuteMs);
  expect(scene.lacking).toEqual([0, 0]);
});

test('a destination that answers and cannot be listed is not compared, gets what is new, and the rest when it can be', async () => {
  const scene = new Scene(40);
  const inventory = scene.target.inventory.bind(scene.target);
  let isBroken = true;
  scene.target.inventory = async function* (options) {
    let listed = 0;
    for await (const entry of inventory(options)) {
      listed += 1;
      if (isBroken && listed > 3) throw new MirrorError('server-error', 'page 2 failed', { store: 'target' });
      yield entry;
    }
  };
  for (let n = 1; n <= 10; n += 1) scene.target.instances.set(sampleId(n), sampleBytes(n));
  scene.watch();
  await scene.clock.pass(5 * minuteMs);
  expect(scene.archive.instances.size).toBe(40);
  const arrived = scene.add(5);
  await scene.clock.pass(minuteMs);
  expect(arrived.every((id) => scene.target.instances.has(id))).toBe(true);
  expect(scene.told('away')).toEqual([]);
  expect(scene.told('delayed', 'target')).toMatchObject([{ what: 'comparison', code: 'server-error' }]);
  expect(scene.told('compared')).toMatchObject([{ leftOut: ['target'] }]);
  isBroken = false;
  await scene.clock.pass(hourMs);
  expect(scene.lacking).toEqual([0, 0]);
  expect(scene.told('comparing')).toHaveLength(2);
  expect(scene.told('compared').at(-1)).toMatchObject({ leftOut: [] });
});

test('an instance that fails for a reason of its own is tried again with growing pauses, and told of once', async () => {
  const scene = new Scene(10);
  const stubborn = sampleId(4);
  let tries = 0;
  scene.target.before = (call, id) => {
    if (call !== 'store' || id !== stubborn) return;
    tries += 1;
    throw new MirrorError('server-error', 'this one does not work');
  };
  scene.watch();
  await scene.clock.pass(hourMs);
  expect([scene.target.instances.size, scene.archive.instances.size]).toEqual([9, 10]);
  expect(scene.problems).toEqual([stubborn]);
  expect(tries).toBeLessThan(40);
  scene.target.before = () => undefined;
  await scene.clock.pass(2 * hourMs);
  expect(scene.lacking).toEqual([0, 0]);
  expect((await scene.stop())?.summary.instances).toMatchObject({ copied: 10, failed: 0 });
});

describe('what is new', () => {
  test('arrives while the first comparison goes on, before what that has still to copy', async () => {
    const scene = new Scene(800);
    // Every copy takes a second, four are made at once: the comparison needs minutes.
    scene.target.before = (call) => (call === 'store' ? scene.clock.wait(secondMs) : undefined);
    scene.watch();
    await scene.clock.pass(30 * secondMs);
    for (let times = 0; times < 5; times += 1) {
      const arrived = scene.add(3);
      await scene.clock.pass(10 * secondMs);
      expect(arrived.map((id) => scene.target.instances.has(id))).toEqual([true, true, true]);
    }
    expect(scene.target.instances.size).toBeLessThan(400);
    expect(scene.told('arrived').length).toBeGreaterThanOrEqual(5);
    await scene.clock.pass(20 * minuteMs);
    expect(scene.lacking).toEqual([0, 0]);
  });

  test('arrives while a comparison lists for long and finds nothing', async () => {
    const scene = new Scene(300);
    for (const store of [scene.target, scene.archive]) {
      for (const [id, bytes] of scene.source.instances) store.instances.set(id, bytes);
    }
    const inventory = scene.target.inventory.bind(scene.target);
    scene.target.inventory = async function* (options) {
      for await (const entry of inventory(options)) {
        await scene.clock.wait(secondMs, options?.signal);
        yield entry;
      }
    };
    scene.watch();
    await scene.clock.pass(minuteMs);
    const arrived = scene.add(2);
    await scene.clock.pass(6 * secondMs);
    expect(arrived.map((id) => scene.target.instances.has(id))).toEqual([true, true]);
    expect(scene.told('compared')).toEqual([]);
  });

  test('is told of with its number, its bytes and its lag', async () => {
    const scene = new Scene(1);
    scene.watch();
    await scene.clock.pass(minuteMs);
    scene.add(3);
    await scene.clock.pass(10 * secondMs);
    expect(scene.told('arrived')).toMatchObject([{ instances: 3, bytes: 192, lagMs: expect.any(Number) }]);
  });
});

test('an idle watch costs the source six empty answers a minute, for good, and the destinations nothing', async () => {
  const scene = new Scene(1500);
  scene.watch();
  await scene.clock.pass(20 * minuteMs);
  Object.assign(scene.feed, { requests: 0, entriesGiven: 0 });
  const before = [scene.source, scene.target, scene.archive].map(({ calls }) => ({ ...calls }));
  await scene.clock.pass(hourMs);
  expect({ requests: scene.feed.requests, entries: scene.feed.entriesGiven }).toEqual({ requests: 360, entries: 0 });
  expect([scene.source, scene.target, scene.archive].map(({ calls }) => calls)).toEqual(before);
});

describe('deletions at the source', () => {
  /** A keeper of what is gone that records it in memory. */
  function keeper(scene: Scene) {
    let missing: Missing = nothingMissing;
    const propagated: InstanceId[] = [];
    const disk = { isReadOnly: false };
    const gone = new RemovalRecorder({
      document: {
        read: async () => ({ value: missing, version: '' }),
        write: async (value) => {
          if (disk.isReadOnly) throw new MirrorError('read-only', 'it takes nothing', { store: 'archive' });
          missing = value;
          return '';
        },
      },
      limits: { maxCount: 1000, maxPercent: 50, graceMs: 0 },
      deletesAtTargets: false,
      now: () => new Date(scene.clock.nowMs()),
      propagate: async (id) => {
        propagated.push(id);
        return { kind: 'gone', kept: [] };
      },
    });
    return { gone, propagated, disk };
  }

  test('are noted after two comparisons, but not by one that a destination missed a part of', async () => {
    const scene = new Scene(40);
    const { gone, propagated } = keeper(scene);
    scene.watch({ gone, watch: { pollMs: 5 * secondMs, compareEveryMs: hourMs } });
    await scene.clock.pass(minuteMs);
    const removed = sampleId(7);
    scene.source.instances.delete(removed);
    // The archive is away during each comparison, but not when it begins and ends.
    const flapping = setUpFlapping(scene);
    await scene.clock.pass(5 * hourMs);
    expect(scene.told('compared').length).toBeGreaterThan(2);
    expect(propagated).toEqual([]);
    flapping.end();
    await scene.clock.pass(4 * hourMs);
    expect(new Set(propagated)).toEqual(new Set([removed]));
  });

  function setUpFlapping(scene: Scene) {
    const inventory = scene.archive.inventory.bind(scene.archive);
    let isOver = false;
    scene.archive.inventory = async function* (options) {
      if (!isOver) throw new MirrorError('unreachable', 'broke', { store: 'archive' });
      yield* inventory(options);
    };
    return {
      end: () => {
        isOver = true;
      },
    };
  }

  test('that happened while the archive was away are noted when it is back', async () => {
    const scene = new Scene(40);
    const { gone, propagated } = keeper(scene);
    scene.watch({ gone, watch: { pollMs: 5 * secondMs, compareEveryMs: hourMs } });
    await scene.clock.pass(minuteMs);
    scene.archive.before = failWith('unreachable');
    scene.source.instances.delete(sampleId(7));
    scene.add(1);
    await scene.clock.pass(3 * hourMs);
    expect(propagated).toEqual([]);
    scene.archive.before = () => undefined;
    await scene.clock.pass(2 * hourMs);
    expect(new Set(propagated)).toEqual(new Set([sampleId(7)]));
  });

  test('that the archive cannot keep hold up nothing else, are told, and are noted when it can', async () => {
    const scene = new Scene(40);
    const { gone, propagated, disk } = keeper(scene);
    scene.watch({ gone, watch: { pollMs: 5 * secondMs, compareEveryMs: hourMs } });
    await scene.clock.pass(minuteMs);
    disk.isReadOnly = true;
    scene.source.instances.delete(sampleId(7));
    await scene.clock.pass(3 * hourMs);
    scene.add(1);
    await scene.clock.pass(minuteMs);
    expect(scene.told('delayed', 'archive')).not.toHaveLength(0);
    expect(scene.told('away')).toEqual([]);
    expect([scene.target, scene.archive].map(({ instances }) => instances.size)).toEqual([41, 41]);
    expect(propagated).toEqual([]);
    disk.isReadOnly = false;
    await scene.clock.pass(3 * hourMs);
    expect(new Set(propagated)).toEqual(new Set([sampleId(7)]));
  });
});

describe('an archive that belongs to another source', () => {
  const other = new MirrorError('other-source', 'the archive belongs to another source', { store: 'source' });

  /** Tells of each beginning of a comparison whether the source is the archive's. */
  function proof() {
    const state = { isOther: false };
    const verify = async (): Promise<void> => {
      if (state.isOther) throw other;
    };
    return { state, sourceProof: { verify, remember: async () => undefined } };
  }

  test('ends the watch at its beginning, with nothing written', async () => {
    const scene = new Scene(5);
    const { state, sourceProof } = proof();
    state.isOther = true;
    scene.watch({ sourceProof });
    await scene.clock.pass(minuteMs);
    expect(scene.isOver).toBe(true);
    expect(await scene.stop()).toMatchObject({ stoppedBy: { code: 'other-source' } });
    expect(scene.lacking).toEqual([5, 5]);
  });

  test('has the watch wait when the source is exchanged meanwhile, until the right one is back', async () => {
    const scene = new Scene(5);
    const { state, sourceProof } = proof();
    scene.watch({ sourceProof });
    await scene.clock.pass(minuteMs);
    scene.sourceAway('unreachable');
    await scene.clock.pass(minuteMs);
    state.isOther = true;
    scene.add(3);
    scene.sourceAway(undefined);
    await scene.clock.pass(hourMs);
    expect(scene.lacking).toEqual([3, 3]);
    expect(scene.told('back', 'source')).toEqual([]);
    expect(scene.told('away', 'source').at(-1)).toMatchObject({ code: 'other-source' });
    state.isOther = false;
    await scene.clock.pass(hourMs);
    expect(scene.lacking).toEqual([0, 0]);
    expect(scene.told('back', 'source')).toHaveLength(1);
  });

  test('is left out when it comes back so, and the target is served', async () => {
    const scene = new Scene(5);
    const { state, sourceProof } = proof();
    scene.archive.before = failWith('unreachable');
    scene.watch({ sourceProof });
    await scene.clock.pass(minuteMs);
    state.isOther = true;
    scene.archive.before = () => undefined;
    scene.add(3);
    await scene.clock.pass(hourMs);
    expect(scene.lacking).toEqual([0, 8]);
    expect(scene.told('away', 'archive').at(-1)).toMatchObject({ code: 'other-source' });
    state.isOther = false;
    await scene.clock.pass(hourMs);
    expect(scene.lacking).toEqual([0, 0]);
  });
});

test('stops at once when it is told to, whatever it waits for', async () => {
  const scene = new Scene(5);
  scene.sourceAway('unreachable');
  scene.watch();
  await scene.clock.pass(hourMs);
  const end = await scene.stop();
  expect(end).toMatchObject({ interrupted: true, stoppedBy: { code: 'unreachable' } });
});
