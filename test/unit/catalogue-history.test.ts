import { expect, test } from 'vitest';
import { listDifferences } from '../../core/archive-life/catalogue/differences.ts';
import { listSnapshots } from '../../core/archive-life/catalogue/snapshots.ts';
import {
  addInstance,
  addSidecar,
  instanceId,
  studyId,
  studySidecar,
  watchedArchive,
} from '../support/archived-studies.ts';

/** Three instances on the first day; on the second one is overwritten, one removed; on the third it is back. */
async function history() {
  const archive = await watchedArchive();
  const md5 = {
    kept: await addInstance(archive, 0, 'kept', '2026-03-01T10:00:00Z'),
    before: await addInstance(archive, 1, 'before', '2026-03-01T10:00:00Z'),
    removed: await addInstance(archive, 2, 'removed', '2026-03-01T10:00:00Z'),
    after: await addInstance(archive, 1, 'after', '2026-03-02T10:00:00Z'),
  };
  await addSidecar(archive, studySidecar(0, [0, 1, 2].map(instanceId)), '2026-03-01T11:00:00Z');
  await addSidecar(archive, studySidecar(0, [0, 1].map(instanceId)), '2026-03-02T11:00:00Z');
  archive.clock.now = new Date('2026-03-02T12:00:00Z');
  await archive.archive.recordRemoval(instanceId(2));
  archive.clock.now = new Date('2026-03-03T12:00:00Z');
  await archive.archive.storeKept({ id: instanceId(2), md5: md5.removed });
  return { ...archive, md5 };
}

test('snapshots tell for each day what came, changed, went and came back', async () => {
  const { archive } = await history();
  const nothing = { added: 0, changed: 0, removed: 0, returned: 0, sidecars: 0, bytes: 0 };
  expect(await listSnapshots(archive)).toEqual([
    { ...nothing, day: '2026-03-01', added: 3, sidecars: 1, bytes: 'keptbeforeremoved'.length },
    { ...nothing, day: '2026-03-02', changed: 1, removed: 1, sidecars: 1, bytes: 'after'.length },
    { ...nothing, day: '2026-03-03', returned: 1 },
  ]);
});

test('the difference of two moments is what happened between them, and mirrors when they are swapped', async () => {
  const { archive, md5 } = await history();
  const between = (before: string, after: string) =>
    Array.fromAsync(listDifferences(archive, new Date(before), new Date(after)));
  const forward = await between('2026-03-01T23:00:00Z', '2026-03-02T23:00:00Z');
  expect(forward).toHaveLength(3);
  expect(forward).toContainEqual({
    kind: 'changed',
    level: 'instance',
    id: instanceId(1),
    md5: md5.after,
    md5Before: md5.before,
  });
  expect(forward).toContainEqual({ kind: 'removed', level: 'instance', id: instanceId(2), md5: md5.removed });
  expect(forward).toContainEqual({ kind: 'changed', level: 'study', id: studyId(0) });
  const back = await between('2026-03-02T23:00:00Z', '2026-03-03T23:00:00Z');
  expect(back).toEqual([{ kind: 'added', level: 'instance', id: instanceId(2), md5: md5.removed }]);
  const all = await between('2026-01-01T00:00:00Z', '2026-03-01T23:00:00Z');
  expect(all.map(({ kind }) => kind)).toEqual(['added', 'added', 'added', 'added']);
  expect(await between('2026-03-03T23:00:00Z', '2026-04-01T00:00:00Z')).toEqual([]);
});
