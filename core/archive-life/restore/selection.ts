/** Which studies and series a user asks for. Pure. Everything here but Orthanc ids is patient data: never log it. */
import type { DicomHeader } from '../../dicom/dicom-header.ts';
import type { OrthancId } from '../../identifiers.ts';
import type { SeriesRecord, StudySidecar } from '../../sidecars/sidecar.ts';

/** All that is given must hold; of several values of one kind one is enough. */
export interface Selection {
  /** PatientIDs, or Orthanc ids of patients. */
  readonly patients?: readonly string[] | undefined;
  /** StudyInstanceUIDs, or Orthanc ids of studies. */
  readonly studies?: readonly string[] | undefined;
  /** SeriesInstanceUIDs, or Orthanc ids of series. */
  readonly series?: readonly string[] | undefined;
  readonly accessionNumbers?: readonly string[] | undefined;
  readonly modalities?: readonly string[] | undefined;
  /** First and last study date, both included, as DICOM writes them: `20261121`. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/** What identifies a study among all others. Absent texts are unknown or empty. */
export interface StudyIdentity {
  readonly patient: OrthancId;
  readonly study: OrthancId;
  readonly patientId?: string | undefined;
  readonly studyInstanceUid?: string | undefined;
  readonly accessionNumber?: string | undefined;
  readonly studyDate?: string | undefined;
}

/** The same for a series. */
export interface SeriesIdentity extends StudyIdentity {
  readonly series: OrthancId;
  readonly seriesInstanceUid?: string | undefined;
  readonly modality?: string | undefined;
}

/** @returns whether a selection selects everything. */
export function selectsAll(selection: Selection): boolean {
  return Object.values(selection).every((wanted) => wanted === undefined || wanted.length === 0);
}

/** @returns whether a series belongs to the selection. */
export function isSelected(series: SeriesIdentity, selection: Selection): boolean {
  return (
    isStudySelected(series, [series.modality], selection) &&
    isAmong([series.series, series.seriesInstanceUid], selection.series)
  );
}

/**
 * @returns whether a study belongs to the selection, as far as that does not speak of single series; one of its
 * modalities is enough. A study without a date is in no range of dates.
 */
export function isStudySelected(
  study: StudyIdentity,
  modalities: readonly (string | undefined)[],
  selection: Selection,
): boolean {
  return (
    isAmong([study.patient, study.patientId ?? ''], selection.patients) &&
    isAmong([study.study, study.studyInstanceUid], selection.studies) &&
    isAmong([study.accessionNumber], selection.accessionNumbers) &&
    isAmong(modalities, selection.modalities) &&
    isBetween(study.studyDate, selection.since, selection.until)
  );
}

/** The identity of a series of a sidecar. */
export function identityIn(document: StudySidecar, series: SeriesRecord): SeriesIdentity {
  return {
    patient: document.patientId,
    study: document.id,
    series: series.id,
    patientId: document.patientTags.PatientID,
    studyInstanceUid: document.tags.StudyInstanceUID,
    seriesInstanceUid: series.tags.SeriesInstanceUID,
    accessionNumber: document.tags.AccessionNumber,
    studyDate: document.tags.StudyDate,
    modality: series.tags.Modality,
  };
}

/** The identity of the series that a DICOM file belongs to. */
export function identityOfHeader(header: DicomHeader): SeriesIdentity {
  const { patientOrthancId: patient, studyId: study, seriesId: series } = header;
  const { patientId, studyInstanceUid, seriesInstanceUid, accessionNumber, studyDate, modality } = header;
  return {
    patient,
    study,
    series,
    patientId,
    studyInstanceUid,
    seriesInstanceUid,
    accessionNumber,
    studyDate,
    modality,
  };
}

function isAmong(values: readonly (string | undefined)[], wanted: readonly string[] | undefined): boolean {
  if (wanted === undefined || wanted.length === 0) return true;
  return wanted.some((text) => values.includes(text));
}

function isBetween(date: string | undefined, since: string | undefined, until: string | undefined): boolean {
  if (since === undefined && until === undefined) return true;
  if (date === undefined) return false;
  return (since === undefined || date >= since) && (until === undefined || date <= until);
}
