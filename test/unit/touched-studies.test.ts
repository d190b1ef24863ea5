/** Studies whose sidecars are read again because instances of theirs came. */
import { expect, test } from 'vitest';
import type { CopyResult, Destination, OutcomeKind } from '../../core/copy/outcome.ts';
import { md5Of } from '../../core/identifiers.ts';
import { TouchedStudies } from '../../core/mirror/touched-studies.ts';
import { studyServerOf } from '../../core/sidecars/study-server.ts';
import { generateInstance } from '../../local/dicom/generate.ts';
import { MemoryArchive, MemoryStore, sampleId } from '../support/memory-store.ts';
import { instanceOf } from '../support/open/written-instance.ts';
import { OrthancInMemory } from '../support/orthanc-in-memory.ts';

const target: Destination = { role: 'target', store: new MemoryStore('target') };
const archive: Destination = { role: 'archive', store: new MemoryArchive('archive') };
const md5 = md5Of(Buffer.from('bytes'));

function came(id: CopyResult['id'], ...kinds: readonly (readonly [Destination, OutcomeKind])[]) {
  return { id, md5, outcomes: kinds.map(([destination, kind]) => ({ destination, kind })) };
}

async function source() {
  const server = new OrthancInMemory();
  const store = await server.connect('source');
  const [one, two, other] = [
    instanceOf({ study: '1.2.1', series: '1.2.1.1', instance: '1.2.1.1.1' }),
    instanceOf({ study: '1.2.1', series: '1.2.1.1', instance: '1.2.1.1.2' }),
    instanceOf({ study: '1.2.2', series: '1.2.2.1', instance: '1.2.2.1.1' }),
  ] as const;
  for (const { bytes } of [one, two, other]) server.put(bytes);
  const studyServer = await studyServerOf(store);
  server.asked.length = 0;
  return { server, studyServer, one, two, other };
}

test('are those of what was copied anywhere, each asked for once, and then forgotten', async () => {
  const { server, studyServer, one, two, other } = await source();
  const touched = new TouchedStudies();
  for (const { id } of [one, two]) touched.note(came(id, [target, 'copied'], [archive, 'already-equal']));
  touched.note(came(other.id, [target, 'already-equal'], [archive, 'failed']));
  expect([...(await touched.take(studyServer, {}))]).toEqual([one.study]);
  const asked = server.asked.length;
  expect([...(await touched.take(studyServer, {}))]).toEqual([]);
  expect(server.asked.length).toBe(asked);
});

test('are not those of what is gone again', async () => {
  const { studyServer } = await source();
  const touched = new TouchedStudies();
  touched.note(
    came(generateInstance({ seed: 'gone', patient: 0, study: 0, series: 0, instance: 0 }, 2048).id, [target, 'copied']),
  );
  expect([...(await touched.take(studyServer, {}))]).toEqual([]);
});

test('are not asked for again by the other instances of a study', async () => {
  const { server, studyServer } = await source();
  const written = Array.from({ length: 20 }, (_, n) =>
    instanceOf({ study: '1.2.3', series: '1.2.3.1', instance: `1.2.3.1.${n}` }),
  );
  const touched = new TouchedStudies();
  for (const { id, bytes } of written) {
    server.put(bytes);
    touched.note(came(id, [target, 'copied']));
  }
  expect([...(await touched.take(studyServer, {}))]).toEqual([written[0]?.study]);
  // Some are asked for at once.
  expect(server.asked.length).toBeLessThanOrEqual(2 * 4);
});

test.each([1, 20_001])('are not looked for any more when it is over, of %i instances', async (count) => {
  const { server, studyServer } = await source();
  const touched = new TouchedStudies();
  for (let n = 0; n < count; n += 1) touched.note(came(sampleId(n), [target, 'copied']));
  const signal = AbortSignal.abort();
  await expect(touched.take(studyServer, { signal })).rejects.toMatchObject({ code: 'interrupted' });
  expect(server.asked).toEqual([]);
});

test('of which the archive has them, so many are known and no more', () => {
  const touched = new TouchedStudies();
  for (let n = 0; n <= 20_001; n += 1) touched.note(came(sampleId(n), [archive, 'copied']));
  expect([20_000, 20_001].map((n) => touched.isArchived(sampleId(n), md5))).toEqual([true, false]);
});

test('are all of them when more came than are remembered', async () => {
  const { server, studyServer, one, other } = await source();
  const touched = new TouchedStudies();
  for (let n = 0; n <= 20_000; n += 1) touched.note(came(sampleId(n), [target, 'copied']));
  expect([...(await touched.take(studyServer, {}))].sort()).toEqual([one.study, other.study].sort());
  expect(server.asked.length).toBeLessThan(10);
});

test.each<[string, readonly (readonly [Destination, OutcomeKind])[], boolean]>([
  ['copied to the archive', [[archive, 'copied']], true],
  [
    'copied to a target and in the archive',
    [
      [target, 'copied'],
      [archive, 'already-equal'],
    ],
    true,
  ],
  ['copied to a target only', [[target, 'copied']], false],
  [
    'that the archive refused',
    [
      [target, 'copied'],
      [archive, 'rejected'],
    ],
    false,
  ],
])('a version %s is known to be archived or not', (_, outcomes, isArchived) => {
  const touched = new TouchedStudies();
  touched.note(came(sampleId(1), ...outcomes));
  expect(touched.isArchived(sampleId(1), md5)).toBe(isArchived);
  expect(touched.isArchived(sampleId(1), md5Of(Buffer.from('other')))).toBe(false);
  touched.forgetArchived();
  expect(touched.isArchived(sampleId(1), md5)).toBe(false);
});
