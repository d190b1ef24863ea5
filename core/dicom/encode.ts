/**
 * Writes DICOM elements in Explicit VR Little Endian (DICOM PS3.5, section 7.1.2 and annex A.2): just enough for
 * a DICOMDIR and for generated files, no parser.
 */

/** Value representations whose length field has four bytes, after two reserved ones (PS3.5, section 7.1.2). */
const longVrs = new Set(['OB', 'OW', 'SQ', 'UN', 'UT']);

export const undefinedLength = 0xff_ff_ff_ff;

/** The header of an element, whose value of `lengthBytes` bytes is to follow. */
export function elementHeader(group: number, element: number, vr: string, lengthBytes: number): Buffer {
  const header = Buffer.alloc(longVrs.has(vr) ? 12 : 8);
  header.writeUInt16LE(group, 0);
  header.writeUInt16LE(element, 2);
  header.write(vr, 4, 'ascii');
  if (longVrs.has(vr)) header.writeUInt32LE(lengthBytes, 8);
  else header.writeUInt16LE(lengthBytes, 6);
  return header;
}

/** An element of text or bytes, padded to an even length: UIDs and bytes with NUL, text with a blank (PS3.5, 6.2). */
export function element(group: number, number: number, vr: string, value: string | Uint8Array): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  const padding = bytes.length % 2 === 0 ? '' : vr === 'UI' || typeof value !== 'string' ? '\0' : ' ';
  return Buffer.concat([elementHeader(group, number, vr, bytes.length + padding.length), bytes, Buffer.from(padding)]);
}

/** An element of one unsigned 16-bit number. */
export function elementUS(group: number, number: number, value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return element(group, number, 'US', bytes);
}

/** An item or delimiter of a sequence: a tag of group FFFE with a length and no VR (PS3.5, section 7.5). */
export function sequenceMark(number: 0xe000 | 0xe00d | 0xe0dd, lengthBytes: number): Buffer {
  const mark = Buffer.alloc(8);
  mark.writeUInt16LE(0xfffe, 0);
  mark.writeUInt16LE(number, 2);
  mark.writeUInt32LE(lengthBytes, 4);
  return mark;
}

/** Preamble, magic word and meta header with its group length (PS3.10, section 7.1). */
export function fileMetaHeader(
  sopClassUid: string,
  sopInstanceUid: string,
  transferSyntax = '1.2.840.10008.1.2.1',
): Buffer {
  const group = Buffer.concat([
    element(0x0002, 0x0001, 'OB', Uint8Array.of(0, 1)),
    element(0x0002, 0x0002, 'UI', sopClassUid),
    element(0x0002, 0x0003, 'UI', sopInstanceUid),
    element(0x0002, 0x0010, 'UI', transferSyntax),
    element(0x0002, 0x0012, 'UI', '2.25.314159265358979323846264338327950288'),
  ]);
  const groupLength = Buffer.alloc(4);
  groupLength.writeUInt32LE(group.length);
  return Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), element(0x0002, 0x0000, 'UL', groupLength), group]);
}
