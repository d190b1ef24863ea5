/** What DICOM knows of its data elements: value representation and keyword by tag, and the tag of a keyword. */
import { dictionaryTable } from './dictionary-table.ts';

interface Dictionary {
  /** By the eight hexadecimal digits of the tag, in capitals. */
  readonly byTag: ReadonlyMap<string, { readonly vr: string; readonly keyword: string }>;
  readonly byKeyword: ReadonlyMap<string, number>;
}

let loaded: Dictionary | undefined;

/** @returns the value representation that the standard gives a tag; `UN` for private and unknown ones. */
export function dictionaryVr(tag: number): string {
  if (isPrivate(tag)) return isCreator(tag) ? 'LO' : 'UN';
  if ((tag & 0xffff) === 0) return 'UL';
  return entryOf(tag)?.vr ?? 'UN';
}

/** @returns the keyword of a tag, such as `PatientID`; `undefined` for private and unknown ones. */
export function keywordOf(tag: number): string | undefined {
  return isPrivate(tag) ? undefined : entryOf(tag)?.keyword;
}

/** @returns the tag (`group << 16 | element`, unsigned) that a text names: a keyword, `00100020` or `0010,0020`. */
export function tagNamed(text: string): number | undefined {
  const digits = /^([0-9a-f]{4}),?([0-9a-f]{4})$/i.exec(text);
  if (digits !== null) return Number.parseInt(`${digits[1]}${digits[2]}`, 16);
  return dictionary().byKeyword.get(text);
}

/** @returns eight hexadecimal digits in capitals, as DICOM JSON names a tag. */
export function tagText(tag: number): string {
  return tag.toString(16).toUpperCase().padStart(8, '0');
}

function entryOf(tag: number) {
  const text = tagText(tag);
  return dictionary().byTag.get(text) ?? dictionary().byTag.get(`${text.slice(0, 2)}xx${text.slice(4)}`);
}

function isPrivate(tag: number): boolean {
  return (tag & 0x10000) !== 0;
}

/** An element (gggg,0010) to (gggg,00FF) of a private group names who made the block (PS3.5, 7.8.1). */
function isCreator(tag: number): boolean {
  const element = tag & 0xffff;
  return element >= 0x10 && element <= 0xff;
}

function dictionary(): Dictionary {
  loaded ??= read();
  return loaded;
}

function read(): Dictionary {
  const byTag = new Map<string, { vr: string; keyword: string }>();
  const byKeyword = new Map<string, number>();
  for (const line of dictionaryTable.split('\n')) {
    const [tag, vr, keyword] = [line.slice(0, 8), line.slice(8, 10), line.slice(10)];
    if (keyword === '') continue;
    byTag.set(tag, { vr, keyword });
    if (!byKeyword.has(keyword)) byKeyword.set(keyword, Number.parseInt(tag.replace('xx', '00'), 16));
  }
  return { byTag, byKeyword };
}
