/** What counts as gone from the source, by what the archive knows of it. */
import { describe, expect, test, vi } from 'vitest';
import type { Missing } from '../../core/archive-life/deletions/missing.ts';
import type { KeptCopy, Propagated } from '../../core/archive-life/deletions/propagate-deletion.ts';
import { MirrorError } from '../../core/errors.ts';
import type { InstanceId } from '../../core/identifiers.ts';
import { type PlannedInstance, planInstance } from '../../core/mirror/plan.ts';
import { RemovalRecorder } from '../../core/mirror/record-removals.ts';
import type { KnownEntry } from '../../core/stores/store.ts';
import { MemoryStore, sampleId } from '../support/memory-store.ts';

const entry = (id: InstanceId) => ({ id, md5: undefined, sizeBytes: undefined });
const known = (standing: KnownEntry['standing'], isForeign = false): readonly KnownEntry[] => [
  { ...entry(sampleId(1)), standing, isForeign, versions: [] },
];

test.each([
  ['holds', known('held'), [sampleId(1)]],
  ['recorded as removed', known('removed'), []],
  ['keeps without a record', known('undecided'), [sampleId(1)]],
  ['got another way than from the source', known('held', true), []],
  ["knows nothing of, so that it is the target's own", [], []],
])('an instance that the source lacks and the archive %s', async (_name, archived, gone) => {
  const destinations = [
    { role: 'target' as const, store: new MemoryStore('target') },
    { role: 'archive' as const, store: new MemoryStore('archive') },
  ];
  const done: InstanceId[] = [];
  let saved: Missing | undefined;
  const keeper = new RemovalRecorder({
    document: {
      read: async () => saved && { value: saved, version: 'saved' },
      write: async (value) => {
        saved = value;
        return 'saved';
      },
    },
    limits: { maxCount: 5, maxPercent: 100, graceMs: 0 },
    deletesAtTargets: false,
    now: () => new Date(),
    propagate: async (id) => {
      done.push(id);
      return { kind: 'gone', kept: [] };
    },
  });
  for (let comparison = 1; comparison <= 2; comparison += 1) {
    await keeper.begin({ resume: false });
    keeper.note(planInstance({ id: sampleId(2), held: [[entry(sampleId(2))], [], []] }, destinations));
    keeper.note(planInstance({ id: sampleId(1), held: [[], [entry(sampleId(1))], archived] }, destinations));
    await keeper.complete();
  }
  expect(done).toEqual(gone);
});

test('what arrived after the source was listed is not missing, however much that is; what is gone still is', async () => {
  const destinations = [{ role: 'archive' as const, store: new MemoryStore('archive') }];
  let saved: Missing | undefined;
  const asked: InstanceId[] = [];
  const recorder = new RemovalRecorder({
    document: {
      read: async () => saved && { value: saved, version: 'saved' },
      write: async (value) => {
        saved = value;
        return 'saved';
      },
    },
    limits: { maxCount: 3, maxPercent: 100, graceMs: 0 },
    deletesAtTargets: false,
    now: () => new Date(),
    isAtSource: async (id) => {
      asked.push(id);
      if (id === sampleId(2)) throw new MirrorError('server-error', 'the source cannot be asked for it');
      return id !== sampleId(1);
    },
    propagate: async () => ({ kind: 'gone', kept: [] }),
  });
  const compare = async (count: number) => {
    await recorder.begin({ resume: false });
    recorder.note(planInstance({ id: sampleId(99), held: [[entry(sampleId(99))], []] }, destinations));
    for (let n = 1; n <= count; n += 1) {
      const archived = [{ ...entry(sampleId(n)), standing: 'held' as const, isForeign: false, versions: [] }];
      recorder.note(planInstance({ id: sampleId(n), held: [[], archived] }, destinations));
      if (n === 4) await recorder.save();
    }
    return recorder.complete();
  };
  expect(await compare(9)).toEqual({ kind: 'none' });
  expect(await compare(9)).toEqual({ kind: 'gone', ids: [sampleId(1)], kept: [] });
  expect(new Set(asked).size).toBe(9);
});

describe('what comparisons did not find at the source', () => {
  const ids = [1, 2, 3].map(sampleId);
  const kept: KeptCopy = { id: sampleId(2), destination: 'target', reason: 'other bytes' };

  /** A list in memory, and comparisons of 100 instances that do not find `missed`. */
  function setUp({ deletesAtTargets = true } = {}) {
    const document = {
      value: undefined as Missing | undefined,
      version: 0,
      read: async () => document.value && { value: document.value, version: `${document.version}` },
      write: vi.fn(async (value: Missing, version: string | null) => {
        if (version !== (document.value === undefined ? null : `${document.version}`)) {
          throw new MirrorError('changed-meanwhile', 'another run was at work');
        }
        document.value = value;
        document.version += 1;
        return `${document.version}`;
      }),
    };
    const propagate = vi.fn(async (id: InstanceId): Promise<Propagated> => {
      if (id === sampleId(3)) return { kind: 'not-gone' };
      return { kind: 'gone', kept: id === kept.id ? [kept] : [] };
    });
    const onGone = vi.fn();
    const recorder = () =>
      new RemovalRecorder({
        document,
        limits: { maxCount: 5, maxPercent: 100, graceMs: 0 },
        deletesAtTargets,
        now: () => new Date(),
        propagate,
        onGone,
      });
    const missed = (id: InstanceId, more: Partial<PlannedInstance> = {}): PlannedInstance => {
      const [archived] = known('held');
      return { id, request: undefined, decided: [], atSource: false, onlyAt: [], archived, ...more };
    };
    const compare = async (gone: readonly PlannedInstance[], options: { dryRun?: boolean } = {}) => {
      const one = recorder();
      await one.begin({ resume: false });
      one.note(missed(sampleId(9), { atSource: true }));
      for (const planned of gone) one.note(planned);
      return one.complete(options);
    };
    const remembered = () => document.value?.previous.map(([id]) => id);
    return { document, propagate, onGone, recorder, missed, compare, remembered };
  }

  test('is acted on, told of, and forgotten, but for what a target keeps', async () => {
    const { onGone, missed, compare, remembered } = setUp();
    const gone = ids.map((id) => missed(id));
    expect(await compare(gone)).toEqual({ kind: 'none' });
    expect(remembered()).toEqual(ids);
    expect(await compare(gone)).toEqual({ kind: 'gone', ids: ids.slice(0, 2), kept: [kept] });
    expect(onGone.mock.calls).toEqual([
      [ids[0], []],
      [ids[1], [kept]],
    ]);
    expect(remembered()).toEqual([kept.id]);
  });

  test('is only told in a dry run, and nothing is written', async () => {
    const { document, propagate, onGone, missed, compare } = setUp();
    await compare([missed(sampleId(1))]);
    document.write.mockClear();
    expect(await compare([missed(sampleId(1))], { dryRun: true })).toEqual({ kind: 'gone', ids: [ids[0]], kept: [] });
    expect(propagate).toHaveBeenCalledExactlyOnceWith(ids[0], { dryRun: true });
    expect([document.write.mock.calls, onGone.mock.calls]).toEqual([[], []]);
  });

  test('is left to another run that wrote the list meanwhile', async () => {
    const { document, propagate, missed, compare, recorder } = setUp();
    const gone = missed(sampleId(1));
    await compare([gone]);
    const slow = recorder();
    await slow.begin({ resume: false });
    slow.note(missed(sampleId(9), { atSource: true }));
    slow.note(gone);
    await compare([]);
    const writes = document.write.mock.calls.length;
    expect(await slow.complete()).toEqual({ kind: 'none' });
    await slow.save();
    expect([propagate.mock.calls, document.write.mock.calls.length]).toEqual([[], writes + 1]);
    // It may begin again.
    await slow.begin({ resume: false });
    await slow.save();
    expect(document.write).toHaveBeenCalledTimes(writes + 2);
  });

  test('is counted once, however often a part of a comparison is saved', async () => {
    const { document, missed, recorder } = setUp();
    const first = recorder();
    await first.begin({ resume: false });
    first.note(missed(sampleId(9), { atSource: true }));
    first.note(missed(sampleId(1)));
    await first.save();
    await first.save();
    expect(document.value?.current).toEqual({ ids: [ids[0]], count: 1, listed: 1 });
    const next = recorder();
    await next.begin({ resume: true });
    next.note(missed(sampleId(2)));
    await next.save();
    expect(document.value?.current).toEqual({ ids: ids.slice(0, 2), count: 2, listed: 1 });
    await next.begin({ resume: true });
    await next.save();
    expect(document.value?.current).toEqual({ ids: ids.slice(0, 2), count: 2, listed: 1 });
    await next.begin({ resume: false });
    await next.save();
    expect(document.value?.current).toEqual({ ids: [], count: 0, listed: 0 });
  });

  test.each([
    ['target', true, [ids[0]]],
    ['target', false, []],
    ['archive', true, []],
  ] as const)(
    'and was removed, and is still at a place of the role %s (deletions: %s)',
    async (role, deletesAtTargets, gone) => {
      const { propagate, missed, compare } = setUp({ deletesAtTargets });
      const onlyAt = [{ role, store: new MemoryStore('place') }];
      const [archived] = known('removed');
      for (let time = 0; time < 2; time += 1) await compare([missed(sampleId(1), { onlyAt, archived })]);
      expect(propagate.mock.calls.map(([id]) => id)).toEqual(gone);
    },
  );

  test('and what an error of the list is, is thrown', async () => {
    const { document, missed, compare } = setUp();
    document.write.mockRejectedValueOnce(new MirrorError('full', 'the archive is full'));
    await expect(compare([missed(sampleId(1))])).rejects.toMatchObject({ code: 'full' });
  });
});
