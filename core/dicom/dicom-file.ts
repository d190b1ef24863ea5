/**
 * The beginning of a DICOM file: whether it is one, where its data set starts, and how that is written
 * (DICOM PS3.10, 7.1). Files without preamble, and bare data sets, exist and are accepted where their first elements
 * leave no doubt.
 */
import type { ElementEncoding } from './data-set-parser.ts';

/** What the first bytes tell of a DICOM file. */
export interface DicomFileStart {
  /** Where the data set begins: after preamble and meta header. */
  readonly dataSetOffset: number;
  /** UID of the transfer syntax; `undefined` for a bare data set, whose encoding was guessed. */
  readonly transferSyntax: string | undefined;
  /** SOP class of the meta header (0002,0002). */
  readonly mediaStorageSopClass: string | undefined;
  readonly encoding: ElementEncoding;
  /** Whether the data set is deflated (RFC 1951). */
  readonly isDeflated: boolean;
}

/** How many bytes at most are looked at: a meta header that does not end before is none. */
export const maxMetaHeaderBytes = 1 << 16;
/** Enough bytes for {@link looksLikeDicom}. */
const dicomPrefixBytes = 140;

const preambleBytes = 128;
const metaGroup = 0x0002;
const transferSyntaxElement = 0x0010;
const sopClassElement = 0x0002;
const groupLengthElement = 0x0000;
const longFormVr = /^(?:OB|UN|OW|UT|SQ|OF)$/;

/** @returns whether bytes begin with the preamble of a DICOM file and its magic word. */
export function hasPreamble(prefix: Uint8Array): boolean {
  return bufferOf(prefix).toString('latin1', preambleBytes, preambleBytes + 4) === 'DICM';
}

/** @returns whether bytes that begin like this are a DICOM file, with or without preamble or meta header. */
export function looksLikeDicom(prefix: Uint8Array): boolean {
  const bytes = bufferOf(prefix);
  return metaHeaderOffset(bytes) !== undefined || bareEncoding(bytes) !== undefined;
}

/**
 * Reads preamble and meta header.
 *
 * @param prefix the first bytes of the file
 * @param isAll whether the file has no more bytes than these
 * @returns the start; `more` if more bytes are needed to tell; `undefined` if this is not DICOM
 */
export function readFileStart(prefix: Uint8Array, isAll: boolean): DicomFileStart | 'more' | undefined {
  const bytes = bufferOf(prefix).subarray(0, maxMetaHeaderBytes);
  if (bytes.length < dicomPrefixBytes && !isAll) {
    return 'more';
  }
  const offset = metaHeaderOffset(bytes);
  if (offset === undefined) {
    const encoding = bareEncoding(bytes);
    return encoding === undefined
      ? undefined
      : { dataSetOffset: 0, transferSyntax: undefined, mediaStorageSopClass: undefined, encoding, isDeflated: false };
  }
  return readMetaHeader(bytes, offset, isAll || bytes.length >= maxMetaHeaderBytes);
}

/** Where the meta header begins, or `undefined` if there is none. */
function metaHeaderOffset(bytes: Buffer): number | undefined {
  if (hasPreamble(bytes)) {
    return preambleBytes + 4;
  }
  const isMetaElement =
    bytes.length >= 8 &&
    bytes.readUInt16LE(0) === metaGroup &&
    bytes.readUInt16LE(2) <= 0x0102 &&
    /^(?:UL|OB|UI|SH|AE)$/.test(bytes.toString('latin1', 4, 6));
  return isMetaElement ? 0 : undefined;
}

function readMetaHeader(bytes: Buffer, offset: number, isAll: boolean): DicomFileStart | 'more' {
  let at = offset;
  let end: number | undefined;
  let transferSyntax: string | undefined;
  let mediaStorageSopClass: string | undefined;
  while (end === undefined || at < end) {
    if (at + 8 > bytes.length) {
      return isAll ? start(at, transferSyntax, mediaStorageSopClass) : 'more';
    }
    if (bytes.readUInt16LE(at) !== metaGroup) {
      break;
    }
    const isLong = longFormVr.test(bytes.toString('latin1', at + 4, at + 6));
    if (at + 12 > bytes.length && isLong) {
      return isAll ? start(at, transferSyntax, mediaStorageSopClass) : 'more';
    }
    const value = at + (isLong ? 12 : 8);
    const length = isLong ? bytes.readUInt32LE(at + 8) : bytes.readUInt16LE(at + 6);
    if (value + length > bytes.length) {
      return isAll ? start(at, transferSyntax, mediaStorageSopClass) : 'more';
    }
    const element = bytes.readUInt16LE(at + 2);
    if (element === groupLengthElement && length === 4) {
      end = value + length + bytes.readUInt32LE(value);
    } else if (element === transferSyntaxElement) {
      transferSyntax = uidOf(bytes.subarray(value, value + length));
    } else if (element === sopClassElement) {
      mediaStorageSopClass = uidOf(bytes.subarray(value, value + length));
    }
    at = value + length;
  }
  return start(at, transferSyntax, mediaStorageSopClass);
}

function start(dataSetOffset: number, transferSyntax: string | undefined, sopClass: string | undefined) {
  return {
    dataSetOffset,
    transferSyntax,
    mediaStorageSopClass: sopClass,
    encoding: {
      explicitVr: transferSyntax !== '1.2.840.10008.1.2',
      bigEndian: transferSyntax === '1.2.840.10008.1.2.2',
    },
    isDeflated: transferSyntax === '1.2.840.10008.1.2.1.99' || transferSyntax === '1.2.840.10008.1.2.4.95',
  };
}

/**
 * The encoding of a data set without meta header: it must begin with group 0008, and with an element that is short in
 * every real object. Anything else is too easily some other file.
 */
function bareEncoding(bytes: Buffer): ElementEncoding | undefined {
  if (bytes.length < 16) {
    return undefined;
  }
  const isLittle = bytes.readUInt16LE(0) === 0x0008 && bytes.readUInt16LE(2) <= 0x0060;
  const isBig = bytes.readUInt16BE(0) === 0x0008 && bytes.readUInt16BE(2) <= 0x0060 && bytes[2] === 0;
  const vr = bytes.toString('latin1', 4, 6);
  if ((isLittle || isBig) && /^(?:UL|CS|UI|DA|TM|DT|LO|SH|PN)$/.test(vr)) {
    return { explicitVr: true, bigEndian: isBig };
  }
  const length = bytes.readUInt32LE(4);
  const isGroupLength = bytes.readUInt16LE(2) === 0;
  const isPlausibleImplicit = isLittle && (isGroupLength ? length === 4 : length <= 64 && length % 2 === 0);
  return isPlausibleImplicit ? { explicitVr: false, bigEndian: false } : undefined;
}

function uidOf(value: Buffer): string {
  return value.toString('latin1').replace(/[\0\s]+$/, '');
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
