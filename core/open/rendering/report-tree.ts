/** Structured reports as a tree of names and values (PS3.3, C.17.3). Runs in the browser as well. */
import { isPersonName, type JsonDataSet, type JsonElement, type JsonValue } from '../../dicom/json-model.ts';

export interface ReportItem {
  readonly name: string;
  readonly value: string;
  readonly items: readonly ReportItem[];
}

const tags = {
  content: '0040A730',
  concept: '0040A043',
  meaning: '00080104',
  valueType: '0040A040',
  text: '0040A160',
  code: '0040A168',
  measured: '0040A300',
  number: '0040A30A',
  unit: '004008EA',
  person: '0040A123',
  dateTime: '0040A120',
  date: '0040A121',
  time: '0040A122',
  uid: '0040A124',
  referenced: '00081199',
  referencedInstance: '00081155',
} as const;
/** Reports nest less than ten levels; a file may be made to nest more. */
const deepest = 64;

/** Reads a report; `undefined` if the header is of something else. */
export function reportTree(header: JsonDataSet): ReportItem | undefined {
  if (header[tags.content] === undefined || header[tags.valueType] === undefined) return undefined;
  return { ...itemOf(header, deepest), name: meaning(header[tags.concept]) || 'Structured report' };
}

function itemOf(item: JsonDataSet, depth: number): ReportItem {
  const inner = depth === 0 ? [] : dataSets(item[tags.content]);
  return {
    name: meaning(item[tags.concept]),
    value: valueIn(item),
    items: inner.map((one) => itemOf(one, depth - 1)),
  };
}

function valueIn(item: JsonDataSet): string {
  const [measured] = dataSets(item[tags.measured]);
  const [referenced] = dataSets(item[tags.referenced]);
  switch (first(item[tags.valueType])) {
    case 'TEXT':
      return first(item[tags.text]);
    case 'CODE':
      return meaning(item[tags.code]);
    case 'NUM':
      return measured === undefined
        ? 'not measured'
        : `${first(measured[tags.number])} ${meaning(measured[tags.unit])}`;
    case 'PNAME':
      return first(item[tags.person]).replaceAll('^', ' ').trim();
    case 'DATETIME':
      return first(item[tags.dateTime]);
    case 'DATE':
      return first(item[tags.date]);
    case 'TIME':
      return first(item[tags.time]);
    case 'UIDREF':
      return first(item[tags.uid]);
    default:
      return referenced === undefined ? '' : `image ${first(referenced[tags.referencedInstance])}`;
  }
}

function meaning(code: JsonElement | undefined): string {
  const [item] = dataSets(code);
  return item === undefined ? '' : first(item[tags.meaning]);
}

function first(found: JsonElement | undefined): string {
  const value = found?.Value?.[0];
  if (value === undefined || value === null) return '';
  if (typeof value !== 'object') return String(value);
  return isPersonName(value) ? (value.Alphabetic ?? '') : '';
}

function dataSets(found: JsonElement | undefined): readonly JsonDataSet[] {
  return (found?.Value ?? []).filter(isItem);
}

function isItem(value: JsonValue): value is JsonDataSet {
  return typeof value === 'object' && value !== null && !isPersonName(value);
}
