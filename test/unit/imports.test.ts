/** What was imported was never at the source, and is not taken for deleted there. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { planInstance } from '../../core/compare/plan.ts';
import { GoneKeeper } from '../../core/deletions/gone-keeper.ts';
import { importedInventory, recordImport } from '../../core/deletions/imports.ts';
import type { Missing } from '../../core/deletions/missing.ts';
import { keepRecord, listRemovals } from '../../core/deletions/removals.ts';
import type { InstanceId } from '../../core/identifiers.ts';
import { FolderObjects } from '../../core/stores/archive/folder-objects.ts';
import { MemoryStore, sampleId } from '../support/memory-store.ts';

const entry = (id: InstanceId) => ({ id, md5: undefined, sizeBytes: undefined });

async function emptyArchive(): Promise<FolderObjects> {
  const folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-imports-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const objects = new FolderObjects(folder);
  await objects.prepare();
  return objects;
}

test.each([
  ['imported', [entry(sampleId(1))], []],
  ['not imported', [], [sampleId(1)]],
])('an instance that only a target holds and that was %s', async (_name, imported, buried) => {
  const destinations = [{ role: 'target' as const, store: new MemoryStore('target') }];
  const done: InstanceId[] = [];
  let saved: Missing | undefined;
  const keeper = new GoneKeeper({
    document: {
      read: async () => saved && { value: saved, version: 'saved' },
      write: async (value) => {
        saved = value;
        return 'saved';
      },
    },
    limits: { maxCount: 5, maxPercent: 100, graceMs: 0 },
    deletesAtTargets: true,
    now: () => new Date(),
    bury: async (id) => void done.push(id),
  });
  const held = [[], [entry(sampleId(1))], [], imported];
  for (let comparison = 1; comparison <= 2; comparison += 1) {
    await keeper.begin({ resume: false });
    keeper.note(planInstance({ id: sampleId(2), held: [[entry(sampleId(2))], [], [], []] }, destinations));
    keeper.note(planInstance({ id: sampleId(1), held }, destinations));
    await keeper.complete();
  }
  expect(done).toEqual(buried);
});

test('records of imports are listed in order of id, each once, also from the middle', async () => {
  const objects = await emptyArchive();
  for (const number of [3, 1, 2, 1]) await recordImport(objects, { id: sampleId(number), at: new Date() });
  const listed = async (after?: InstanceId) =>
    (await Array.fromAsync(importedInventory(objects, { after }))).map(({ id }) => id);
  expect(await listed()).toEqual([1, 2, 3].map(sampleId));
  expect(await listed(sampleId(1))).toEqual([2, 3].map(sampleId));
});

test('what was removed before is there again when it is imported', async () => {
  const objects = await emptyArchive();
  await keepRecord(objects, { id: sampleId(1), at: new Date('2026-01-01'), kind: 'removed' });
  await recordImport(objects, { id: sampleId(1), at: new Date('2026-01-02') });
  const removals = await Array.fromAsync(listRemovals(objects, { only: sampleId(1) }));
  expect(removals.map(({ kind }) => kind)).toEqual(['removed', 'returned']);
});
