/** The identifiers of generated instances: the same seed always gives the same patients, studies, series, instances. */
import { createHash } from 'node:crypto';
import { type InstanceId, isInstanceId, orthancIdOf } from '../../core/identifiers.ts';

/** Where a generated instance stands in the hierarchy: numbers below one seed. */
export interface Place {
  readonly seed: string;
  readonly patient: number;
  readonly study: number;
  readonly series: number;
  readonly instance: number;
}

/** The DICOM identifiers of a place. */
export interface DicomIdentifiers {
  readonly patientId: string;
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
}

/**
 * The place of the n-th instance when instances are dealt out evenly: 25 in a series, 2 series in a study,
 * 2 studies in a patient.
 */
export function placeOfNth(seed: string, n: number): Place {
  return {
    seed,
    patient: Math.floor(n / 100),
    study: Math.floor(n / 50),
    series: Math.floor(n / 25),
    instance: n,
  };
}

/** Identifiers derived from a place by hashing. */
export function identifiersOf({ seed, patient, study, series, instance }: Place): DicomIdentifiers {
  const patientId = `GENERATED-${digest(`${seed}/${patient}`).toString('hex').slice(0, 12).toUpperCase()}`;
  const path = [seed, patient, study, series, instance];
  return {
    patientId,
    studyInstanceUid: uidOf(path.slice(0, 3)),
    seriesInstanceUid: uidOf(path.slice(0, 4)),
    sopInstanceUid: uidOf(path),
  };
}

/** The Orthanc id that a server gives to an instance with these identifiers. */
export function instanceIdOf(identifiers: DicomIdentifiers): InstanceId {
  const { patientId, studyInstanceUid, seriesInstanceUid, sopInstanceUid } = identifiers;
  const id = orthancIdOf(patientId, studyInstanceUid, seriesInstanceUid, sopInstanceUid);
  if (!isInstanceId(id)) throw new Error('orthancIdOf gave no id of an instance');
  return id;
}

/** A UID below 2.25, the root of UIDs made from 128-bit numbers (PS3.5, annex B.2). */
function uidOf(path: readonly (string | number)[]): string {
  return `2.25.${BigInt(`0x${digest(path.join('/')).subarray(0, 16).toString('hex')}`)}`;
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
