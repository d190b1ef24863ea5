/**
 * A study as a catalogue lists it. Everything here but Orthanc ids and counts is patient data: it is told to the user
 * who asks for it, and never gets into a log, a message or a key.
 */
import * as z from 'zod';
import type { DicomHeader } from '../../dicom/dicom-header.ts';
import { isOrthancId, type OrthancId } from '../../identifiers.ts';
import { listOf } from '../../json.ts';
import type { StudySidecar } from '../../sidecars/sidecar.ts';

const orthancId = z.custom<OrthancId>(isOrthancId);

export const studyEntrySchema = z.strictObject({
  study: orthancId,
  patient: orthancId,
  /** Key of the document that tells all this; absent where only the files do. */
  key: z.string().optional(),
  patientId: z.string().optional(),
  patientName: z.string().optional(),
  studyInstanceUid: z.string().optional(),
  accessionNumber: z.string().optional(),
  studyDate: z.string().optional(),
  description: z.string().optional(),
  /** What else lists show of patient and study, by the name of the tag: sex, date of birth, time, … */
  otherTags: z.record(z.string(), z.string()).default({}),
  modalities: listOf(z.string()),
  labels: listOf(z.string()),
  series: z.int(),
  instances: z.int(),
  sizeBytes: z.int(),
});
export type StudyEntry = z.infer<typeof studyEntrySchema>;

/** The tags of {@link StudyEntry.otherTags}. */
export const otherTagNames = [
  'PatientBirthDate',
  'PatientSex',
  'StudyTime',
  'StudyID',
  'ReferringPhysicianName',
  'InstitutionName',
];

/** The entry of a study that has a document. Pure. */
export function entryOfSidecar(key: string, document: StudySidecar): StudyEntry {
  const { id, patientId, patientTags, tags, labels, series } = document;
  const instances = series.flatMap((one) => one.instances);
  return {
    study: id,
    patient: patientId,
    key,
    patientId: patientTags.PatientID,
    patientName: patientTags.PatientName,
    studyInstanceUid: tags.StudyInstanceUID,
    accessionNumber: tags.AccessionNumber,
    studyDate: tags.StudyDate,
    description: tags.StudyDescription,
    otherTags: Object.fromEntries(
      Object.entries({ ...patientTags, ...tags }).filter(([name]) => otherTagNames.includes(name)),
    ),
    modalities: distinct(series.map((one) => one.tags.Modality)),
    labels,
    series: series.length,
    instances: instances.length,
    sizeBytes: instances.reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? 0), 0),
  };
}

/** Puts the entry of a study together from the headers of its files. */
export class EntryOfHeaders {
  readonly #first: DicomHeader;
  readonly #series = new Set<OrthancId>();
  readonly #modalities: (string | undefined)[] = [];
  #instances = 0;
  #sizeBytes = 0;

  constructor(first: DicomHeader) {
    this.#first = first;
  }

  add({ seriesId, modality }: DicomHeader, sizeBytes: number | undefined): void {
    if (!this.#series.has(seriesId)) this.#modalities.push(modality);
    this.#series.add(seriesId);
    this.#instances += 1;
    this.#sizeBytes += sizeBytes ?? 0;
  }

  entry(): StudyEntry {
    const { studyId, patientOrthancId, patientId, studyInstanceUid, accessionNumber, studyDate } = this.#first;
    return {
      study: studyId,
      patient: patientOrthancId,
      patientId,
      studyInstanceUid,
      accessionNumber,
      studyDate,
      otherTags: {},
      modalities: distinct(this.#modalities),
      labels: [],
      series: this.#series.size,
      instances: this.#instances,
      sizeBytes: this.#sizeBytes,
    };
  }
}

function distinct(values: readonly (string | undefined)[]): string[] {
  return [...new Set(values.filter((value) => value !== undefined))].toSorted();
}
