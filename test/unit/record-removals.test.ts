/** What counts as gone from the source, by what the archive knows of it. */
import { expect, test } from 'vitest';
import type { Missing } from '../../core/archive-life/deletions/missing.ts';
import { MirrorError } from '../../core/errors.ts';
import type { InstanceId } from '../../core/identifiers.ts';
import { planInstance } from '../../core/mirror/plan.ts';
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
  ['keeps without a record', known('unsettled'), [sampleId(1)]],
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
