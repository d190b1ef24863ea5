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

/** Encodings in which a server may read a text that does not name its own or names another one. */
const plausibleEncodings: readonly OrthancEncoding[] = [
  'Latin1',
  'Utf8',
  'Ascii',
  'Latin2',
  'Latin3',
  'Latin4',
  'Latin5',
  'Cyrillic',
  'Windows1251',
  'Greek',
  'Hebrew',
  'Arabic',
  'Thai',
  'Japanese',
  'Chinese',
];

/** How the texts of one file are to be read. */
export interface CharacterSet {
  readonly encoding: OrthancEncoding;
  /** Whether texts may switch their encoding with escape sequences (ISO 2022); Orthanc drops these. */
  readonly hasCodeExtensions: boolean;
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
  'ISO 2022 IR 159': 'JapaneseKanji',
  'ISO 2022 IR 149': 'Korean',
  'ISO 2022 IR 58': 'SimplifiedChinese',
};

/** The same encodings under the labels of the Encoding Standard, except those decoded by hand below. */
const decoderLabels: Readonly<Partial<Record<OrthancEncoding, string>>> = {
  Utf8: 'utf-8',
  Latin2: 'iso-8859-2',
  Latin3: 'iso-8859-3',
  Latin4: 'iso-8859-4',
  Cyrillic: 'iso-8859-5',
  Windows1251: 'windows-1251',
  Arabic: 'iso-8859-6',
  Greek: 'iso-8859-7',
  Hebrew: 'iso-8859-8',
  Thai: 'windows-874',
  Japanese: 'shift_jis',
  Chinese: 'gb18030',
  JapaneseKanji: 'iso-2022-jp',
  Korean: 'euc-kr',
  SimplifiedChinese: 'gb18030',
};

/** ISO 8859-9 is ISO 8859-1 but for six letters. */
const turkishLetters: Readonly<Record<string, string>> = { Ð: 'Ğ', Ý: 'İ', Þ: 'Ş', ð: 'ğ', ý: 'ı', þ: 'ş' };

/**
 * The character set of a file: the first term of SpecificCharacterSet that is not empty; ASCII when it is unknown;
 * the server's `DefaultEncoding` when there is none.
 *
 * @param specificCharacterSet value of (0008,0005), or `undefined` if the file has none
 */
export function characterSetOf(
  specificCharacterSet: string | undefined,
  defaultEncoding: OrthancEncoding = 'Latin1',
): CharacterSet {
  const terms = (specificCharacterSet ?? '').split('\\').map((each) => each.trim());
  const term = terms.find((each) => each !== '');
  const encoding = term === undefined ? defaultEncoding : (encodingsByTerm[term] ?? 'Ascii');
  return { encoding, hasCodeExtensions: terms.length > 1 };
}

/** @returns the text of `bytes`; of undecodable text only the printable ASCII, as in Orthanc. */
export function readText(bytes: Uint8Array, characterSet: CharacterSet): string {
  const text = Buffer.from(bytes).toString('latin1');
  if (characterSet.hasCodeExtensions) {
    // oxlint-disable-next-line no-control-regex -- an escape sequence begins with a control character
    const withoutEscapes = text.replace(/\x1b[\x20-\x2f]*[\x30-\x7e]/g, '');
    return decode(Buffer.from(withoutEscapes, 'latin1'), characterSet.encoding);
  }
  return decode(bytes, characterSet.encoding);
}

/**
 * The other ways in which a server may read a text, by its version and its `DefaultEncoding`. None if the text is
 * plain ASCII, but for the two characters that older versions read otherwise in Japanese (changed in 1.12.9).
 */
export function plausibleReadings(bytes: Uint8Array, characterSet: CharacterSet): readonly string[] {
  if (isAscii(bytes)) {
    const text = readText(bytes, characterSet);
    return characterSet.encoding === 'Japanese' ? [text.replaceAll('\\', '¥').replaceAll('~', '‾')] : [];
  }
  return plausibleEncodings.map((encoding) => decode(bytes, encoding));
}

function decode(bytes: Uint8Array, encoding: OrthancEncoding): string {
  const latin1 = Buffer.from(bytes).toString('latin1');
  if (isAscii(bytes) || encoding === 'Latin1') {
    return latin1;
  }
  if (encoding === 'Latin5') {
    return latin1.replace(/[ÐÝÞðýþ]/g, (letter) => turkishLetters[letter] ?? letter);
  }
  const label = decoderLabels[encoding];
  if (label === undefined) {
    return printableAscii(bytes);
  }
  try {
    return new TextDecoder(label, { fatal: true }).decode(bytes);
  } catch {
    return printableAscii(bytes);
  }
}

/** @returns whether the text reads the same in every encoding; escape sequences do not. */
function isAscii(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte < 0x80 && byte !== 0x1b);
}

/** Toolbox::ConvertToAscii: everything outside printable ASCII is dropped. */
function printableAscii(bytes: Uint8Array): string {
  return Buffer.from(bytes.filter((byte) => byte >= 0x20 && byte < 0x7f)).toString('latin1');
}
