import { cp, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { archiveSidecar, readArchivedStudy } from '../../core/sidecars/archive-sidecar.ts';
import { readStudiesAt } from '../../core/sidecars/list-sidecars.ts';
import { type SidecarFinding, SidecarFindings, sidecarHash } from '../../core/sidecars/sidecar-state.ts';
import {
  addSidecar,
  instanceId,
  studyId,
  studySidecar,
  type WatchedArchive,
  watchedArchive,
} from '../support/archived-studies.ts';
import { noFindings } from '../support/no-findings.ts';

/** An archive with two states of each of three studies; the newer has a label. */
async function archiveWithStates() {
  const archive = await watchedArchive();
  for (const n of [0, 1, 2]) {
    await addSidecar(archive, studySidecar(n, [instanceId(n)], { labels: ['older'] }), '2026-03-01T10:00:00Z');
    await addSidecar(archive, studySidecar(n, [instanceId(n)], { labels: ['newer'] }), '2026-03-02T10:00:00Z');
  }
  return archive;
}

async function statesOf({ path }: WatchedArchive, n: number): Promise<readonly string[]> {
  const folder = join(path, 'studies', studyId(n));
  return (await readdir(folder)).toSorted().map((file) => join(folder, file));
}

function collect() {
  const found: SidecarFinding[] = [];
  return { found, findings: new SidecarFindings((finding) => found.push(finding)) };
}

/** Puts something else under the time of a state, with a key that promises exactly that. */
async function replaceWithPromise(path: string, content: string): Promise<void> {
  await writeFile(path, content);
  await rename(path, path.replace(/-[0-9a-f]{8}\.json$/, `-${sidecarHash(Buffer.from(content))}.json`));
}

describe.each<readonly [what: string, damage: (path: string) => Promise<void>]>([
  ['cut', (path) => truncate(path, 300)],
  ['emptied', (path) => truncate(path, 0)],
  ['changed by one letter', async (path) => writeFile(path, (await readFile(path, 'utf8')).replace('newer', 'never'))],
  ['replaced by what is no JSON', (path) => replaceWithPromise(path, 'no JSON')],
  ['replaced by another form', (path) => replaceWithPromise(path, '{"format":"orthanc-mirror-study","version":2}')],
  [
    'replaced by the sidecar of another study',
    async (path) => {
      const other = join(dirname(dirname(path)), studyId(0));
      const [file = ''] = await readdir(other);
      await replaceWithPromise(path, await readFile(join(other, file), 'utf8'));
    },
  ],
  ['grown beyond all measure', (path) => truncate(path, 65 * 1024 ** 2)],
])('a sidecar that is %s', (_, damage) => {
  test('is told once by its key, and the one before it counts, for its study only', async () => {
    const archive = await archiveWithStates();
    const [, newer = ''] = await statesOf(archive, 1);
    await damage(newer);
    const { found, findings } = collect();
    const read = async () => {
      const studies = await Array.fromAsync(readStudiesAt(archive.objects, { onFinding: findings.note }));
      return Object.fromEntries(studies.map(({ id, document, isNewest }) => [id, [...document.labels, isNewest]]));
    };
    const expected = { [studyId(0)]: ['newer', true], [studyId(1)]: ['older', false], [studyId(2)]: ['newer', true] };
    expect(await read()).toEqual(expected);
    expect(await read()).toEqual(expected);
    const [, key = ''] = (await statesOf(archive, 1)).map((path) => path.slice(archive.path.length + 1));
    expect(found).toMatchObject([{ level: 'studies', id: studyId(1), key, error: { code: 'sidecar-damaged' } }]);
    expect(found[0]?.error.message).toContain(key);
    expect(found[0]?.error.message).not.toMatch(/newer|never/);
  });

  test('is followed by a new one when the study is archived again, also with the content of the one before', async () => {
    const archive = await archiveWithStates();
    const [, newer = ''] = await statesOf(archive, 1);
    await damage(newer);
    const { findings } = collect();
    const attachments = () => Promise.reject(new Error('there are none'));
    const document = studySidecar(1, [instanceId(1)], { labels: ['older'] });
    const outcome = await archiveSidecar(archive.objects, document, { attachments, onFinding: findings.note });
    expect(outcome.written).toBe(true);
    const again = await archiveSidecar(archive.objects, document, { attachments, onFinding: findings.note });
    expect(again).toEqual({ key: outcome.key, written: false });
    expect(await readArchivedStudy(archive.objects, studyId(1), noFindings)).toMatchObject({ key: outcome.key });
  });
});

test('a study of which no state can be read is told, and stops no other', async () => {
  const archive = await archiveWithStates();
  for (const path of await statesOf(archive, 1)) await truncate(path, 10);
  const { found, findings } = collect();
  const studies = await Array.fromAsync(readStudiesAt(archive.objects, { onFinding: findings.note }));
  expect(studies.map(({ id }) => id)).toEqual([studyId(0), studyId(2)].toSorted());
  expect(found).toHaveLength(2);
  expect(findings.count('sidecar-damaged')).toBe(2);
});

test('a sidecar from the future counts in the order of its key, and is followed by later ones', async () => {
  const archive = await archiveWithStates();
  const [older = ''] = await statesOf(archive, 2);
  await cp(older, older.replace(/[^/]+-([0-9a-f]{8})\.json$/, '29990101T000000.000Z-$1.json'));
  const { findings } = collect();
  const read = () => readArchivedStudy(archive.objects, studyId(2), { onFinding: findings.note });
  expect((await read())?.document.labels).toEqual(['older']);
  const attachments = () => Promise.reject(new Error('there are none'));
  const document = studySidecar(2, [instanceId(2)], { labels: ['newest'] });
  await archiveSidecar(archive.objects, document, { attachments, onFinding: findings.note });
  expect((await read())?.document.labels).toEqual(['newest']);
});

test('the archive is asked once for each instance that a sidecar names, and what it lacks is marked until it is there', async () => {
  const archive = await watchedArchive();
  const bytes = Buffer.from(instanceId(0));
  const document = studySidecar(0, [instanceId(0), instanceId(1)]);
  const [held] = document.series[0]?.instances ?? [];
  await archive.archive.store({ id: instanceId(0), md5: held?.md5 ?? expect.fail(), sizeBytes: bytes.length }, bytes);
  const pending = async () => {
    const read = await readArchivedStudy(archive.objects, studyId(0), noFindings);
    return read?.document.series.flatMap(({ instances }) => instances.filter((one) => one.pending).map(({ id }) => id));
  };
  await addSidecar(archive, document, '2026-03-01T10:00:00Z');
  expect(await pending()).toEqual([instanceId(1)]);
  await addSidecar(archive, document, '2026-03-02T10:00:00Z');
  expect(await readdir(join(archive.path, 'studies', studyId(0)))).toHaveLength(1);
  const other = Buffer.from(instanceId(1));
  const md5 = document.series[0]?.instances[1]?.md5 ?? expect.fail();
  await archive.archive.store({ id: instanceId(1), md5, sizeBytes: other.length }, other);
  await addSidecar(archive, document, '2026-03-03T10:00:00Z');
  expect(await pending()).toEqual([]);
  // What was there once is not asked for again: its absence is found by verifying, not forgiven by the next sidecar.
  await rm(join(archive.path, 'instances', instanceId(0)), { recursive: true });
  await addSidecar(archive, { ...document, labels: ['changed'] }, '2026-03-04T10:00:00Z');
  expect(await pending()).toEqual([]);
});
