import { expect, test } from 'vitest';
import { archiveSidecar } from '../../core/sidecars/archive-sidecar.ts';
import { listArchivedFingerprints } from '../../core/sidecars/list-fingerprints.ts';
import { instanceId, studyId, studySidecar } from '../support/archived-studies.ts';
import { MemoryObjects } from '../support/memory-objects.ts';
import { noFindings } from '../support/no-findings.ts';

const count = 9;
const scope = { labels: true, patients: true };

async function archivedStudies(): Promise<MemoryObjects> {
  const objects = new MemoryObjects();
  const attachments = () => Promise.reject(new Error('there are none'));
  for (let n = 0; n < count; n += 1) {
    const document = studySidecar(n, [instanceId(n)], { labels: [`label ${n}`] });
    await archiveSidecar(objects, document, { attachments, knownArchived: () => true, ...noFindings });
  }
  return objects;
}

test('sidecars of an archive are compared by two listings and the reading of each, however many patients there are', async () => {
  const objects = await archivedStudies();
  Object.assign(objects.calls, { list: 0, get: 0, head: 0 });
  expect(await Array.fromAsync(listArchivedFingerprints(objects, { scope, ...noFindings }))).toHaveLength(count);
  expect(objects.calls).toMatchObject({ list: 2, get: count, head: 0 });
});

test('a part of them is what lies behind the part before, up to its last study', async () => {
  const objects = await archivedStudies();
  const all = await Array.fromAsync(listArchivedFingerprints(objects, { scope, ...noFindings }));
  const [first, second, third, fourth] = Array.from({ length: count }, (_, n) => studyId(n)).sort();
  if (first === undefined || second === undefined || third === undefined || fourth === undefined)
    throw new Error('few');
  const listed = listArchivedFingerprints(objects, {
    scope,
    part: { after: first, ids: [second, fourth] },
    ...noFindings,
  });
  expect(await Array.fromAsync(listed)).toEqual(all.slice(1, 4));
});
