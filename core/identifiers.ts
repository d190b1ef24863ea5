/**
 * The names by which Orthanc knows a resource, as types that cannot be mixed up.
 *
 * An Orthanc id is the SHA-1 of `PatientID[|StudyInstanceUID[|SeriesInstanceUID[|SOPInstanceUID]]]`, written as five
 * groups of eight lower-case hexadecimal digits (Orthanc: DicomInstanceHasher.cpp). It names a resource without
 * telling anything about the patient, so it may appear in logs, messages and keys.
 */
import { createHash } from 'node:crypto';

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** Orthanc id of a resource of any level. */
export type OrthancId = Branded<'OrthancId'>;
/** Orthanc id of one instance (one DICOM file). */
export type InstanceId = OrthancId & { readonly [brand]: 'OrthancId' };
/** MD5 of the bytes of a file: 32 lower-case hexadecimal digits, the hash that Orthanc keeps for each attachment. */
export type Md5 = Branded<'Md5'>;

/** The four levels of the DICOM hierarchy, from the top, in Orthanc's REST spelling. */
export const resourceLevels = ['patients', 'studies', 'series', 'instances'] as const;
export type ResourceLevel = (typeof resourceLevels)[number];

const orthancIdPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{8}){4}$/;
const md5Pattern = /^[0-9a-f]{32}$/;

/** @returns whether `text` is an Orthanc id in its canonical lower-case form. */
export function isOrthancId(text: unknown): text is OrthancId {
  return typeof text === 'string' && orthancIdPattern.test(text);
}

/** @returns whether `text` can name an instance; the level cannot be seen from an id. */
export function isInstanceId(text: unknown): text is InstanceId {
  return isOrthancId(text);
}

/** @returns whether `text` is an MD5 in lower-case hexadecimal digits. */
export function isMd5(text: unknown): text is Md5 {
  return typeof text === 'string' && md5Pattern.test(text);
}

/** @returns the MD5 of bytes that are in memory. */
export function md5Of(bytes: Uint8Array): Md5 {
  return createHash('md5').update(bytes).digest('hex') as Md5;
}

/**
 * Computes an Orthanc id from the DICOM identifiers above and of a resource, in the order patient, study, series,
 * instance. The strings must be UTF-8 and trimmed as Orthanc trims them; a missing PatientID is the empty string.
 */
export function orthancIdOf(...identifiers: readonly string[]): OrthancId {
  const digest = createHash('sha1').update(identifiers.join('|'), 'utf8').digest('hex');
  return (digest.match(/.{8}/g) ?? []).join('-') as OrthancId;
}
