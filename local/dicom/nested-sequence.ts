/**
 * Generates a well-formed DICOM file that kills real Orthanc servers (1.10.1, 1.12.7 and 1.13.0 as packaged by Debian):
 * their parser recurses once per level of a sequence and runs out of stack. A mirror must survive such an instance.
 */

import { element, elementHeader, fileMetaHeader, sequenceMark, undefinedLength } from '../../core/dicom/encode.ts';
import { md5Of } from '../../core/identifiers.ts';
import type { GeneratedInstance } from './generate.ts';
import { identifiersOf, instanceIdOf, type Place } from './identifiers.ts';

const rawDataStorage = '1.2.840.10008.5.1.4.1.1.66';

/** Levels that give a file of 3.6 MB; each level takes 36 bytes. */
const deadlyLevels = 100_000;

/** An instance whose sequence (0040,A730) "Content Sequence" is nested `levels` deep. */
export function generateNestedSequence(place: Place, levels = deadlyLevels): GeneratedInstance {
  const ids = identifiersOf(place);
  const open = Buffer.concat([
    elementHeader(0x0040, 0xa730, 'SQ', undefinedLength),
    sequenceMark(0xe000, undefinedLength),
  ]);
  const close = Buffer.concat([sequenceMark(0xe00d, 0), sequenceMark(0xe0dd, 0)]);
  const bytes = Buffer.concat([
    fileMetaHeader(rawDataStorage, ids.sopInstanceUid),
    element(0x0008, 0x0016, 'UI', rawDataStorage),
    element(0x0008, 0x0018, 'UI', ids.sopInstanceUid),
    element(0x0008, 0x0060, 'CS', 'OT'),
    element(0x0010, 0x0020, 'LO', ids.patientId),
    element(0x0020, 0x000d, 'UI', ids.studyInstanceUid),
    element(0x0020, 0x000e, 'UI', ids.seriesInstanceUid),
    Buffer.alloc(open.length * levels, open),
    Buffer.alloc(close.length * levels, close),
  ]);
  return { id: instanceIdOf(ids), md5: md5Of(bytes), sizeBytes: bytes.length, bytes };
}
