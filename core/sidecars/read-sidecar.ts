/** Reads the sidecar and the patient sidecar from a server, in as few requests as its version permits. */
import { MirrorError } from '../errors.ts';
import { isInstanceId, type OrthancId } from '../identifiers.ts';
import { inParallel } from '../streams/in-parallel.ts';
import { listAttachments } from './list-attachments.ts';
import { listPatientExtended, listStudyExtended } from './list-extended.ts';
import { listOne, listStudyLegacy } from './list-legacy.ts';
import type { ListedResource, ListedStudy } from './listed-resource.ts';
import { type ReadOptions, readWidth, resourcePath } from './read-options.ts';
import { contentOf, pickTags } from './resource-content.ts';
import type { InstanceRecord, PatientSidecar, SeriesRecord, StudySidecar } from './sidecar.ts';
import type { StudyServer } from './study-server.ts';

/** Main DICOM tags by which a study is found again. */
const tagNames = {
  patient: ['PatientID', 'PatientName', 'PatientBirthDate', 'PatientSex'],
  study: [
    'StudyInstanceUID',
    'StudyDate',
    'StudyTime',
    'StudyID',
    'StudyDescription',
    'AccessionNumber',
    'InstitutionName',
    'ReferringPhysicianName',
  ],
  series: ['SeriesInstanceUID', 'SeriesDate', 'SeriesTime', 'SeriesNumber', 'SeriesDescription', 'Modality'],
} as const;

/**
 * Reads everything about a study that is not in its DICOM bytes. With extended find (1.12.5): three requests at once,
 * and one for each further 2000 instances. Before: six, one per series if the study has attachments besides the DICOM
 * files, and one per instance for its hash unless the earlier document has it (see `docs/sidecars.md`).
 *
 * Not a snapshot: a study that is written to meanwhile may be read half before and half after; each such write
 * announces itself and the study is read again. Throws `vanished` if the server does not hold the study,
 * `changed-meanwhile` if series came or went meanwhile, and what the connection throws.
 */
export async function readStudySidecar(
  server: StudyServer,
  id: OrthancId,
  options: ReadOptions = {},
): Promise<StudySidecar> {
  const list = server.capabilities.hasExtendedFind ? listStudyExtended : listStudyLegacy;
  return assembleStudy(server, await list(server, id, options), options);
}

/** Reads labels, metadata, attachments and protection of a patient. Errors as in {@link readStudySidecar}. */
export async function readPatientSidecar(
  server: StudyServer,
  id: OrthancId,
  options: ReadOptions = {},
): Promise<PatientSidecar> {
  const listed = server.capabilities.hasExtendedFind
    ? await listPatientExtended(server, id, options)
    : {
        ...(await listOne(server, 'patients', id, options)),
        Attachments: await listAttachments(server, 'patients', id, options),
      };
  return {
    format: 'orthanc-mirror-patient',
    version: 1,
    id,
    tags: pickTags(listed.MainDicomTags, tagNames.patient),
    protected: listed.IsProtected ?? (await readProtection(server, id, options)),
    ...(await contentOf(server, 'patients', listed, options)),
  };
}

async function readProtection({ client }: StudyServer, id: OrthancId, { signal }: ReadOptions): Promise<boolean> {
  return (await client.findText(`${resourcePath('patients', id)}/protected`, { signal })) === '1';
}

async function assembleStudy(server: StudyServer, listed: ListedStudy, options: ReadOptions): Promise<StudySidecar> {
  const { study } = listed;
  if (study.ParentPatient === undefined) {
    throw new MirrorError('answer-malformed', `${server.client.name} does not tell the patient of study ${study.ID}`);
  }
  const bySeries = Map.groupBy(listed.instances, ({ ParentSeries }) => ParentSeries);
  const known = new Set(listed.series.map(({ ID }) => ID));
  if ([...bySeries.keys()].some((id) => id === undefined || !known.has(id))) {
    throw new MirrorError('changed-meanwhile', `series of study ${study.ID} came while it was read; read it again`);
  }
  const series = await inParallel(listed.series, readWidth, async (one) => ({
    id: one.ID,
    tags: pickTags(one.MainDicomTags, tagNames.series),
    ...(await contentOf(server, 'series', one, options)),
    instances: await assembleInstances(server, bySeries.get(one.ID) ?? [], options),
  }));
  return {
    format: 'orthanc-mirror-study',
    version: 1,
    id: study.ID,
    patientId: study.ParentPatient,
    patientTags: pickTags(study.PatientMainDicomTags, tagNames.patient),
    tags: pickTags(study.MainDicomTags, tagNames.study),
    ...(await contentOf(server, 'studies', study, options)),
    series: series.sort(byId) satisfies SeriesRecord[],
  };
}

async function assembleInstances(
  server: StudyServer,
  listed: readonly ListedResource[],
  options: ReadOptions,
): Promise<InstanceRecord[]> {
  const records = await inParallel(listed, readWidth, async (instance) => {
    const file = instance.Attachments?.find(({ ContentType }) => ContentType === 1);
    if (!isInstanceId(instance.ID)) return [];
    return [
      {
        id: instance.ID,
        md5: file?.UncompressedMD5 ?? null,
        sizeBytes: file?.UncompressedSize ?? null,
        fileUuid: file?.Uuid ?? null,
        ...(await contentOf(server, 'instances', instance, options)),
      },
    ];
  });
  return records.flat().sort(byId);
}

function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : 1;
}
