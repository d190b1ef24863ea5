/** The attributes that a search tells of every match (PS3.18, tables 10.6.3-3 to 10.6.3-5). */

import { personNameOf } from '../../dicom/dicom-json.ts';
import { dictionaryVr, tagNamed, tagText } from '../../dicom/dictionary.ts';
import type { JsonElement, JsonValue } from '../../dicom/json-model.ts';

export type SearchLevel = 'studies' | 'series' | 'instances';

const always: Readonly<Record<SearchLevel, readonly string[]>> = {
  studies: [
    'StudyDate',
    'StudyTime',
    'AccessionNumber',
    'ReferringPhysicianName',
    'TimezoneOffsetFromUTC',
    'PatientName',
    'PatientID',
    'PatientBirthDate',
    'PatientSex',
    'StudyInstanceUID',
    'StudyID',
    'StudyDescription',
  ],
  series: [
    'Modality',
    'TimezoneOffsetFromUTC',
    'SeriesDescription',
    'SeriesInstanceUID',
    'SeriesNumber',
    'PerformedProcedureStepStartDate',
    'PerformedProcedureStepStartTime',
    'RequestAttributesSequence',
  ],
  instances: [
    'SOPClassUID',
    'SOPInstanceUID',
    'TimezoneOffsetFromUTC',
    'InstanceNumber',
    'Rows',
    'Columns',
    'BitsAllocated',
    'NumberOfFrames',
  ],
};

/** Attributes that are no part of a file, told at their own level only. */
const computed: Readonly<Record<SearchLevel, readonly string[]>> = {
  studies: ['ModalitiesInStudy', 'NumberOfStudyRelatedSeries', 'NumberOfStudyRelatedInstances'],
  series: ['NumberOfSeriesRelatedInstances'],
  instances: ['InstanceAvailability'],
};

/** Tags that are told of a match: of its own level and of those above. */
export const toldTags: Readonly<Record<SearchLevel, ReadonlySet<number>>> = {
  studies: tagsOf(always.studies, computed.studies),
  series: tagsOf(always.studies, always.series, computed.series),
  instances: tagsOf(always.studies, always.series, always.instances, computed.instances),
};

export const computedTags: ReadonlySet<number> = tagsOf(...Object.values(computed));

function tagsOf(...keywords: readonly (readonly string[])[]): ReadonlySet<number> {
  return new Set(keywords.flat().map(tag));
}

/** @returns the tag of a keyword that the dictionary has. */
export function tag(keyword: string): number {
  const found = tagNamed(keyword);
  if (found === undefined) throw new Error(`the dictionary lacks ${keyword}`);
  return found;
}

/** An element of given values. */
export function element(keyword: string, ...values: readonly JsonValue[]): readonly [string, JsonElement] {
  const vr = dictionaryVr(tag(keyword));
  return [tagText(tag(keyword)), values.length === 0 ? { vr } : { vr, Value: values }];
}

/** The element that a text of a sidecar stands for. */
export function elementOfText(keyword: string, text: string): readonly [string, JsonElement] {
  const vr = dictionaryVr(tag(keyword));
  const values = text.split('\\').map((padded): JsonValue => {
    const one = padded.trim();
    if (one === '') return null;
    if (vr === 'PN') return personNameOf(one);
    return vr === 'IS' && /^[+-]?\d{1,15}$/.test(one) ? Number(one) : one;
  });
  return element(keyword, ...values);
}
