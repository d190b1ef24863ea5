/**
 * Text of a DICOM header as Orthanc reads it. Only the PatientID matters here: it is part of every Orthanc id, and
 * Orthanc hashes it after conversion to UTF-8 (FromDcmtkBridge.cpp, DetectEncoding and Toolbox::ConvertToUtf8).
 */

/** Orthanc's names of encodings (configuration option `DefaultEncoding`, Enumerations.cpp) that are known here. */
export const orthancEncodings = [
  'Ascii',
  'Utf8',
  'Latin1',
  'Latin2',
  'Latin3',
  'Latin4',
  'Latin5',
  'Cyrillic',
  'Windows1251',
  'Arabic',
  'Greek',
  'Hebrew',
  'Thai',
  'Japanese',
  'Chinese',
  'JapaneseKanji',
  'Korean',
  'SimplifiedChinese',
] as const;
export type OrthancEncoding = (typeof orthancEncodings)[number];

/** @returns whether a text is the name of an encoding that is known here. */
export function isOrthancEncoding(text: unknown): text is OrthancEncoding {
  return orthancEncodings.some((encoding) => encoding === text);
}

/** How the texts of one file are to be read. */
export interface CharacterSet {
  /** The encoding in which servers read it; the likeliest first where not all do alike, or it is not known. */
  readonly encodings: readonly [OrthancEncoding, ...OrthancEncoding[]];
  /** Whether texts may switch their encoding with escape sequences (ISO 2022); Orthanc drops these. */
  readonly hasCodeExtensions: boolean;
}

/** A text as a server reads it. */
export interface Reading {
  readonly text: string;
  /** What another version or another build of Orthanc may make of it. */
  readonly otherTexts: readonly string[];
  /** Whether every server that reads it in this character set gets `text`. */
  readonly isCertain: boolean;
}

/** Defined terms of SpecificCharacterSet (DICOM PS3.3 C.12.1.1.2), without and with code extensions. */
const encodingsByTerm: Readonly<Record<string, OrthancEncoding>> = {
  'ISO_IR 6': 'Ascii',
  'ISO 2022 IR 6': 'Ascii',
  'ISO_IR 192': 'Utf8',
  'ISO_IR 100': 'Latin1',
  'ISO 2022 IR 100': 'Latin1',
  'ISO_IR 101': 'Latin2',
  'ISO 2022 IR 101': 'Latin2',
  'ISO_IR 109': 'Latin3',
  'ISO 2022 IR 109': 'Latin3',
  'ISO_IR 110': 'Latin4',
  'ISO 2022 IR 110': 'Latin4',
  'ISO_IR 148': 'Latin5',
  'ISO 2022 IR 148': 'Latin5',
  'ISO_IR 144': 'Cyrillic',
  'ISO 2022 IR 144': 'Cyrillic',
  'ISO_IR 127': 'Arabic',
  'ISO 2022 IR 127': 'Arabic',
  'ISO_IR 126': 'Greek',
  'ISO 2022 IR 126': 'Greek',
  'ISO_IR 138': 'Hebrew',
  'ISO 2022 IR 138': 'Hebrew',
  'ISO_IR 166': 'Thai',
  'ISO 2022 IR 166': 'Thai',
  'ISO_IR 13': 'Japanese',
  'ISO 2022 IR 13': 'Japanese',
  GB18030: 'Chinese',
  GBK: 'Chinese',
  'ISO 2022 IR 87': 'JapaneseKanji',
  'ISO 2022 IR 149': 'Korean',
  'ISO 2022 IR 58': 'SimplifiedChinese',
};

/** Terms that newer versions take for an encoding and older ones do not (seen: 1.13.0 and 1.10.1). */
const encodingsByLaterTerm: Readonly<Record<string, OrthancEncoding>> = { ISO_IR_192: 'Utf8' };

/** All terms of SpecificCharacterSet that are known here. */
export const characterSetTerms: readonly string[] = [
  ...Object.keys(encodingsByTerm),
  ...Object.keys(encodingsByLaterTerm),
];

/** Encodings of one byte per character, under the labels of the Encoding Standard. */
const singleByteLabels: Readonly<Partial<Record<OrthancEncoding, string>>> = {
  Latin2: 'iso-8859-2',
  Latin3: 'iso-8859-3',
  Latin4: 'iso-8859-4',
  Cyrillic: 'iso-8859-5',
  Windows1251: 'windows-1251',
  Arabic: 'iso-8859-6',
  Greek: 'iso-8859-7',
  Hebrew: 'iso-8859-8',
  Thai: 'windows-874',
};

/** Encodings of several bytes per character. Builds of Orthanc convert them with different libraries: never certain. */
const multiByteLabels: Readonly<Partial<Record<OrthancEncoding, string>>> = {
  Japanese: 'shift_jis',
  Chinese: 'gb18030',
  JapaneseKanji: 'iso-2022-jp',
  Korean: 'euc-kr',
  SimplifiedChinese: 'gb18030',
};

/** ISO 8859-9 is ISO 8859-1 but for six letters. */
const turkishLetters: Readonly<Record<string, string>> = { Ð: 'Ğ', Ý: 'İ', Þ: 'Ş', ð: 'ğ', ý: 'ı', þ: 'ş' };

/** What `\` and `~` are in Japanese single bytes: from 1.12.9 on, before, and in builds with another library. */
const japaneseVariants: readonly (readonly [backslash: string, tilde: string])[] = [
  ['\\', '‾'],
  ['¥', '‾'],
  ['\\', '~'],
  ['¥', '~'],
];

/**
 * The character set of a file: the first term of SpecificCharacterSet that is not empty; ASCII when it is unknown;
 * the server's `DefaultEncoding` when there is none.
 *
 * @param specificCharacterSet value of (0008,0005), or `undefined` if the file has none
 * @param defaultEncoding `undefined` where it is not known: then any, and most likely Orthanc's own default
 */
export function characterSetOf(
  specificCharacterSet: string | undefined,
  defaultEncoding: OrthancEncoding | undefined,
): CharacterSet {
  const terms = termsOf(specificCharacterSet);
  const hasCodeExtensions = terms.length > 1;
  const term = terms.find((each) => each !== '');
  if (term !== undefined) return { encodings: encodingsOf(term), hasCodeExtensions };
  return { encodings: defaultEncoding === undefined ? everyEncoding() : [defaultEncoding], hasCodeExtensions };
}

/** @returns whether a SpecificCharacterSet names none, so that the server's `DefaultEncoding` counts. */
export function namesNoCharacterSet(specificCharacterSet: string | undefined): boolean {
  return termsOf(specificCharacterSet).every((term) => term === '');
}

/** The character set of a file of which nothing is known: any encoding. */
export function anyCharacterSet(specificCharacterSet: string | undefined): CharacterSet {
  return { encodings: everyEncoding(), hasCodeExtensions: termsOf(specificCharacterSet).length > 1 };
}

/** Reads a text as Orthanc does (seen on 1.10.1 and 1.13.0). */
export function readText(bytes: Uint8Array, { encodings, hasCodeExtensions }: CharacterSet): Reading {
  if (isSameEverywhere(bytes)) return { text: latin1(bytes), otherTexts: [], isCertain: true };
  const decoded = encodings.flatMap((encoding) => {
    const variants = withoutEscapes(bytes, encoding, hasCodeExtensions).map((each) => decode(each, encoding));
    return variants.map((one) => ({ ...one, isCertain: one.isCertain && variants.length === 1 }));
  });
  const [text = '', ...otherTexts] = new Set(decoded.flatMap(({ texts }) => texts));
  return { text, otherTexts, isCertain: decoded.every(({ isCertain }) => isCertain) && otherTexts.length === 0 };
}

function termsOf(specificCharacterSet: string | undefined): readonly string[] {
  return (specificCharacterSet ?? '').split('\\').map((each) => each.trim().toUpperCase());
}

function encodingsOf(term: string): CharacterSet['encodings'] {
  const later = encodingsByLaterTerm[term];
  return later === undefined ? [encodingsByTerm[term] ?? 'Ascii'] : [later, 'Ascii'];
}

function everyEncoding(): CharacterSet['encodings'] {
  return ['Latin1', ...orthancEncodings.filter((encoding) => encoding !== 'Latin1')];
}

/**
 * Orthanc drops escape sequences where it expects them, except in the one encoding that is made of them.
 * @returns several readings where it is not known what counts as a sequence
 */
function withoutEscapes(
  bytes: Uint8Array,
  encoding: OrthancEncoding,
  hasCodeExtensions: boolean,
): readonly Uint8Array[] {
  const isKept = !hasCodeExtensions || encoding === 'JapaneseKanji' || encoding === 'Ascii';
  if (isKept || !bytes.some(isShift)) return [bytes];
  const isPrintable = (byte: number) => !isShift(byte);
  // oxlint-disable-next-line no-control-regex -- an escape sequence begins with a control character
  const withoutSequences = Buffer.from(latin1(bytes).replace(/\x1b[\x20-\x2f]*[\x30-\x7e]/g, ''), 'latin1');
  return [withoutSequences.filter(isPrintable), bytes.filter(isPrintable), bytes];
}

/** Escape, shift out and shift in, by which ISO 2022 changes from one set of characters to another. */
function isShift(byte: number): boolean {
  return byte === 0x1b || byte === 0x0e || byte === 0x0f;
}

interface Decoded {
  readonly texts: readonly string[];
  readonly isCertain: boolean;
}

function decode(bytes: Uint8Array, encoding: OrthancEncoding): Decoded {
  if (encoding === 'Ascii') return { texts: [printableAscii(bytes)], isCertain: true };
  if (encoding === 'Japanese' && bytes.some((byte) => byte === 0x5c || byte === 0x7e)) return decodeJapanese(bytes);
  if (bytes.every(isPlain)) return { texts: [latin1(bytes)], isCertain: true };
  if (encoding === 'Utf8') return decodeUtf8(bytes);
  return multiByteLabels[encoding] === undefined
    ? decodeSingleBytes(bytes, encoding)
    : decodeMultiByte(bytes, encoding);
}

/** Bytes without a character are dropped; what other libraries do with them is not known. */
function decodeSingleBytes(bytes: Uint8Array, encoding: OrthancEncoding): Decoded {
  const characters = singleByteCharacters(encoding);
  const text = Array.from(bytes, (byte) => characters[byte] ?? '').join('');
  return { texts: [text], isCertain: bytes.every((byte) => byte < 0x80 || isLetter(characters[byte])) };
}

function isLetter(character: string | undefined): boolean {
  return character !== undefined && character >= '\u00a0';
}

const singleByteTables = new Map<OrthancEncoding, readonly (string | undefined)[]>();

/** The character of each byte; `undefined` for those that stand for none. */
function singleByteCharacters(encoding: OrthancEncoding): readonly (string | undefined)[] {
  const known = singleByteTables.get(encoding);
  if (known !== undefined) return known;
  const made = Array.from({ length: 256 }, (_, byte) => (byte < 0x80 ? latin1([byte]) : characterOf(byte, encoding)));
  singleByteTables.set(encoding, made);
  return made;
}

function characterOf(byte: number, encoding: OrthancEncoding): string | undefined {
  const label = singleByteLabels[encoding];
  if (label === undefined) {
    const character = latin1([byte]);
    return encoding === 'Latin5' ? (turkishLetters[character] ?? character) : character;
  }
  // TIS-620, which Orthanc asks for, has nothing below the first Thai letter; nor has Windows-1251 at 98.
  if ((encoding === 'Thai' && byte < 0xa1) || (encoding === 'Windows1251' && byte === 0x98)) return undefined;
  const character = new TextDecoder(label).decode(Uint8Array.of(byte));
  return character === '\ufffd' ? undefined : character;
}

/** As Boost.Locale decodes it (`utf_traits::decode`): what turns out to be wrong is dropped up to the byte that shows it. */
function decodeUtf8(bytes: Uint8Array): Decoded {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let text = '';
  let isCertain = true;
  for (let at = 0; at < bytes.length; ) {
    const end = endOfSequence(bytes, at);
    try {
      text += decoder.decode(bytes.subarray(at, end));
    } catch {
      isCertain = false;
    }
    at = end;
  }
  return { texts: [text], isCertain };
}

/** Behind the last byte of the character that begins at `start`, or behind the first byte that cannot belong to it. */
function endOfSequence(bytes: Uint8Array, start: number): number {
  const lead = bytes[start] ?? 0;
  const length = lead < 0xc2 || lead > 0xf4 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  const wrong = bytes.subarray(start + 1, start + length).findIndex((byte) => (byte & 0xc0) !== 0x80);
  return Math.min(bytes.length, start + (wrong === -1 ? length : wrong + 2));
}

function decodeJapanese(bytes: Uint8Array): Decoded {
  const text = multiByteText(bytes, 'Japanese');
  const texts = japaneseVariants.map(([backslash, tilde]) => text.replaceAll('\\', backslash).replaceAll('~', tilde));
  return { texts, isCertain: false };
}

function decodeMultiByte(bytes: Uint8Array, encoding: OrthancEncoding): Decoded {
  return { texts: [multiByteText(bytes, encoding)], isCertain: false };
}

/** Of undecodable text only the printable ASCII: what follows is a guess. */
function multiByteText(bytes: Uint8Array, encoding: OrthancEncoding): string {
  try {
    return new TextDecoder(multiByteLabels[encoding], { fatal: true }).decode(bytes);
  } catch {
    return printableAscii(bytes);
  }
}

/** @returns whether a text reads the same whatever its encoding is: nearly every PatientID does. */
export function isSameEverywhere(bytes: Uint8Array): boolean {
  return bytes.every((byte) => isPlain(byte) && byte !== 0x5c && byte !== 0x7e);
}

/** @returns whether a byte is printable ASCII, the same character in every encoding but Japanese. */
function isPlain(byte: number): boolean {
  return byte >= 0x20 && byte < 0x7f;
}

/** Toolbox::ConvertToAscii: everything outside printable ASCII is dropped, line feeds excepted. */
function printableAscii(bytes: Uint8Array): string {
  return latin1(bytes.filter((byte) => isPlain(byte) || byte === 0x0a));
}

function latin1(bytes: Uint8Array | readonly number[]): string {
  return Buffer.from(bytes).toString('latin1');
}
