/**
 * DICOMDIR: the table of contents of a medium (PS3.3, annex F; PS3.10, 8). No library for it is well kept, and it is
 * little: records in a sequence, which point to each other by their offsets in the file.
 */

import { tagNamed } from '../../dicom/dictionary.ts';
import { element, elementUS, fileMetaHeader, sequenceMark } from '../../dicom/encode.ts';

/** One record with what it consists of. Values by keyword, in UTF-8; an empty one is written empty. */
export interface DirectoryRecord {
  readonly type: string;
  readonly values: Readonly<Record<string, string>>;
  /** Sequences of one item, or of none, by keyword. */
  readonly items?: Readonly<Record<string, Readonly<Record<string, string>> | undefined>>;
  readonly children: readonly DirectoryRecord[];
}

const mediaStorageDirectory = '1.2.840.10008.1.3.10';
const inUse = 0xffff;

/** A record in the order of the file. */
interface Placed {
  readonly record: DirectoryRecord;
  /** What of it does not depend on its place. */
  readonly body: Buffer;
  offset: number;
  next: Placed | undefined;
  child: Placed | undefined;
}

/** Writes the file. `uid` is the SOP instance UID of the file-set. */
export function dicomdir(uid: string, roots: readonly DirectoryRecord[]): Buffer {
  const header = fileMetaHeader(mediaStorageDirectory, uid);
  const placed: Placed[] = [];
  const first = place(roots, placed);
  // Before the records: the identity of the file-set, two offsets, a flag, and the header of the sequence.
  let offset = header.length + opening(0, 0, 0).length;
  for (const one of placed) {
    one.offset = offset;
    offset += encodeRecord(one).length;
  }
  const records = placed.map(encodeRecord);
  const sizeBytes = records.reduce((sum, record) => sum + record.length, 0);
  const last = lastOf(first);
  return Buffer.concat([header, opening(first?.offset ?? 0, last?.offset ?? 0, sizeBytes), ...records]);
}

/** Depth first: each record is followed by what it consists of. */
function place(records: readonly DirectoryRecord[], placed: Placed[]): Placed | undefined {
  let before: Placed | undefined;
  let first: Placed | undefined;
  for (const record of records) {
    const own: Placed = { record, body: bodyOf(record), offset: 0, next: undefined, child: undefined };
    placed.push(own);
    own.child = place(record.children, placed);
    if (before !== undefined) before.next = own;
    first ??= own;
    before = own;
  }
  return first;
}

function lastOf(first: Placed | undefined): Placed | undefined {
  let last = first;
  while (last?.next !== undefined) last = last.next;
  return last;
}

function opening(first: number, last: number, sizeBytes: number): Buffer {
  const sequence = Buffer.alloc(12);
  sequence.writeUInt16LE(0x0004, 0);
  sequence.writeUInt16LE(0x1220, 2);
  sequence.write('SQ', 4, 'ascii');
  sequence.writeUInt32LE(sizeBytes, 8);
  return Buffer.concat([
    element(0x0004, 0x1130, 'CS', 'ARCHIVE'),
    offsetElement(0x1200, first),
    offsetElement(0x1202, last),
    elementUS(0x0004, 0x1212, 0),
    sequence,
  ]);
}

function encodeRecord({ record, body, next, child }: Placed): Buffer {
  const content = Buffer.concat([
    offsetElement(0x1400, next?.offset ?? 0),
    elementUS(0x0004, 0x1410, inUse),
    offsetElement(0x1420, child?.offset ?? 0),
    element(0x0004, 0x1430, 'CS', record.type),
    body,
  ]);
  return Buffer.concat([sequenceMark(0xe000, content.length), content]);
}

function offsetElement(number: number, offset: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(offset);
  return element(0x0004, number, 'UL', bytes);
}

const representations: Readonly<Record<string, string>> = {
  ReferencedFileID: 'CS',
  ReferencedSOPClassUIDInFile: 'UI',
  ReferencedSOPInstanceUIDInFile: 'UI',
  ReferencedTransferSyntaxUIDInFile: 'UI',
  SpecificCharacterSet: 'CS',
  PatientID: 'LO',
  PatientName: 'PN',
  StudyDate: 'DA',
  StudyTime: 'TM',
  StudyDescription: 'LO',
  StudyInstanceUID: 'UI',
  StudyID: 'SH',
  AccessionNumber: 'SH',
  Modality: 'CS',
  SeriesInstanceUID: 'UI',
  SeriesNumber: 'IS',
  SeriesDescription: 'LO',
  InstanceNumber: 'IS',
  ContentDate: 'DA',
  ContentTime: 'TM',
  CompletionFlag: 'CS',
  VerificationFlag: 'CS',
  DocumentTitle: 'ST',
  MIMETypeOfEncapsulatedDocument: 'LO',
  ContentLabel: 'CS',
  ContentDescription: 'LO',
  PresentationCreationDate: 'DA',
  PresentationCreationTime: 'TM',
  ContentCreatorName: 'PN',
  CodeValue: 'SH',
  CodingSchemeDesignator: 'SH',
  CodeMeaning: 'LO',
};

/** Values, in the order of their tags (PS3.5, 7.1). */
function bodyOf({ values, items = {} }: DirectoryRecord): Buffer {
  const encoded = [
    ...Object.entries(values).map(([keyword, value]) => [tagOf(keyword), encodeValue(keyword, value)] as const),
    ...Object.entries(items).map(([keyword, item]) => [tagOf(keyword), encodeItem(keyword, item)] as const),
  ];
  return Buffer.concat(encoded.toSorted(([a], [b]) => a - b).map(([, bytes]) => bytes));
}

function encodeValue(keyword: string, value: string): Buffer {
  const tag = tagOf(keyword);
  const vr = representations[keyword];
  if (vr === undefined) throw new Error(`${keyword} has no place in a DICOMDIR`);
  return element(tag >>> 16, tag & 0xffff, vr, value);
}

function encodeItem(keyword: string, values: Readonly<Record<string, string>> | undefined): Buffer {
  const content = bodyOf({ type: '', values: values ?? {}, children: [] });
  const item = values === undefined ? Buffer.alloc(0) : Buffer.concat([sequenceMark(0xe000, content.length), content]);
  const tag = tagOf(keyword);
  return element(tag >>> 16, tag & 0xffff, 'SQ', item);
}

function tagOf(keyword: string): number {
  const tag = tagNamed(keyword);
  if (tag === undefined) throw new Error(`the dictionary lacks ${keyword}`);
  return tag;
}
