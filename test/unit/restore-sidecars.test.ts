/** What a restore to a folder makes of the sidecars of an archive: it adds, and says what it could not bring back. */
import { expect, test, vi } from 'vitest';
import { type RestoreSidecarsOptions, restoreSidecars } from '../../core/archive-life/restore/restore-sidecars.ts';
import {
  restoredAttachmentKey,
  restoredPatientKey,
  restoredStudyKey,
  studyFolderOf,
} from '../../core/archive-life/restore/restored-keys.ts';
import { type HeldInstances, sidecarsInFolder } from '../../core/archive-life/restore/sidecar-targets.ts';
import { type InstanceId, md5Of, orthancIdOf } from '../../core/identifiers.ts';
import { archiveSidecar } from '../../core/sidecars/archive-sidecar.ts';
import { type PatientSidecar, patientSidecarSchema, type StudySidecar } from '../../core/sidecars/sidecar.ts';
import type { Sidecar } from '../../core/sidecars/sidecar-state.ts';
import { instanceKey } from '../../core/stores/archive/keys.ts';
import { instanceId, studyId, studySidecar } from '../support/archived-studies.ts';
import { MemoryObjects } from '../support/memory-objects.ts';
import { noFindings } from '../support/no-findings.ts';

const attached = Buffer.from('a report');
const attachment = { md5: md5Of(attached), sizeBytes: attached.length };
const all: HeldInstances = { holds: () => true, holdsStudy: () => true };

function patientSidecar(n: number, more: object = {}): PatientSidecar {
  const id = orthancIdOf(`P${n}`);
  return patientSidecarSchema.parse({ format: 'orthanc-mirror-patient', version: 1, id, protected: false, ...more });
}

/** Puts sidecars into an archive, one second after the other. */
async function archived(...documents: readonly Sidecar[]): Promise<MemoryObjects> {
  const objects = new MemoryObjects();
  for (const [index, document] of documents.entries()) await archiveAlso(objects, document, index);
  return objects;
}

async function archiveAlso(objects: MemoryObjects, document: Sidecar, second: number): Promise<string> {
  const attachments = async () => ({ sizeBytes: attached.length, body: bodyOf(attached), cancel: () => undefined });
  const now = () => new Date(Date.UTC(2026, 0, 1, 0, 0, second));
  return (await archiveSidecar(objects, document, { attachments, now, ...noFindings })).key;
}

async function* bodyOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function restore(
  archive: MemoryObjects,
  folder: MemoryObjects,
  { held = all, ...options }: Partial<RestoreSidecarsOptions> & { readonly held?: HeldInstances } = {},
) {
  const target = sidecarsInFolder(folder, archive, held);
  return Array.fromAsync(restoreSidecars(archive, target, { ...noFindings, ...options }));
}

function restoredStudy(folder: MemoryObjects, n: number): StudySidecar | undefined {
  return parsed(folder, restoredStudyKey({ patient: orthancIdOf(`P${n}`), study: studyId(n) }));
}

function parsed(folder: MemoryObjects, key: string) {
  const found = folder.stored.get(key);
  return found && JSON.parse(Buffer.from(found.bytes).toString());
}

async function keep(archive: MemoryObjects, id: InstanceId): Promise<void> {
  await archive.putOnce(instanceKey(id, md5Of(Buffer.from(id))), Buffer.from('x'), { sizeBytes: 1 });
}

test('writes a study and its patient beside the files, with what is attached to them', async () => {
  const study = studySidecar(1, [instanceId(1)], { labels: ['seen'], attachments: { 1040: attachment } });
  const patient = patientSidecar(1, { protected: true, attachments: { 1041: attachment } });
  const archive = await archived(study, patient);
  const folder = new MemoryObjects();
  expect(await restore(archive, folder)).toMatchObject([
    { studyId: studyId(1), kind: 'written', lost: [], outdated: false },
  ]);
  expect(restoredStudy(folder, 1)).toMatchObject({ id: study.id, labels: ['seen'] });
  expect(parsed(folder, restoredPatientKey(patient.id))).toMatchObject({ id: patient.id, protected: true });
  const ofStudy = { level: 'studies', id: study.id, number: 1040, ...attachment } as const;
  const ofPatient = { level: 'patients', id: patient.id, number: 1041, ...attachment } as const;
  const under = studyFolderOf({ patient: patient.id, study: study.id });
  for (const key of [restoredAttachmentKey(under, ofStudy), restoredAttachmentKey(`${patient.id}/`, ofPatient)]) {
    expect(Buffer.from(folder.stored.get(key)?.bytes ?? []).toString(), key).toBe('a report');
  }
});

test('a second restore finds everything there, and writes nothing', async () => {
  const archive = await archived(studySidecar(1, [], { attachments: { 1040: attachment } }), patientSidecar(1));
  const folder = new MemoryObjects();
  await restore(archive, folder);
  const before = { ...folder.calls };
  expect(await restore(archive, folder)).toMatchObject([{ kind: 'already-equal', changes: [], kept: [] }]);
  expect(folder.calls).toMatchObject({ putOnce: before.putOnce, replaceIf: before.replaceIf, supersede: 0 });
});

test('adds to a sidecar that lies there, keeps its own values, and says which', async () => {
  const folder = new MemoryObjects();
  await restore(await archived(studySidecar(1, [], { labels: ['own'], metadata: { 1030: 'own' } })), folder);
  const archive = await archived(studySidecar(1, [], { labels: ['seen'], metadata: { 1030: 'other', 1031: 'new' } }));
  const [result] = await restore(archive, folder);
  expect(result).toMatchObject({ kind: 'written', kept: [{ what: 'metadata' }] });
  expect(restoredStudy(folder, 1)).toMatchObject({ labels: ['own', 'seen'], metadata: { 1030: 'own', 1031: 'new' } });
  expect(folder.calls.supersede).toBe(0);
});

test('replaces it only when asked to, by the way that keeps what lay there', async () => {
  const folder = new MemoryObjects();
  await restore(await archived(studySidecar(1, [], { labels: ['own'] })), folder);
  const archive = await archived(studySidecar(1, [], { labels: ['seen'] }));
  expect(await restore(archive, folder, { replace: true })).toMatchObject([{ kind: 'written' }]);
  expect(restoredStudy(folder, 1)).toMatchObject({ labels: ['seen'] });
  expect(folder.calls).toMatchObject({ supersede: 1, replaceIf: 1 });
});

test('a dry run tells what it would write, and writes nothing', async () => {
  const archive = await archived(studySidecar(1, [instanceId(1)], { attachments: { 1040: attachment } }));
  const nothing: HeldInstances = { holds: () => false, holdsStudy: () => false };
  await keep(archive, instanceId(1));
  const restored = async (expected: boolean) => {
    const folder = new MemoryObjects();
    const results = await restore(archive, folder, { held: nothing, dryRun: { expected: () => expected } });
    expect(folder.stored.size).toBe(0);
    return results;
  };
  expect(await restored(true)).toMatchObject([{ kind: 'written', changes: [{ kind: 'put-attachment' }] }]);
  expect(await restored(false)).toMatchObject([{ kind: 'already-equal', changes: [] }]);
});

test('a study of which the folder holds nothing is left out, and its patient as well', async () => {
  const archive = await archived(patientSidecar(1));
  await keep(archive, instanceId(1));
  await archiveAlso(archive, studySidecar(1, [instanceId(1)]), 1);
  archive.stored.delete(instanceKey(instanceId(1), md5Of(Buffer.from(instanceId(1)))));
  const folder = new MemoryObjects();
  const held: HeldInstances = { holds: () => false, holdsStudy: () => false };
  expect(await restore(archive, folder, { held })).toMatchObject([{ kind: 'not-held', lost: [{ id: instanceId(1) }] }]);
  expect(folder.stored.size).toBe(0);
});

test('what neither the folder nor the archive holds is lost; what came after the sidecar, or is there, is not', async () => {
  const [here, kept, gone, late] = [1, 2, 3, 4].map(instanceId) as [InstanceId, InstanceId, InstanceId, InstanceId];
  const document = studySidecar(1, [here, kept, gone]);
  const lateRecord = { id: late, md5: md5Of(Buffer.from(late)), sizeBytes: 44, fileUuid: null, pending: true };
  const [series] = document.series;
  const objects = new MemoryObjects();
  for (const id of [here, kept, gone]) await keep(objects, id);
  const withLate = { ...document, series: [{ ...series, instances: [...(series?.instances ?? []), lateRecord] }] };
  await archiveAlso(objects, studySidecar(1, [], withLate), 0);
  objects.stored.delete(instanceKey(gone, md5Of(Buffer.from(gone))));
  const held: HeldInstances = { holds: (id) => id === here, holdsStudy: () => true };
  const [result] = await restore(objects, new MemoryObjects(), { held });
  expect(result?.lost.map(({ id }) => id)).toEqual([gone]);
});

test('the patient of several studies is restored once', async () => {
  const other = studySidecar(2, [], { patientId: orthancIdOf('P1') });
  const archive = await archived(studySidecar(1, []), other, patientSidecar(1, { labels: ['seen'] }));
  const folder = new MemoryObjects();
  const kinds = (await restore(archive, folder, { atOnce: 1 })).map(({ changes }) =>
    changes.filter(({ level }) => level === 'patients'),
  );
  expect(kinds.flat()).toHaveLength(1);
});

test('a state that is damaged costs what it told: the one before it is restored, and that is said', async () => {
  const archive = await archived(studySidecar(1, [], { labels: ['before'] }));
  const newest = await archiveAlso(archive, studySidecar(1, [], { labels: ['after'] }), 1);
  spoil(archive, newest);
  const onFinding = vi.fn();
  const folder = new MemoryObjects();
  expect(await restore(archive, folder, { onFinding })).toMatchObject([{ kind: 'written', outdated: true }]);
  expect(restoredStudy(folder, 1)).toMatchObject({ labels: ['before'] });
  expect(onFinding.mock.calls.map(([{ key }]) => key)).toContain(newest);
});

test('a damaged state of the patient is said of the study as well', async () => {
  const archive = await archived(studySidecar(1, []), patientSidecar(1));
  spoil(archive, await archiveAlso(archive, patientSidecar(1, { protected: true }), 5));
  expect(await restore(archive, new MemoryObjects(), { onFinding: () => undefined })).toMatchObject([
    { outdated: true },
  ]);
});

test('a study of which no state can be read fails with what to do, and the others are restored', async () => {
  const archive = await archived(studySidecar(2, []));
  spoil(archive, await archiveAlso(archive, studySidecar(1, []), 0));
  const results = await restore(archive, new MemoryObjects(), { onFinding: () => undefined });
  expect(Object.fromEntries(results.map(({ studyId: id, kind }) => [id, kind]))).toEqual({
    [studyId(1)]: 'failed',
    [studyId(2)]: 'written',
  });
  const error = results.find(({ kind }) => kind === 'failed')?.error;
  expect(error).toMatchObject({ code: 'sidecar-damaged', advice: 'repair-archive' });
  expect(error?.message).toContain(studyId(1));
});

test('a file that lies there and is no sidecar stays: that study is refused, and the others are restored', async () => {
  const archive = await archived(studySidecar(1, []), studySidecar(2, []));
  const folder = new MemoryObjects();
  const key = restoredStudyKey({ patient: orthancIdOf('P1'), study: studyId(1) });
  await folder.putOnce(key, Buffer.from('my notes'), { sizeBytes: 8 });
  const results = await restore(archive, folder);
  expect(results.find(({ studyId: id }) => id === studyId(1))).toMatchObject({
    kind: 'failed',
    error: { code: 'refused' },
  });
  expect(results.find(({ studyId: id }) => id === studyId(2))).toMatchObject({ kind: 'written' });
  expect(Buffer.from(folder.stored.get(key)?.bytes ?? []).toString()).toBe('my notes');
});

test('restores the studies that were asked for, as they were at the moment, and begins none after it is told to end', async () => {
  const archive = await archived(studySidecar(1, [], { labels: ['first'] }), studySidecar(2, []));
  await archiveAlso(archive, studySidecar(1, [], { labels: ['second'] }), 9);
  const folder = new MemoryObjects();
  const at = new Date(Date.UTC(2026, 0, 1, 0, 0, 5));
  const only = { studies: new Set([studyId(1)]), at };
  expect((await restore(archive, folder, only)).map(({ studyId: id }) => id)).toEqual([studyId(1)]);
  expect(restoredStudy(folder, 1)).toMatchObject({ labels: ['first'] });
  expect(await restore(archive, folder, { draining: AbortSignal.abort() })).toEqual([]);
});

test('an attachment that the archive lost fails its study, and an interruption ends the restore', async () => {
  const archive = await archived(studySidecar(1, [], { attachments: { 1040: attachment } }));
  for (const key of archive.stored.keys()) if (key.startsWith('attachments/')) archive.stored.delete(key);
  expect(await restore(archive, new MemoryObjects())).toMatchObject([{ kind: 'failed', error: { code: 'vanished' } }]);
  const stop = new AbortController();
  const holdsStudy = (): boolean => {
    stop.abort();
    return true;
  };
  const held: HeldInstances = { ...all, holdsStudy };
  await expect(restore(archive, new MemoryObjects(), { held, signal: stop.signal })).rejects.toThrow();
});

/** As a failing disk leaves it. */
function spoil(objects: MemoryObjects, key: string): void {
  const found = objects.stored.get(key);
  if (found === undefined) throw new Error('there is nothing to spoil');
  objects.stored.set(key, { ...found, bytes: found.bytes.map((byte, index) => (index === 40 ? byte ^ 1 : byte)) });
}
