/** Archives of generated studies, with sidecars, written straight into a folder: many at once, for tests and benchmarks. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Md5, type OrthancId, orthancIdOf } from '../../../core/identifiers.ts';
import { sidecarHash } from '../../../core/sidecars/sidecar-state.ts';
import { openArchive } from '../../../core/stores/archive/archive.ts';
import { FolderObjects } from '../../../core/stores/archive/folder-objects.ts';
import { instanceKey, studyKey } from '../../../core/stores/archive/keys.ts';
import type { ObjectStorage } from '../../../core/stores/archive/object-storage.ts';
import { generateInstance } from '../../../local/dicom/generate.ts';
import { identifiersOf, instanceIdOf } from '../../../local/dicom/identifiers.ts';

export interface GeneratedStudyPlan {
  readonly seed: string;
  /** Number of the study below the seed; also of its patient. */
  readonly number: number;
  readonly instances: number;
  /** Of each instance; 0 writes the sidecar only, as if the instances lay elsewhere. */
  readonly sizeBytes: number;
  readonly modality?: string;
  readonly patientName?: string;
}

/** Makes an empty archive in a folder. */
export async function makeArchive(folder: string): Promise<void> {
  const archive = await openArchive(new FolderObjects(folder), { createFor: { name: 'generated' } });
  await archive.close();
}

/** Writes a study into an archive. @returns its Orthanc id. */
export async function writeStudy(folder: string, plan: GeneratedStudyPlan): Promise<OrthancId> {
  const { seed, number, instances, sizeBytes, modality = 'OT', patientName = `GENERATED^${number}` } = plan;
  const place = { seed, patient: number, study: number, series: 0 };
  const { patientId, studyInstanceUid, seriesInstanceUid } = identifiersOf({ ...place, instance: 0 });
  const records: { id: OrthancId; md5: Md5 | null; sizeBytes: number; fileUuid: null }[] = [];
  for (let instance = 0; instance < instances; instance += 1) {
    if (sizeBytes === 0) {
      records.push({ id: instanceIdOf(identifiersOf({ ...place, instance })), md5: null, sizeBytes, fileUuid: null });
      continue;
    }
    const { id, md5, bytes } = generateInstance({ ...place, instance }, sizeBytes);
    records.push({ id, md5, sizeBytes, fileUuid: null });
    await write(join(folder, instanceKey(id, md5)), bytes);
  }
  const id = orthancIdOf(patientId, studyInstanceUid);
  const date = new Date(Date.UTC(2000, 0, 1 + (number % 9_000))).toISOString().slice(0, 10).replaceAll('-', '');
  const document = {
    format: 'orthanc-mirror-study',
    version: 1,
    id,
    patientId: orthancIdOf(patientId),
    patientTags: {
      PatientID: patientId,
      PatientName: patientName,
      PatientSex: 'O',
      PatientBirthDate: '19700101',
    },
    tags: {
      StudyInstanceUID: studyInstanceUid,
      StudyDate: date,
      StudyTime: '101500',
      StudyDescription: `Study number ${number}`,
      AccessionNumber: `A${number}`,
    },
    series: [
      {
        id: orthancIdOf(patientId, studyInstanceUid, seriesInstanceUid),
        tags: { SeriesInstanceUID: seriesInstanceUid, Modality: modality, SeriesNumber: '1' },
        instances: records.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
      },
    ],
  };
  const bytes = Buffer.from(JSON.stringify(document));
  await write(join(folder, studyKey(id, new Date('2026-01-01T00:00:00Z'), sidecarHash(bytes))), bytes);
  return id;
}

/** Copies all objects of an archive in a folder to another storage. */
export async function copyArchive(folder: string, objects: ObjectStorage): Promise<void> {
  const local = new FolderObjects(folder);
  for await (const { key } of local.list('')) {
    const bytes = await readFile(join(folder, key));
    await objects.putOnce(key, bytes, { sizeBytes: bytes.length });
  }
  await local.close();
}

async function write(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
}
