/** The shapes of the DICOM JSON model (PS3.18, annex F). */

/** An element of DICOM JSON. */
export interface JsonElement {
  readonly vr: string;
  readonly Value?: readonly JsonValue[];
  readonly BulkDataURI?: string;
}
export type JsonValue = string | number | null | PersonName | JsonDataSet;
export interface PersonName {
  readonly Alphabetic?: string;
  readonly Ideographic?: string;
  readonly Phonetic?: string;
}
/** Elements by the eight hexadecimal digits of their tag, in capitals. */
export interface JsonDataSet {
  readonly [tag: string]: JsonElement;
}

/** @returns whether a value is a name, not the item of a sequence. */
export function isPersonName(value: JsonValue): value is PersonName {
  if (typeof value !== 'object' || value === null) return false;
  return 'Alphabetic' in value || 'Ideographic' in value || 'Phonetic' in value;
}
