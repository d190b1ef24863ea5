/**
 * Tells from the first bytes what a file is. Pure.
 */
import { hasPreamble, looksLikeDicom } from '../dicom/dicom-file.ts';
import { encryptionBytes } from '../orthanc-disk/object-encryption.ts';

/** What an import does with a file depends on this. */
export type FileKind =
  | { readonly kind: 'dicom' }
  /** A container, to look into. */
  | { readonly kind: 'zip' | 'tar' | 'gzip' }
  /** A file of an Orthanc storage with the option `StorageCompression`; `sizeBytes` is that of its content. */
  | { readonly kind: 'zlib-with-size'; readonly sizeBytes: number }
  /** A file encrypted by Orthanc's object-storage plugin. */
  | { readonly kind: 'encrypted' }
  /** The JSON summary that Orthanc up to 1.9.0 kept beside each instance (attachment 2, `dicom-as-json`). */
  | { readonly kind: 'json-summary' }
  /** Anything else, in one phrase. */
  | { readonly kind: 'other'; readonly what: string; readonly mayBeDamage: boolean };

/** How many bytes {@link sniff} wants to see. */
export const sniffBytes = 1024;

const zlibHeaderBytes = 10;
/** Deflate cannot shrink more than this (RFC 1951: 258 bytes per two bits at best). */
const largestDeflateRatio = 1032;

const magics: readonly (readonly [string, string])[] = [
  ['%PDF-', 'PDF document'],
  ['\x89PNG', 'PNG image'],
  ['\xff\xd8\xff', 'JPEG image'],
  ['\0\0\0\x0cjP', 'JPEG 2000 image'],
  ['GIF8', 'GIF image'],
  ['BM', 'bitmap image'],
  ['II*\0', 'TIFF image'],
  ['MM\0*', 'TIFF image'],
  ['SQLite format 3\0', 'SQLite database'],
  ['\x7fELF', 'program'],
  ['MZ', 'Windows program'],
  ['7z\xbc\xaf\x27\x1c', '7-Zip archive (unpack it first)'],
  ['Rar!', 'RAR archive (unpack it first)'],
  ['BZh', 'bzip2 file (unpack it first)'],
  ['\xfd7zXZ', 'xz file (unpack it first)'],
  ['\x28\xb5\x2f\xfd', 'zstd file (unpack it first)'],
  ['\x5c\x01\0\0\xce\xfa\xed\xfe', 'NIfTI image'],
];

/**
 * @param prefix the first bytes, at least {@link sniffBytes} of them or the whole file
 * @param sizeBytes size of the whole file, where it is known
 */
export function sniff(prefix: Buffer, sizeBytes: number | undefined): FileKind {
  if (prefix.length === 0) {
    return { kind: 'other', what: 'empty file', mayBeDamage: true };
  }
  if (hasPreamble(prefix)) {
    return { kind: 'dicom' };
  }
  // A bare data set proves least: the size at the beginning of a compressed file can look like its first element.
  return container(prefix, sizeBytes) ?? dicomKind(prefix) ?? jsonKind(prefix) ?? otherKind(prefix);
}

function dicomKind(prefix: Buffer): FileKind | undefined {
  return looksLikeDicom(prefix) ? { kind: 'dicom' } : undefined;
}

function container(prefix: Buffer, sizeBytes: number | undefined): FileKind | undefined {
  const magic = prefix.toString('latin1', 0, 4);
  if (magic === 'PK\x03\x04' || magic === 'PK\x05\x06') {
    return { kind: 'zip' };
  }
  if (magic.startsWith('\x1f\x8b\x08')) {
    return { kind: 'gzip' };
  }
  if (isTarHeader(prefix)) {
    return { kind: 'tar' };
  }
  if (magic.startsWith('A1') && (sizeBytes ?? encryptionBytes) >= encryptionBytes && !isText(prefix)) {
    return { kind: 'encrypted' };
  }
  return zlibWithSize(prefix, sizeBytes);
}

/** An 8-byte little-endian size and a zlib stream (RFC 1950); the two must fit each other. */
function zlibWithSize(prefix: Buffer, fileBytes: number | undefined): FileKind | undefined {
  if (prefix.length < zlibHeaderBytes) {
    return undefined;
  }
  const [method, flags] = [prefix[8] ?? 0, prefix[9] ?? 0];
  const isZlib =
    (method & 0x0f) === 8 && method >> 4 <= 7 && ((method << 8) | flags) % 31 === 0 && (flags & 0x20) === 0;
  const contentBytes = prefix.readBigUInt64LE(0);
  const limit = BigInt(fileBytes ?? Number.MAX_SAFE_INTEGER) * BigInt(largestDeflateRatio);
  return isZlib && contentBytes > 0n && contentBytes <= limit && contentBytes <= BigInt(Number.MAX_SAFE_INTEGER)
    ? { kind: 'zlib-with-size', sizeBytes: Number(contentBytes) }
    : undefined;
}

/** A header block of a tar: its checksum is right (POSIX.1-1988, ustar). */
function isTarHeader(prefix: Buffer): boolean {
  if (prefix.length < 512 || prefix[0] === 0) {
    return false;
  }
  const stated = Number.parseInt(prefix.toString('latin1', 148, 156).replace(/[\0 ]+$/, ''), 8);
  let sum = 8 * 0x20;
  for (const [position, byte] of prefix.subarray(0, 512).entries()) {
    sum += position >= 148 && position < 156 ? 0 : byte;
  }
  return stated === sum;
}

function jsonKind(prefix: Buffer): FileKind | undefined {
  const text = prefix.toString('utf8').trimStart();
  if (!/^[{[]/.test(text)) {
    return undefined;
  }
  return /^\{\s*"[0-9a-f]{4},[0-9a-f]{4}"\s*:/i.test(text)
    ? { kind: 'json-summary' }
    : { kind: 'other', what: 'JSON file', mayBeDamage: false };
}

function otherKind(prefix: Buffer): FileKind {
  const start = prefix.toString('latin1', 0, 16);
  const known = magics.find(([magic]) => start.startsWith(magic));
  if (known !== undefined) {
    return { kind: 'other', what: known[1], mayBeDamage: false };
  }
  if (prefix.every((byte) => byte === 0)) {
    return { kind: 'other', what: 'zeros', mayBeDamage: true };
  }
  const text = prefix.toString('latin1').trimStart().toLowerCase();
  if (text.startsWith('<!doctype html') || text.startsWith('<html')) {
    return { kind: 'other', what: 'HTML page', mayBeDamage: false };
  }
  if (text.startsWith('<?xml')) {
    return { kind: 'other', what: 'XML file', mayBeDamage: false };
  }
  return isText(prefix)
    ? { kind: 'other', what: 'text', mayBeDamage: false }
    : { kind: 'other', what: 'unknown binary file', mayBeDamage: true };
}

function isText(prefix: Buffer): boolean {
  return prefix.every((byte) => byte >= 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d || byte === 0x0c);
}
