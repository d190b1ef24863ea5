import { describe, expect, test } from 'vitest';
import { type Missing, nothingMissing } from '../../core/archive-life/deletions/missing.ts';
import type { Destination } from '../../core/copy/outcome.ts';
import { MirrorError } from '../../core/errors.ts';
import type { InstanceId, OrthancId } from '../../core/identifiers.ts';
import { cursorAt } from '../../core/mirror/follow/cursor.ts';
import { pauseInMemory } from '../../core/mirror/pause/pause.ts';
import type { Progress } from '../../core/mirror/progress.ts';
import { RemovalRecorder } from '../../core/mirror/record-removals.ts';
import { dueReason } from '../../core/mirror/steps.ts';
import { type TickOptions, type TickReport, tick } from '../../core/mirror/tick.ts';
import { MemoryArchive, MemoryStore, sampleBytes, sampleId } from '../support/memory-store.ts';
import { SimulatedClock, standingClock } from '../support/simulated-clock.ts';
import { change, SimulatedFeed } from '../support/simulated-feed.ts';

class MemoryDocument {
  value: Progress | undefined;
  version = 0;
  requests = 0;

  async read() {
    this.requests += 1;
    return this.value === undefined ? undefined : { value: this.value, version: `${this.version}` };
  }

  async write(value: Progress, version: string | null) {
    this.requests += 1;
    const expected = this.value === undefined ? null : `${this.version}`;
    if (version !== expected) throw new MirrorError('changed-meanwhile', 'another tick was at work');
    this.value = value;
    this.version += 1;
    return `${this.version}`;
  }
}

function setUp(count: number) {
  const source = new MemoryStore('source');
  const feed = new SimulatedFeed();
  const add = (n: number): void => {
    source.instances.set(sampleId(n), sampleBytes(n));
    feed.add(change(feed.lastEver + 1, n));
  };
  for (let n = 1; n <= count; n += 1) add(n);
  const target = new MemoryStore('target');
  const destinations: Destination[] = [{ role: 'target', store: target }];
  const document = new MemoryDocument();
  const queue: OrthancId[] = [];
  const clock = { now: new Date('2026-11-21T02:46:00Z') };
  const run = (options: Partial<TickOptions> = {}) =>
    tick({
      source,
      feed,
      sourceIdentity: async () => 'database 1',
      destinations,
      document,
      send: async (announcements) => {
        queue.push(...announcements.map(({ id }) => id));
      },
      underLease: (work) => work(),
      clock: standingClock(() => clock.now.getTime()),
      compareEveryMs: 24 * 60 * 60 * 1000,
      deadline: new AbortController().signal,
      ...options,
    });
  return { source, feed, target, document, queue, clock, add, run };
}

test.each([
  ['a day after it began', 0, 3, 24, true],
  ['not before', 0, 3, 23, false],
  ['not before half a day after it ended', 0, 30, 41, false],
  ['half a day after it ended', 0, 30, 42, true],
])('a comparison is due %s', (_, from, to, now, isDue) => {
  const at = (hour: number) => new Date(Date.parse('2026-11-21T00:00:00Z') + hour * 3_600_000);
  const progress = {
    version: 1 as const,
    sourceIdentity: null,
    cursor: cursorAt(0, 0, 0),
    comparison: null,
    comparedAt: at(to).toISOString(),
    comparedFrom: at(from).toISOString(),
    unlisted: [],
  };
  const clock = standingClock(() => at(now).getTime());
  expect(dueReason(progress, { clock, compareEveryMs: 24 * 3_600_000 }) !== undefined).toBe(isDue);
});

describe('a scheduled mirror', () => {
  test('announces everything at first, then only what is new, each once', async () => {
    const { queue, add, run } = setUp(30);
    expect(await run()).toMatchObject({ announced: 30, comparing: false });
    expect(await run()).toMatchObject({ announced: 0 });
    add(31);
    expect(await run()).toMatchObject({ announced: 1 });
    expect(await run()).toMatchObject({ announced: 0 });
    expect(queue.at(-1)).toBe(sampleId(31));
    expect(new Set(queue).size).toBe(31);
  });

  test('costs one empty look at the feed, one at the state and nothing else when nothing is new, for good', async () => {
    const { source, target, feed, document, clock, run } = setUp(1500);
    await run();
    const minute = async (): Promise<void> => {
      clock.now = new Date(clock.now.getTime() + 60_000);
      await run({ sourceIdentity: asked });
    };
    let identities = 0;
    const asked = async (): Promise<string> => {
      identities += 1;
      return 'database 1';
    };
    // For some minutes its end is read again, for what commits late.
    for (let minutes = 0; minutes < 10; minutes += 1) await minute();
    Object.assign(feed, { requests: 0, entriesGiven: 0 });
    Object.assign(document, { requests: 0 });
    identities = 0;
    const before = { source: { ...source.calls }, target: { ...target.calls } };
    for (let minutes = 0; minutes < 60; minutes += 1) await minute();
    expect([feed.requests, feed.entriesGiven, document.requests, identities]).toEqual([60, 0, 60, 0]);
    expect({ source: source.calls, target: target.calls }).toEqual(before);
  });

  test('what the source got during an outage does not keep waiting what arrives now', async () => {
    const { add, run } = setUp(5);
    await run();
    for (let n = 6; n <= 7006; n += 1) add(n);
    const sent = { new: [] as OrthancId[], old: [] as OrthancId[] };
    const send: TickOptions['send'] = async (announcements, age) => {
      sent[age].push(...announcements.map(({ id }) => id));
    };
    await run({ send });
    // Seven pages; five thousand entries follow the second.
    expect(sent.old).toContain(sampleId(6));
    expect(sent.new).toContain(sampleId(7006));
    expect(sent.new.length).toBeLessThanOrEqual(6000);
    expect(new Set([...sent.old, ...sent.new]).size).toBe(7001);
  });

  test('announces again what the queue did not acknowledge', async () => {
    const { queue, add, run } = setUp(5);
    await run();
    add(6);
    const refusing = async (): Promise<void> => {
      throw new MirrorError('busy', 'the queue did not take two messages');
    };
    await expect(run({ send: refusing })).rejects.toMatchObject({ code: 'busy' });
    await run();
    expect(queue.at(-1)).toBe(sampleId(6));
  });

  test.each([1, 2])('announces again what the queue did not acknowledge of a comparison (part %i)', async (failing) => {
    const { queue, run } = setUp(700);
    let sends = 0;
    const send = async (announcements: readonly { id: OrthancId }[]): Promise<void> => {
      sends += 1;
      if (sends === failing) throw new MirrorError('busy', 'the queue did not take two messages');
      queue.push(...announcements.map(({ id }) => id));
    };
    await expect(run({ send })).rejects.toMatchObject({ code: 'busy' });
    while ((await run({ send })).comparing);
    expect(new Set(queue).size).toBe(700);
  });

  test('compares in slices that continue where the deadline cut them, and misses nothing', async () => {
    const { queue, run, document } = setUp(2500);
    let sends = 0;
    for (let ticks = 0; ticks < 20; ticks += 1) {
      const deadline = new AbortController();
      const send = async (announcements: readonly { id: OrthancId }[]): Promise<void> => {
        queue.push(...announcements.map(({ id }) => id));
        sends += 1;
        if (sends % 2 === 0) deadline.abort(new MirrorError('deadline', 'no time left'));
      };
      const report = await run({ deadline: deadline.signal, send });
      if (!report.comparing) break;
    }
    expect(document.value?.comparison).toBeNull();
    expect(new Set(queue).size).toBe(2500);
    expect(queue.length).toBe(2500);
  });

  test('takes what arrives while a comparison is cut into slices', async () => {
    const { queue, run, add } = setUp(1500);
    const deadline = new AbortController();
    const send = async (announcements: readonly { id: OrthancId }[]): Promise<void> => {
      queue.push(...announcements.map(({ id }) => id));
      deadline.abort();
    };
    await run({ deadline: deadline.signal, send });
    for (let n = 2000; n < 2050; n += 1) add(n);
    while ((await run()).comparing);
    expect(new Set(queue).size).toBe(1550);
  });

  test('compares again after a day, and when the source is another database or went back', async () => {
    const { run, clock, feed, add } = setUp(3);
    await run();
    clock.now = new Date(clock.now.getTime() + 25 * 60 * 60 * 1000);
    expect((await run()).compareReason).toMatch(/too old/);
    add(4);
    expect((await run({ sourceIdentity: async () => 'database 2' })).compareReason).toMatch(/another database/);
    Object.assign(feed, { entries: [], lastEver: 0 });
    expect((await run({ sourceIdentity: async () => 'database 2' })).compareReason).toMatch(/restored/);
  });

  test('announces only what differs, and counts conflicts instead of announcing them', async () => {
    const { target, queue, run } = setUp(10);
    for (let n = 1; n <= 8; n += 1) target.instances.set(sampleId(n), sampleBytes(n));
    target.instances.set(sampleId(9), sampleBytes(99));
    expect(await run()).toMatchObject({ announced: 1, conflicts: 1, compared: 10 });
    expect(queue).toEqual([sampleId(10)]);
  });

  test('does nothing while another tick holds the lease', async () => {
    const { queue, run } = setUp(3);
    expect(await run({ underLease: async () => undefined })).toMatchObject({ leaseHeld: true, announced: 0 });
    expect(queue).toEqual([]);
  });

  test('has everything wait while its archive belongs to another source, however well that answers', async () => {
    const { queue, run, clock, target } = setUp(5);
    const destinations: Destination[] = [
      { role: 'target', store: target },
      { role: 'archive', store: new MemoryArchive('archive') },
    ];
    const pause = pauseInMemory(() => clock.now);
    const other = new MirrorError('other-source', 'the archive belongs to another source');
    const sourceProof = {
      verify: async () => {
        throw other;
      },
      remember: async () => undefined,
    };
    const pauses = {
      pause,
      probeAfterMs: 60_000,
      random: () => 0.5,
      graceMs: 1_800_000,
      tryOut: async () => 'sent' as const,
    };
    await expect(run({ destinations, sourceProof, pauses })).rejects.toBe(other);
    const begunAt = (await pause.read()).pauses.source?.begunAt;
    for (let minute = 1; minute <= 3; minute += 1) {
      clock.now = new Date(clock.now.getTime() + 60_000);
      await run({ destinations, sourceProof, pauses }).catch((error: unknown) => expect(error).toBe(other));
      expect((await pause.read()).pauses).toMatchObject({ source: { code: 'other-source', begunAt } });
    }
    expect(queue).toEqual([]);
    clock.now = new Date(clock.now.getTime() + 3_600_000);
    await run({ destinations, pauses });
    expect(queue).toHaveLength(5);
    expect((await pause.read()).pauses).toEqual({});
  });

  test('looks at the feed every minute while it compares, and announces what is new first', async () => {
    const { source, queue, add, run } = setUp(400);
    await run();
    const clock = new SimulatedClock('2026-11-23T00:00:00Z');
    const inventory = source.inventory.bind(source);
    source.inventory = async function* (options) {
      for await (const entry of inventory(options)) {
        await clock.wait(1000, options?.signal);
        yield entry;
      }
    };
    queue.length = 0;
    const slice = run({ clock });
    for (const n of [401, 402, 403]) {
      await clock.pass(61_000);
      add(n);
    }
    await clock.pass(61_000);
    expect(queue.filter((id) => [401, 402, 403].map(sampleId).includes(id as InstanceId))).toHaveLength(3);
    await clock.pass(400_000);
    expect((await slice).comparing).toBe(false);
    expect(new Set(queue).size).toBe(403);
  });

  test('saves its progress however little of a slow listing one slice gets to see', async () => {
    const { source, queue, run, document } = setUp(100);
    const clock = new SimulatedClock();
    const inventory = source.inventory.bind(source);
    source.inventory = async function* (options) {
      for await (const entry of inventory(options)) {
        await clock.wait(1000, options?.signal);
        yield entry;
      }
    };
    for (
      let slices = 0;
      slices < 10 && (document.value === undefined || document.value.comparison !== null);
      slices += 1
    ) {
      const deadline = new AbortController();
      const slice = run({ clock, deadline: deadline.signal });
      await clock.pass(25_000);
      deadline.abort(new MirrorError('deadline', 'no time left'));
      await slice;
    }
    expect(document.value?.comparison).toBeNull();
    expect(new Set(queue).size).toBe(100);
  });
});

describe('a comparison of sidecars that takes longer than a slice', () => {
  const studies = [3, 1, 2, 5, 4].map((n): OrthancId => sampleId(n)).sort();

  /** Documents that are compared in parts of one study each. */
  function slow(atPart: () => void, afterPart: () => void = () => undefined) {
    const begun: (OrthancId | null)[] = [];
    return {
      begun,
      announced: async () => [],
      async *differingParts(_: unknown, { after }: { readonly after: OrthancId | null }) {
        begun.push(after);
        const left = studies.filter((id) => after === null || id > after);
        for (const [index, id] of left.entries()) {
          atPart();
          yield { studies: [id], through: index === left.length - 1 ? null : id };
          afterPart();
        }
      },
    };
  }
  test('goes on where the slice before ended, lists nothing again, and ends', async () => {
    const { queue, run, source, document, clock } = setUp(5);
    let deadline = new AbortController();
    const sidecars = slow(() => {
      clock.now = new Date(clock.now.getTime() + 61_000);
      deadline.abort(new MirrorError('deadline', 'no time left'));
    });
    const told: boolean[] = [];
    for (let ticks = 0; ticks < 5; ticks += 1) {
      deadline = new AbortController();
      told.push((await run({ sidecars, deadline: deadline.signal })).comparing);
    }
    expect(told).toEqual([true, true, true, true, false]);
    expect(sidecars.begun).toEqual([null, ...studies.slice(0, -1)]);
    expect(source.calls.inventory).toBe(1);
    expect(queue.slice(5)).toEqual(studies);
    // It was completed when the last sidecars were compared, not when the ids were.
    expect(document.value?.comparedAt).toBe(clock.now.toISOString());
  });

  test('looks at what is new every minute, and goes on as long as there is time', async () => {
    const { queue, run, add, clock } = setUp(5);
    let parts = 0;
    const sidecars = slow(() => {
      parts += 1;
      if (parts === 2) add(6);
      clock.now = new Date(clock.now.getTime() + 61_000);
    });
    expect((await run({ sidecars })).comparing).toBe(false);
    // Five instances, two studies, and then what is new.
    expect(queue.indexOf(sampleId(6))).toBe(7);
    expect(queue).toHaveLength(5 + 1 + studies.length);
  });

  test('keeps what it found when the deadline tears a slice off', async () => {
    const { queue, run } = setUp(5);
    let deadline = new AbortController();
    const afterPart = () => {
      deadline.abort(new MirrorError('deadline', 'no time left'));
      deadline.signal.throwIfAborted();
    };
    const sidecars = slow(() => undefined, afterPart);
    for (let ticks = 0; ticks < 5; ticks += 1) {
      deadline = new AbortController();
      await run({ sidecars, deadline: deadline.signal });
    }
    expect(queue.slice(5)).toEqual(studies);
  });
});

test('a slice that the deadline ends before anything was saved is a failure', async () => {
  const { run, add } = setUp(5);
  await run();
  add(6);
  const stuck = new AbortController();
  const refusing = async (): Promise<void> => {
    stuck.abort(new MirrorError('deadline', 'no time left'));
    stuck.signal.throwIfAborted();
  };
  await expect(run({ deadline: stuck.signal, send: refusing })).rejects.toMatchObject({ code: 'deadline' });
});

describe('a comparison that a destination fails', () => {
  function withPauses() {
    const scene = setUp(30);
    const other = new MemoryStore('other');
    const destinations: Destination[] = [
      { role: 'target', store: scene.target },
      { role: 'target', store: other },
      { role: 'archive', store: new MemoryArchive('archive', scene.source.instances) },
    ];
    const pause = pauseInMemory(() => scene.clock.now);
    const pauses = { pause, probeAfterMs: 60_000, random: () => 0.5, graceMs: 0, tryOut: async () => 'sent' as const };
    const gone = keeperInMemory(scene.clock);
    const pass = async (minutes: number): Promise<readonly TickReport[]> => {
      const reports: TickReport[] = [];
      for (let minute = 0; minute < minutes; minute += 1) {
        reports.push(await scene.run({ destinations, pauses, gone: gone.keeper }));
        scene.clock.now = new Date(scene.clock.now.getTime() + 60_000);
      }
      return reports;
    };
    return { ...scene, other, pause, gone, pass };
  }

  test('goes on without it, says nothing of deletions, and is followed by another one when it works again', async () => {
    const { target, other, source, queue, gone, pass } = withPauses();
    await pass(1);
    for (const [id, bytes] of source.instances) other.instances.set(id, bytes);
    source.instances.delete(sampleId(7));
    target.instances.clear();
    queue.length = 0;
    const inventory = target.inventory.bind(target);
    target.inventory = async function* () {
      yield* [];
      throw new MirrorError('server-error', 'page 1 failed', { store: 'target' });
    };
    const reports = await pass(24 * 60 + 1);
    expect(reports.at(-1)).toMatchObject({ comparing: false, paused: [] });
    expect(reports.every(({ deletions }) => deletions === undefined)).toBe(true);
    expect(gone.propagated).toEqual([]);

    target.inventory = inventory;
    queue.length = 0;
    await pass(61);
    expect(new Set(queue).size).toBe(29);
    await pass(24 * 60);
    expect(new Set(gone.propagated)).toEqual(new Set([sampleId(7)]));
  });
});

/** A keeper of what is gone that records it in memory. */
function keeperInMemory(clock: { readonly now: Date }) {
  let missing: Missing = nothingMissing;
  const propagated: InstanceId[] = [];
  const keeper = new RemovalRecorder({
    document: {
      read: async () => ({ value: missing, version: '' }),
      write: async (value) => {
        missing = value;
        return '';
      },
    },
    limits: { maxCount: 1000, maxPercent: 50, graceMs: 0 },
    deletesAtTargets: true,
    now: () => clock.now,
    propagate: async (id) => {
      propagated.push(id);
      return { kind: 'gone', kept: [] };
    },
  });
  return { keeper, propagated };
}
