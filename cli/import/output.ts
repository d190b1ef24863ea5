/** What `import --json` prints, and what its report holds beside that. */
import * as z from 'zod';
import { fileOutcomes } from '../../core/import/report.ts';
import {
  bytes,
  code,
  count,
  dryRun,
  durationMs,
  exitCode,
  flag,
  interrupted,
  md5,
  orthancId,
  reason,
  stoppedBy,
  text,
} from '../json-lines.ts';

const fileFields = {
  path: text(
    'Path below what was imported, with `!/` before a member of an archive. It may name a patient.',
  ).optional(),
  pathBase64: text('Its bytes, where they are not UTF-8.').optional(),
  what: text('What a file is that is no DICOM.').optional(),
  reason: reason.optional(),
  code: code.optional(),
  id: orthancId.optional(),
  md5: md5.optional(),
  sizeBytes: bytes.optional(),
  isKeptBeside: flag('The archive keeps these bytes, and restores those that its source has.').optional(),
  note: text('Something worth knowing of a file that was stored.').optional(),
};

const problem = z
  .strictObject({
    type: z.literal('problem'),
    outcome: z.enum(['refused', 'failed']).describe('`failed` may succeed when the command is run again.'),
    ...fileFields,
  })
  .describe('A file that did not arrive; without a path: an instance that a server took and does not hold any more.');

const documentProblem = z
  .strictObject({
    type: z.literal('document-problem'),
    level: z.enum(['studies', 'patients']).describe('Of what the id is.'),
    id: orthancId,
    reason,
    code,
  })
  .describe('Labels, metadata, attachments or protection of a study or patient that did not arrive.');

const importSummarySchema = z
  .strictObject({
    type: z.literal('summary'),
    dryRun,
    stored: count('Files that are at every destination now, and were missing at one at least.'),
    wouldStore: count('The same, of a dry run.'),
    alreadyThere: count('Files whose bytes every destination held.'),
    notDicom: count('Files that are no DICOM.'),
    notDicomKinds: z.record(z.string(), z.int()).describe('Of these, how many of each kind.'),
    refused: count('Files that cannot be imported as they are.'),
    failed: count('Files that may arrive when the command is run again.'),
    storedBytes: bytes,
    keptBeside: count('Instances that the archive keeps, and does not list as current.'),
    sidecars: z
      .strictObject({
        written: count('Something was written for these.'),
        unchanged: count('Everything was there.'),
        failed: count('May arrive when the command is run again.'),
        refused: count('Cannot be written.'),
      })
      .optional()
      .describe('Studies and patients of the index; absent without one.'),
    durationMs,
    interrupted,
    stoppedBy,
    exitCode,
  })
  .describe('The last line.');

export const importOutput = [problem, documentProblem, importSummarySchema];

/** In a report only: files that are no problem. */
export const importedFileSchema = z
  .strictObject({
    type: z.literal('file'),
    outcome: z.enum(fileOutcomes).describe('What became of it.'),
    ...fileFields,
  })
  .describe('In the file of `import --report` only: a file that is no problem.');
