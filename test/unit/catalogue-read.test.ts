import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readCatalogue } from '../../core/archive-life/catalogue/read-catalogue.ts';
import { addSidecar, instanceId, studyId, studySidecar, watchedArchive } from '../support/archived-studies.ts';
import { noFindings } from '../support/no-findings.ts';

async function archiveWithStudies(count: number) {
  const archive = await watchedArchive();
  for (let n = 0; n < count; n += 1) {
    await addSidecar(archive, studySidecar(n, [instanceId(n)]), '2026-03-01T10:00:00Z');
  }
  const documentsRead = () => archive.objects.read.splice(0).filter((key) => key.startsWith('studies/'));
  const read = () => Array.fromAsync(readCatalogue(archive.objects, noFindings));
  documentsRead();
  return { ...archive, documentsRead, read };
}

test('lists every study in order of id with what it is found by', async () => {
  const { read } = await archiveWithStudies(5);
  const entries = await read();
  expect(entries.map(({ study }) => study)).toEqual([0, 1, 2, 3, 4].map(studyId).toSorted());
  expect(entries.find(({ study }) => study === studyId(3))).toMatchObject({
    patientId: 'P3',
    studyInstanceUid: '1.2.3',
    accessionNumber: 'A3',
    studyDate: '20260104',
    modalities: ['MR'],
    series: 1,
    instances: 1,
    sizeBytes: 44,
  });
});

test('reads each document once, and then only those that are new', async () => {
  const archive = await archiveWithStudies(5);
  const first = await archive.read();
  expect(archive.documentsRead()).toHaveLength(5);
  expect(await archive.read()).toEqual(first);
  expect(archive.documentsRead()).toEqual([]);
  await addSidecar(archive, studySidecar(2, [instanceId(2), instanceId(9)]), '2026-03-02T10:00:00Z');
  archive.documentsRead();
  const second = await archive.read();
  expect(archive.documentsRead()).toEqual([expect.stringContaining(studyId(2))]);
  expect(second.find(({ study }) => study === studyId(2))?.instances).toBe(2);
});

test('a moment of the past has the sidecars of then, and changes nothing of what is kept', async () => {
  const archive = await archiveWithStudies(3);
  await addSidecar(archive, studySidecar(1, [instanceId(1), instanceId(8)]), '2026-03-02T10:00:00Z');
  const at = (time: string) => Array.fromAsync(readCatalogue(archive.objects, { at: new Date(time), ...noFindings }));
  expect(await at('2026-02-28T00:00:00Z')).toEqual([]);
  expect((await at('2026-03-01T12:00:00Z')).map(({ instances }) => instances)).toEqual([1, 1, 1]);
  const now = await archive.read();
  expect(now.map(({ instances }) => instances).toSorted((a, b) => a - b)).toEqual([1, 1, 2]);
});

test('what is kept may be damaged or deleted: it is made anew', async () => {
  const archive = await archiveWithStudies(4);
  const entries = await archive.read();
  for (const digit of new Set(entries.map(({ study }) => study.charAt(0)))) {
    await writeFile(join(archive.path, `state/catalogue/${digit}.json`), 'damaged');
  }
  archive.documentsRead();
  expect(await archive.read()).toEqual(entries);
  expect(archive.documentsRead()).toHaveLength(4);
  await archive.read();
  expect(archive.documentsRead()).toEqual([]);
});
