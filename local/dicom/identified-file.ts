import { element, fileMetaHeader } from '../../core/dicom/encode.ts';

export interface FileIdentity {
  /** UID of the instance; study and series have it with `.1` and `.2` at the end. */
  readonly uid: string;
  readonly patientId: Uint8Array;
  /** SpecificCharacterSet; absent: the file names none. */
  readonly specificCharacterSet?: string | undefined;
  /** Makes other bytes of the same instance. */
  readonly comment?: string | undefined;
}

/** Generates a small DICOM file without pixels, whose identifiers may be in any character set. */
export function identifiedFile({ uid, patientId, specificCharacterSet, comment = '' }: FileIdentity): Buffer {
  const secondaryCapture = '1.2.840.10008.5.1.4.1.1.7';
  const padding = Buffer.from(patientId.length % 2 === 0 ? '' : ' ');
  return Buffer.concat([
    fileMetaHeader(secondaryCapture, uid),
    ...(specificCharacterSet === undefined ? [] : [element(0x0008, 0x0005, 'CS', specificCharacterSet)]),
    element(0x0008, 0x0016, 'UI', secondaryCapture),
    element(0x0008, 0x0018, 'UI', uid),
    element(0x0008, 0x0060, 'CS', 'OT'),
    element(0x0010, 0x0020, 'LO', Buffer.concat([patientId, padding])),
    element(0x0010, 0x4000, 'LT', comment),
    element(0x0020, 0x000d, 'UI', `${uid}.1`),
    element(0x0020, 0x000e, 'UI', `${uid}.2`),
  ]);
}
