/** What `ls --json` and `find --json` print. */
import * as z from 'zod';
import { bytes, count, md5, orthancId, text } from '../json-lines.ts';

const studyLine = z
  .strictObject({
    type: z.literal('study'),
    study: orthancId,
    patient: orthancId,
    key: text('Key of its sidecar; absent where only the files tell of it.').optional(),
    patientId: text('PatientID.').optional(),
    patientName: text('PatientName.').optional(),
    studyInstanceUid: text('StudyInstanceUID.').optional(),
    accessionNumber: text('AccessionNumber.').optional(),
    studyDate: text('StudyDate.').optional(),
    description: text('StudyDescription.').optional(),
    otherTags: z
      .record(z.string(), z.string())
      .describe('Sex, date of birth, time and the like, by the name of the tag.'),
    modalities: z.array(z.string()).describe('Modalities of its series.'),
    labels: z.array(z.string()).describe('Labels that users gave it.'),
    series: count('Series.'),
    instances: count('Instances.'),
    sizeBytes: bytes,
  })
  .describe('A study.');

const instanceLine = z
  .strictObject({
    type: z.literal('instance'),
    id: orthancId,
    series: orthancId.nullable().describe('The series, where a sidecar names it.'),
    md5: md5.optional(),
    sizeBytes: bytes.optional(),
  })
  .describe('An instance (`ls` with a study).');

export const findOutput = [studyLine];
export const lsOutput = [studyLine, instanceLine];
