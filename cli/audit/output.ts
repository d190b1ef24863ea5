/** What `audit --json` prints. */
import * as z from 'zod';
import { count, md5, orthancId, reason, text } from '../json-lines.ts';

export const auditOutput = [
  z
    .strictObject({
      type: z.literal('difference'),
      kind: z
        .enum(['orphan', 'missing', 'wrong-size', 'wrong-hash', 'unreadable'])
        .describe('`orphan`: a file that the index does not name; all others: a row of the index.'),
      uuid: text('Uuid of the file in the storage.'),
      place: text('Path of the file below the storage.').optional(),
      resource: orthancId.optional(),
      level: z.enum(['patients', 'studies', 'series', 'instances']).optional().describe('Of what the id is.'),
      instance: orthancId.optional().describe('The instance whose DICOM file it is.'),
      contentType: z.int().optional().describe('1: DICOM; from 1024 on: attached by users.'),
      expectedBytes: count('Size that the index says.').optional(),
      foundBytes: count('Size of the file.').optional(),
      expectedMd5: md5.optional(),
      foundMd5: md5.optional(),
      reason: reason.optional(),
    })
    .describe('A difference between index and storage.'),
  z
    .strictObject({
      type: z.literal('summary'),
      rows: count('Rows of the index.'),
      good: count('Files with the size, and the hash where one is known, that the index says.'),
      unhashed: count('Files that were compared by size only.'),
      missing: count('Rows whose file is not there.'),
      wrongSize: count('Files of another size.'),
      wrongHash: count('Files with another hash.'),
      unreadable: count('Files that cannot be read.'),
      orphans: count('Files without a row.'),
      young: count('Files without a row that are too young to be judged.'),
      pendingDeletion: count('Files without a row that are about to be deleted.'),
    })
    .describe('What was found.'),
  z
    .strictObject({
      type: z.literal('repairable'),
      instances: count('Instances that are missing or damaged.'),
      inArchive: count('Of these, those that the archive holds.'),
    })
    .describe('With `--archive`.'),
  z
    .strictObject({
      type: z.literal('repair'),
      id: orthancId,
      kind: z.enum(['repaired', 'not-repaired']).describe('What became of it.'),
      reason: reason.optional(),
    })
    .describe('With `--repair`: an instance.'),
];
