/**
 * Where things lie in a folder that was restored to, by Orthanc ids:
 *
 *     <patient>/patient.json
 *     <patient>/<study>/study.json
 *     <patient>/<study>/<series>/<instance>.dcm
 *     <patient>/<study>/attachments/<level>/<id>/<number>/<md5>     user attachments; a patient's lie in its own folder
 *     unidentified/<instance>.dcm                             files whose header does not tell their study
 */
import { type InstanceId, isInstanceId, isOrthancId, type OrthancId } from '../../identifiers.ts';
import type { AttachmentPlace } from '../../sidecars/attachment-source.ts';

/** The resources above an instance. */
export interface InstancePlace {
  readonly patient: OrthancId;
  readonly study: OrthancId;
  readonly series: OrthancId;
}

export function restoredInstanceKey(id: InstanceId, place: InstancePlace | undefined): string {
  return place === undefined ? `unidentified/${id}.dcm` : `${studyFolderOf(place)}${place.series}/${id}.dcm`;
}

export function restoredStudyKey(place: Pick<InstancePlace, 'patient' | 'study'>): string {
  return `${studyFolderOf(place)}study.json`;
}

export function restoredPatientKey(patient: OrthancId): string {
  return `${patient}/patient.json`;
}

/** @param folder that of the study or patient whose document names the attachment, ending in `/` */
export function restoredAttachmentKey(folder: string, { level, id, number, md5 }: AttachmentPlace): string {
  return `${folder}attachments/${level}/${id}/${number}/${md5}`;
}

export function studyFolderOf({ patient, study }: Pick<InstancePlace, 'patient' | 'study'>): string {
  return `${patient}/${study}/`;
}

/** @returns the id of the instance that lies under a key, or `undefined` if no instance does. */
export function instanceAt(key: string): InstanceId | undefined {
  const name = /(?:^|\/)([^/]+)\.dcm$/.exec(key)?.[1];
  return isInstanceId(name) ? name : undefined;
}

/** @returns the id of the study in whose folder a key lies, or `undefined` if it lies in none. */
export function studyAt(key: string): OrthancId | undefined {
  const study = key.split('/')[1];
  return isOrthancId(study) ? study : undefined;
}
