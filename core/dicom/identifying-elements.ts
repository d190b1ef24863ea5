/**
 * What the Orthanc id of an instance is made of, as it stands in a file, and the ids that servers make of it
 * (Orthanc: DicomInstanceHasher.cpp). All of it is patient data: never log it.
 */
import { type InstanceId, orthancIdOf } from '../identifiers.ts';
import {
  anyCharacterSet,
  type CharacterSet,
  characterSetOf,
  isSameEverywhere,
  namesNoCharacterSet,
  type OrthancEncoding,
  orthancEncodings,
  readText,
} from './charset.ts';
import type { ElementValue } from './data-set-parser.ts';

export const identifyingTags = {
  specificCharacterSet: 0x00080005,
  sopInstanceUid: 0x00080018,
  patientId: 0x00100020,
  studyInstanceUid: 0x0020000d,
  seriesInstanceUid: 0x0020000e,
} as const;

/** The identifying elements of a file that has all three UIDs. */
export interface IdentifyingElements {
  /** The bytes of the PatientID without padding; empty if the file has none. */
  readonly patientId: Uint8Array;
  /** What says how to read the PatientID; `undefined` also where that reads the same however it is read. */
  readonly specificCharacterSet: string | undefined;
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
  /** The id that every server gives; `undefined` where the PatientID reads differently in different encodings. */
  readonly plainId: InstanceId | undefined;
}

/** The ids that a server may give an instance. */
export interface GivenIds {
  /** The one that it gives, as far as can be told. */
  readonly id: InstanceId;
  /** Those that it may give instead; there may be more of them unless `isCertain`. */
  readonly otherIds: readonly InstanceId[];
  /** Whether it gives `id` and no other. */
  readonly isCertain: boolean;
}

/** @returns `undefined` if one of the UIDs is missing or empty: no server takes such a file. */
export function identifyingElements(values: ReadonlyMap<number, ElementValue>): IdentifyingElements | undefined {
  const studyInstanceUid = uidText(values.get(identifyingTags.studyInstanceUid));
  const seriesInstanceUid = uidText(values.get(identifyingTags.seriesInstanceUid));
  const sopInstanceUid = uidText(values.get(identifyingTags.sopInstanceUid));
  if (studyInstanceUid === '' || seriesInstanceUid === '' || sopInstanceUid === '') return undefined;
  const patientId = patientIdBytes(values.get(identifyingTags.patientId));
  const uids = [studyInstanceUid, seriesInstanceUid, sopInstanceUid];
  const isPlain = isSameEverywhere(patientId);
  return {
    patientId,
    specificCharacterSet: isPlain ? undefined : asciiText(values.get(identifyingTags.specificCharacterSet)),
    studyInstanceUid,
    seriesInstanceUid,
    sopInstanceUid,
    plainId: isPlain ? instanceIdOf(patientId.toString('latin1'), uids) : undefined,
  };
}

/** Whether the id depends on the option `DefaultEncoding` of the server. */
export function dependsOnDefaultEncoding({ plainId, specificCharacterSet }: IdentifyingElements): boolean {
  return plainId === undefined && namesNoCharacterSet(specificCharacterSet);
}

/** @param defaultEncoding the server's option `DefaultEncoding`; `undefined` where it is not known */
export function givenIds(elements: IdentifyingElements, defaultEncoding: OrthancEncoding | undefined): GivenIds {
  const { plainId, specificCharacterSet } = elements;
  if (plainId !== undefined) return { id: plainId, otherIds: [], isCertain: true };
  return idsIn(elements, characterSetOf(specificCharacterSet, defaultEncoding));
}

/** The ids that a server of any version and any `DefaultEncoding` may once have given. */
export function everyId(elements: IdentifyingElements): readonly InstanceId[] {
  const { id, otherIds } = idsIn(elements, anyCharacterSet(elements.specificCharacterSet));
  return [id, ...otherIds];
}

/**
 * Whether a file can be the instance that a server, now or under an earlier configuration, gave this id. Where its
 * character set cannot be converted as Orthanc does, nothing speaks against it.
 */
export function canBe(elements: IdentifyingElements, id: InstanceId): boolean {
  if (elements.plainId !== undefined) return elements.plainId === id;
  const now = givenIds(elements, undefined);
  const isUnknown = !now.isCertain && !namesNoCharacterSet(elements.specificCharacterSet);
  return now.id === id || isUnknown || everyId(elements).includes(id);
}

/** The values of `DefaultEncoding` with which a server gives a file this id; none if it does not depend on that. */
export function encodingsGiving(elements: IdentifyingElements, id: InstanceId): readonly OrthancEncoding[] {
  if (!dependsOnDefaultEncoding(elements)) return [];
  return orthancEncodings.filter((encoding) => givenIds(elements, encoding).id === id);
}

function idsIn(elements: IdentifyingElements, characterSet: CharacterSet): GivenIds {
  const { studyInstanceUid, seriesInstanceUid, sopInstanceUid } = elements;
  const uids = [studyInstanceUid, seriesInstanceUid, sopInstanceUid];
  const { text, otherTexts, isCertain } = readText(elements.patientId, characterSet);
  return { id: instanceIdOf(text, uids), otherIds: otherTexts.map((other) => instanceIdOf(other, uids)), isCertain };
}

function instanceIdOf(patientId: string, uids: readonly string[]): InstanceId {
  return orthancIdOf(patientId, ...uids) as InstanceId;
}

/** The text of an element without padding; `undefined` if there is none. */
export function asciiText(value: ElementValue | undefined): string | undefined {
  const text = value === undefined ? '' : untilNul(value.bytes).toString('latin1').trim();
  return text === '' ? undefined : text;
}

/** DCMTK takes any white space out of a UID (DcmUniqueIdentifier::makeMachineByteString). */
export function uidText(value: ElementValue | undefined): string {
  return value === undefined ? '' : untilNul(value.bytes).toString('latin1').replace(/\s+/g, '');
}

/**
 * DCMTK drops trailing spaces, and ends a text at the first NUL; of an element of unknown representation Orthanc
 * drops one NUL only (FromDcmtkBridge::ConvertLeafElement). Both seen on a real server (1.10.1).
 */
export function patientIdBytes(value: ElementValue | undefined): Buffer {
  if (value === undefined) return Buffer.alloc(0);
  if (value.vr === 'UN') return value.bytes.at(-1) === 0 ? value.bytes.subarray(0, -1) : value.bytes;
  let end = value.bytes.length;
  while (end > 0 && value.bytes[end - 1] === 0x20) end -= 1;
  return untilNul(value.bytes.subarray(0, end));
}

function untilNul(bytes: Buffer): Buffer {
  const nul = bytes.indexOf(0);
  return nul === -1 ? bytes : bytes.subarray(0, nul);
}
