/** Values of DICOM JSON as texts, as Orthanc's REST interface and lists of studies show them. */

import { tagNamed, tagText } from '../../dicom/dictionary.ts';
import { isPersonName, type JsonDataSet, type JsonElement, type JsonValue } from '../../dicom/json-model.ts';

/** @returns the value of the element of a keyword, several joined by a backslash; `undefined` if it has none. */
export function textOf(tags: JsonDataSet, keyword: string): string | undefined {
  const tag = tagNamed(keyword);
  const element = tag === undefined ? undefined : tags[tagText(tag)];
  return element === undefined ? undefined : valueText(element) || undefined;
}

/** @returns all values of an element joined by a backslash; empty if it has none. */
export function valueText({ Value = [] }: JsonElement): string {
  return Value.map(oneText).join('\\');
}

function oneText(value: JsonValue): string {
  if (value === null) return '';
  if (typeof value !== 'object') return String(value);
  if (!isPersonName(value)) return '';
  const { Alphabetic = '', Ideographic = '', Phonetic = '' } = value;
  return [Alphabetic, Ideographic, Phonetic].join('=').replace(/=+$/, '');
}
