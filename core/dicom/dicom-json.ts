/** A data set in the DICOM JSON model (PS3.18, annex F), with the values as Orthanc writes them. */
import { type CharacterSet, characterSetOf, type OrthancEncoding, readText } from './charset.ts';
import { type DataElement, type DataSet, isBinaryVr } from './data-set.ts';
import { tagText } from './dictionary.ts';
import type { JsonDataSet, JsonElement, JsonValue, PersonName } from './json-model.ts';

export interface JsonOptions {
  readonly bigEndian: boolean;
  /** How texts are read that name no character set; Orthanc's `DefaultEncoding`. */
  readonly defaultEncoding?: OrthancEncoding | undefined;
  /**
   * Where a binary value can be read; `path` is the tag, behind the tags and numbers of the items that it is in:
   * `00540016/1/00181079`. Absent: binary values are left out.
   */
  readonly bulkDataUri?: ((path: string) => string) | undefined;
}

const characterSetTag = 0x00080005;
const pixelRepresentationTag = 0x00280103;
/** Texts in the character set of the data set; all others are of the default one (PS3.5, 6.1.2.2). */
const characterSetVrs = new Set(['LO', 'LT', 'PN', 'SH', 'ST', 'UC', 'UT']);
/** One value, in which a backslash is a character. */
const singleValueVrs = new Set(['LT', 'ST', 'UR', 'UT']);

/** What an item takes over from the data set around it, unless it says otherwise itself. */
interface Scope {
  readonly characterSet: CharacterSet;
  readonly isSigned: boolean;
  readonly path: string;
}

/** @returns the data set, its elements in the order of their tags, without those of groups 0 and 2. */
export function toDicomJson(dataSet: DataSet, options: JsonOptions): JsonDataSet {
  const scope = { characterSet: characterSetOf(undefined, defaultEncodingOf(options)), isSigned: false, path: '' };
  return jsonOf(dataSet, scope, options);
}

/** @returns one element of a data set, `undefined` if it is not there. */
export function elementJson(dataSet: DataSet, tag: number, options: JsonOptions): JsonElement | undefined {
  const element = dataSet.get(tag);
  if (element === undefined) return undefined;
  const outside = { characterSet: characterSetOf(undefined, defaultEncodingOf(options)), isSigned: false, path: '' };
  return jsonElement(element, innerScope(dataSet, outside, options), options);
}

/** Orthanc's own default. */
function defaultEncodingOf({ defaultEncoding = 'Latin1' }: JsonOptions): OrthancEncoding {
  return defaultEncoding;
}

function jsonOf(dataSet: DataSet, outside: Scope, options: JsonOptions): JsonDataSet {
  const scope = innerScope(dataSet, outside, options);
  const elements: [string, JsonElement][] = [];
  for (const element of [...dataSet.values()].sort((a, b) => a.tag - b.tag)) {
    // Groups up to 7 are of messages and files; an element 0 tells the length of its group.
    if (element.tag < 0x00080000 || (element.tag & 0xffff) === 0) continue;
    const json = jsonElement(element, scope, options);
    if (json !== undefined) elements.push([tagText(element.tag), json]);
  }
  return Object.fromEntries(elements);
}

function innerScope(dataSet: DataSet, outside: Scope, options: JsonOptions): Scope {
  const named = dataSet.get(characterSetTag)?.value?.toString('latin1');
  const pixels = dataSet.get(pixelRepresentationTag)?.value;
  return {
    characterSet: named === undefined ? outside.characterSet : characterSetOf(named, defaultEncodingOf(options)),
    isSigned: pixels === undefined || pixels.length < 2 ? outside.isSigned : pixels[options.bigEndian ? 1 : 0] === 1,
    path: outside.path,
  };
}

function jsonElement(element: DataElement, scope: Scope, options: JsonOptions): JsonElement | undefined {
  const vr = element.vr === 'xs' ? (scope.isSigned ? 'SS' : 'US') : element.vr;
  const path = `${scope.path}${tagText(element.tag).toLowerCase()}`;
  if (element.items !== undefined) {
    const items = element.items.map((item, index) =>
      jsonOf(item, { ...scope, path: `${path}/${index + 1}/` }, options),
    );
    return withValues(vr, items);
  }
  if (element.length === 0) return { vr };
  if (isBinaryVr(vr)) {
    return options.bulkDataUri === undefined ? { vr } : { vr, BulkDataURI: options.bulkDataUri(path) };
  }
  // A text of more than a mebibyte: whoever wants it reads the file.
  if (element.value === undefined) return { vr };
  return withValues(vr, valuesOf(vr, element.value, scope, options.bigEndian));
}

function withValues(vr: string, values: readonly JsonValue[]): JsonElement {
  return values.length === 0 ? { vr } : { vr, Value: values };
}

function valuesOf(vr: string, bytes: Buffer, scope: Scope, bigEndian: boolean): readonly JsonValue[] {
  const numbers = numberReaders[vr];
  if (numbers !== undefined) return readNumbers(bytes, numbers, bigEndian);
  if (vr === 'AT') return readTags(bytes, bigEndian);
  const text = characterSetVrs.has(vr) ? readText(bytes, scope.characterSet).text : bytes.toString('latin1');
  const texts = singleValueVrs.has(vr) ? [text] : text.split('\\');
  const values = texts.map((each) => textValue(vr, stripped(each)));
  return values.length === 1 && values[0] === null ? [] : values;
}

function textValue(vr: string, text: string): JsonValue {
  if (text === '') return null;
  if (vr === 'PN') return personNameOf(text);
  if (vr === 'IS' && /^[+-]?\d{1,15}$/.test(text)) return Number(text);
  return text;
}

/** Padding at both ends means nothing (PS3.5, 6.2); a NUL pads texts of writers that take it for a space. */
function stripped(text: string): string {
  return text.replace(/^[\s\0]+|[\s\0]+$/g, '');
}

/** @returns the parts of a name that is written `alphabetic=ideographic=phonetic`. */
export function personNameOf(text: string): PersonName {
  const [alphabetic = '', ideographic = '', phonetic = ''] = text.split('=');
  return {
    ...(alphabetic !== '' && { Alphabetic: alphabetic }),
    ...(ideographic !== '' && { Ideographic: ideographic }),
    ...(phonetic !== '' && { Phonetic: phonetic }),
  };
}

interface NumberReader {
  readonly sizeBytes: number;
  readonly little: (bytes: Buffer, at: number) => number | bigint;
  readonly big: (bytes: Buffer, at: number) => number | bigint;
}

const numberReaders: Readonly<Record<string, NumberReader>> = {
  US: { sizeBytes: 2, little: (b, at) => b.readUInt16LE(at), big: (b, at) => b.readUInt16BE(at) },
  SS: { sizeBytes: 2, little: (b, at) => b.readInt16LE(at), big: (b, at) => b.readInt16BE(at) },
  UL: { sizeBytes: 4, little: (b, at) => b.readUInt32LE(at), big: (b, at) => b.readUInt32BE(at) },
  SL: { sizeBytes: 4, little: (b, at) => b.readInt32LE(at), big: (b, at) => b.readInt32BE(at) },
  FL: { sizeBytes: 4, little: (b, at) => b.readFloatLE(at), big: (b, at) => b.readFloatBE(at) },
  FD: { sizeBytes: 8, little: (b, at) => b.readDoubleLE(at), big: (b, at) => b.readDoubleBE(at) },
  UV: { sizeBytes: 8, little: (b, at) => b.readBigUInt64LE(at), big: (b, at) => b.readBigUInt64BE(at) },
  SV: { sizeBytes: 8, little: (b, at) => b.readBigInt64LE(at), big: (b, at) => b.readBigInt64BE(at) },
};

function readNumbers(bytes: Buffer, reader: NumberReader, bigEndian: boolean): readonly JsonValue[] {
  const read = bigEndian ? reader.big : reader.little;
  const values: JsonValue[] = [];
  for (let at = 0; at + reader.sizeBytes <= bytes.length; at += reader.sizeBytes) {
    const value = read(bytes, at);
    // JSON has no infinity and no NaN (PS3.18, F.2.5), and no exact number of 64 bits.
    if (typeof value === 'bigint') values.push(Number.isSafeInteger(Number(value)) ? Number(value) : String(value));
    else values.push(Number.isFinite(value) ? value : null);
  }
  return values;
}

function readTags(bytes: Buffer, bigEndian: boolean): readonly JsonValue[] {
  const tags: JsonValue[] = [];
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    const [group, element] = bigEndian
      ? [bytes.readUInt16BE(at), bytes.readUInt16BE(at + 2)]
      : [bytes.readUInt16LE(at), bytes.readUInt16LE(at + 2)];
    tags.push(tagText(group * 0x10000 + element));
  }
  return tags;
}
