/** Searches that a seed makes up of values that are in the files. */

import { tagNamed, tagText } from '../../../core/dicom/dictionary.ts';
import type { JsonDataSet } from '../../../core/dicom/json-model.ts';
import { valueText } from '../../../core/open/reader/tag-text.ts';
import type { SeededRandom } from '../seeded-random.ts';

const attributes = {
  studies: [
    'PatientID',
    'PatientName',
    'PatientSex',
    'StudyDate',
    'StudyTime',
    'StudyDescription',
    'AccessionNumber',
    'StudyInstanceUID',
    'StudyID',
    'ReferringPhysicianName',
    'ModalitiesInStudy',
  ],
  series: ['Modality', 'SeriesDescription', 'SeriesNumber', 'SeriesInstanceUID', 'PatientID', 'StudyDate'],
  instances: ['SOPInstanceUID', 'SOPClassUID', 'InstanceNumber', 'Rows', 'Modality', 'PatientName', 'NumberOfFrames'],
} as const;

/** The path and query of a search below `/dicom-web`. */
export function randomSearch(random: SeededRandom, headers: readonly JsonDataSet[]): string {
  const level = random.pick(['studies', 'series', 'instances'] as const);
  const about = random.pick(headers);
  const query = new URLSearchParams();
  for (let count = 1 + random.below(2); count > 0; count -= 1) {
    const keyword = random.pick(attributes[level]);
    const wanted = wantedValue(random, keyword, valueIn(about, keyword));
    // Of an attribute that is asked for twice the plugin takes the last.
    const names = [keyword, tagText(tagNamed(keyword) ?? 0)];
    if (wanted !== undefined && !names.some((name) => query.has(name)))
      query.set(random.chance(0.2) ? tagText(tagNamed(keyword) ?? 0) : keyword, wanted);
  }
  if (random.chance(0.25)) query.set('includefield', random.pick(['PatientBirthDate', 'StudyDescription', '00081030']));
  return `/${scopeOf(random, level, about)}${level}?${query.toString()}`;
}

function valueIn(header: JsonDataSet, keyword: string): string | undefined {
  const element = header[tagText(tagNamed(keyword === 'ModalitiesInStudy' ? 'Modality' : keyword) ?? 0)];
  return element === undefined ? undefined : valueText(element).split('\\')[0];
}

/** The value, or something that finds it or its neighbours. Commas and backslashes separate values, so they are left out. */
function wantedValue(random: SeededRandom, keyword: string, value: string | undefined): string | undefined {
  if (value === undefined || value === '' || /[,\\*?=]/.test(value)) return undefined;
  // The plugin refuses to look for a part of a date.
  if (keyword === 'StudyDate' && !/^\d{8}$/.test(value)) return undefined;
  if (keyword === 'StudyDate') {
    return random.pick([
      value,
      `${value}-`,
      `${value}-20301231`,
      `19000101-${value}`,
      `${value.slice(0, 4)}0101-${value.slice(0, 4)}1231`,
    ]);
  }
  if (/UID$|Number|Rows|Modalit|Frames/.test(keyword)) return random.pick([value, value, `${value},1.2.3`]);
  if (keyword === 'StudyTime') return value.includes('-') ? undefined : value;
  const [begin, end] = [value.slice(0, 1 + random.below(value.length)), value.slice(random.below(value.length))];
  // The plugin takes a value of asterisks only for one that must be there.
  if (value.length < 2) return value;
  return random.pick([
    value,
    lowerCase(value),
    `${begin}*`,
    `*${end}`,
    `?${value.slice(1)}`,
    `*${value.slice(0, -1)}*`,
  ]);
}

/** Of letters beyond ASCII every library has an opinion of its own. */
function lowerCase(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function scopeOf(random: SeededRandom, level: string, about: JsonDataSet): string {
  if (level === 'studies' || random.chance(0.4)) return '';
  const study = `studies/${valueIn(about, 'StudyInstanceUID')}/`;
  return level === 'instances' && random.chance(0.5) ? `${study}series/${valueIn(about, 'SeriesInstanceUID')}/` : study;
}
