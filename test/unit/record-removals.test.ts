/** What counts as gone from the source, by what the archive knows of it. */
import { expect, test } from 'vitest';
import type { Missing } from '../../core/archive-life/deletions/missing.ts';
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
