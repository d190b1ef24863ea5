/** What is no picture: structured reports and PDF. */
import type { JsonDataSet, JsonElement, JsonValue } from '../../core/dicom/json-model.ts';
import { isPersonName } from '../../core/dicom/json-model.ts';
import { readPdf } from './archive.ts';
import { element } from './dom.ts';
import { formatName } from './format.ts';

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
  name: '0040A123',
  dateTime: '0040A120',
  date: '0040A121',
  time: '0040A122',
  uid: '0040A124',
  referenced: '00081199',
  referencedInstance: '00081155',
} as const;

/** Whether a header is that of a structured report. */
export function isReport(header: JsonDataSet): boolean {
  return header[tags.content] !== undefined && header[tags.valueType] !== undefined;
}

/** A structured report as nested lists (PS3.3, C.17.3). */
export function reportElement(header: JsonDataSet): HTMLElement {
  const title = meaning(header[tags.concept]) || 'Structured report';
  return element('article', { class: 'document report' }, element('h2', {}, title), items(header[tags.content]));
}

function items(content: JsonElement | undefined): HTMLElement | undefined {
  const list = dataSets(content).map((item) => {
    const concept = meaning(item[tags.concept]);
    const value = reportedValue(item);
    const head = element('span', {}, element('b', {}, concept), concept !== '' && value !== '' ? ': ' : '', value);
    return element('li', {}, head, items(item[tags.content]));
  });
  return list.length === 0 ? undefined : element('ul', {}, ...list);
}

function reportedValue(item: JsonDataSet): string {
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
      return formatName(first(item[tags.name]));
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
  const isItem = (value: JsonValue): value is JsonDataSet =>
    typeof value === 'object' && value !== null && !isPersonName(value);
  return (found?.Value ?? []).filter(isItem);
}

/** A PDF in a frame, which the browser shows or offers to save. */
export async function pdfElement(instancePath: string): Promise<HTMLIFrameElement> {
  const address = URL.createObjectURL(await readPdf(instancePath));
  return element('iframe', { src: address, title: 'PDF document', class: 'pdf' });
}
