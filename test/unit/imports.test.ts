/** What the archive remembers of instances that did not come from the source. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { importedInventory, recordImport } from '../../core/deletions/imports.ts';
import { keepRecord, listRemovals } from '../../core/deletions/removals.ts';
import type { InstanceId } from '../../core/identifiers.ts';
import { FolderObjects } from '../../core/stores/archive/folder-objects.ts';
import { sampleId } from '../support/memory-store.ts';

async function emptyArchive(): Promise<FolderObjects> {
  const folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-imports-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const objects = new FolderObjects(folder);
  await objects.prepare();
  return objects;
}

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
