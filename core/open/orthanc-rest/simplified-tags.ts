/** Headers in the JSON of Orthanc's `/tags` and `/simplified-tags`. */
import { keywordOf } from '../../dicom/dictionary.ts';
import { isPersonName, type JsonDataSet, type JsonElement } from '../../dicom/json-model.ts';
import { valueText } from '../reader/tag-text.ts';

/** Longer values are left out, as Orthanc does. */
const longestValue = 256;

/** Values by keyword; sequences are lists, what is empty, binary or long is `null`. */
export function simplifiedTags(dataSet: JsonDataSet): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(dataSet).map(([tag, element]) => [nameOf(tag), simplifiedValue(element)] as const),
  );
}

/** Name, type and value of each element, by `gggg,eeee`. */
export function fullTags(dataSet: JsonDataSet): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(dataSet).map(([tag, element]) => {
      const Name = nameOf(tag);
      const items = itemsOf(element);
      if (items !== undefined) return [groupAndElement(tag), { Name, Type: 'Sequence', Value: items.map(fullTags) }];
      const value = simplifiedValue(element);
      const Type = value !== null ? 'String' : (element.Value ?? []).length > 0 ? 'TooLong' : 'Null';
      return [groupAndElement(tag), { Name, Type, Value: value }];
    }),
  );
}

function simplifiedValue(element: JsonElement): unknown {
  const items = itemsOf(element);
  if (items !== undefined) return items.map(simplifiedTags);
  if (element.BulkDataURI !== undefined) return null;
  const text = valueText(element);
  if (element.Value === undefined) return element.vr === 'SQ' ? [] : '';
  return text.length > longestValue ? null : text;
}

function itemsOf({ vr, Value }: JsonElement): readonly JsonDataSet[] | undefined {
  if (vr !== 'SQ') return undefined;
  return (Value ?? []).filter(
    (item): item is JsonDataSet => typeof item === 'object' && item !== null && !isPersonName(item),
  );
}

function nameOf(tag: string): string {
  return keywordOf(Number.parseInt(tag, 16)) ?? groupAndElement(tag);
}

function groupAndElement(tag: string): string {
  return `${tag.slice(0, 4)},${tag.slice(4)}`.toLowerCase();
}
