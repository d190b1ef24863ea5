/** What is kept of the header of an instance: what lists need, no more. */
import * as z from 'zod';
import type { DicomDataSet } from '../../dicom/data-set.ts';
import { headerOf } from '../../dicom/dicom-header.ts';
import { elementJson } from '../../dicom/dicom-json.ts';
import { tagText } from '../../dicom/dictionary.ts';
import type { JsonDataSet, JsonElement } from '../../dicom/json-model.ts';
import { isOrthancId, type OrthancId } from '../../identifiers.ts';
import { listedTags } from './listed-tags.ts';

const orthancId = z.custom<OrthancId>(isOrthancId);

/** Lists need no sequence that is nested deeper; what was kept by somebody else may be. */
const deepest = 8;

const jsonDataSet = z.custom<JsonDataSet>((value) => isJsonDataSet(value, deepest));

function isJsonDataSet(value: unknown, depth: number): value is JsonDataSet {
  if (typeof value !== 'object' || value === null || depth === 0) return false;
  return Object.entries(value).every(([tag, element]) => /^[0-9A-F]{8}$/.test(tag) && isJsonElement(element, depth));
}

function isJsonElement(value: unknown, depth: number): value is JsonElement {
  if (typeof value !== 'object' || value === null || !('vr' in value) || typeof value.vr !== 'string') return false;
  if (!('Value' in value)) return true;
  return Array.isArray(value.Value) && value.Value.every((one) => isJsonValue(one, value.vr === 'PN', depth));
}

function isJsonValue(value: unknown, isName: boolean, depth: number): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'number') return true;
  if (!isName) return isJsonDataSet(value, depth - 1);
  return typeof value === 'object' && Object.values(value).every((part) => typeof part === 'string');
}

export const instanceTagsSchema = z.strictObject({
  /** As the file itself tells them; absent where it tells no UIDs. */
  patient: orthancId.optional(),
  study: orthancId.optional(),
  series: orthancId.optional(),
  transferSyntax: z.string().optional(),
  hasPixelData: z.boolean(),
  tags: jsonDataSet,
});
export type InstanceTags = z.infer<typeof instanceTagsSchema>;

/** Takes what lists need from a header. */
export function instanceTagsOf({ start, dataSet }: DicomDataSet): InstanceTags {
  const values = new Map<number, { vr: string; bytes: Buffer }>();
  for (const { tag, vr, value } of dataSet.values()) if (value !== undefined) values.set(tag, { vr, bytes: value });
  const header = headerOf({ values, seen: new Set(dataSet.keys()) }, start, undefined);
  const tags: [string, JsonElement][] = [];
  for (const tag of listedTags) {
    const element = elementJson(dataSet, tag, { bigEndian: start.encoding.bigEndian });
    if (element !== undefined) tags.push([tagText(tag), element]);
  }
  return {
    ...(header && { patient: header.patientOrthancId, study: header.studyId, series: header.seriesId }),
    ...(start.transferSyntax !== undefined && { transferSyntax: start.transferSyntax }),
    hasPixelData: header?.hasPixelData ?? false,
    tags: Object.fromEntries(tags),
  };
}
