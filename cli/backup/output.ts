/** What `backup --json` and its commands print. */
import * as z from 'zod';
import { bytes, count, flag, orthancId, reason, text, time } from '../json-lines.ts';

const backup = text('Name of the backup.');
const host = text('Name of the host.');
const method = z.enum(['stopped', 'hot', 'dump']).describe('How the index was read.');
const uuids = (meaning: string) => z.array(text('Uuid of the file.')).describe(meaning);

const problem = z
  .strictObject({
    type: z.literal('problem'),
    outcome: z
      .enum(['missing', 'damaged', 'refused'])
      .describe('`missing`: not in the storage; `damaged`: another hash than the index says; `refused`: not a file.'),
    uuid: text('Uuid of the file in the storage.'),
    resource: orthancId,
    reason: reason.optional(),
  })
  .describe('A file of the storage that is not in the backup as it should be.');

const summary = z
  .strictObject({
    type: z.literal('summary'),
    backup,
    host,
    method,
    instances: count('Instances of the index.').nullable(),
    files: count('Files of the storage that the index names.'),
    bytes,
    copied: count('Files that were new to the archive.'),
    missing: uuids('Files that are not there.'),
    damaged: uuids('Files with another hash than the index says.'),
    refused: z.array(z.strictObject({ uuid: text('Uuid of the file.'), reason })).describe('What is no file.'),
    stoppedMs: z.number().optional().describe('For how many milliseconds the server was stopped.'),
    started: flag('Whether the server was started again, where it was stopped.'),
  })
  .describe('The last line.');

export const backupOutput = [problem, summary];

export const backupListOutput = [
  z
    .strictObject({
      type: z.literal('backup'),
      backup,
      host,
      authentic: flag('Whether somebody with the passphrase wrote it; false where none was given.'),
      reason: text('Why it is not authentic.').optional(),
      writtenAt: time('When the archive received it.'),
      takenAt: time('The moment that it shows.').optional(),
      method: method.optional(),
      index: z.enum(['sqlite', 'postgresql', 'mysql']).optional().describe('What keeps the index.'),
      schema: z
        .union([z.int(), z.literal('unversioned')])
        .nullable()
        .optional()
        .describe('Version of the database.'),
      revision: z.int().nullable().optional().describe('Revision of the database of the plugin.'),
      instances: count('Instances of the index.').nullable().optional(),
      files: count('Files of the storage.').optional(),
      bytes: bytes.optional(),
      missing: count('Files that were not there.').optional(),
      damaged: count('Files that had another hash.').optional(),
      configuration: flag('Whether the configuration is in it.').optional(),
    })
    .describe('A backup. What it says of itself is absent where it cannot be read.'),
];

export const backupCheckOutput = [
  z
    .strictObject({
      type: z.literal('difference'),
      part: z.enum(['manifest', 'file', 'piece', 'list']).describe('What it is.'),
      name: text('Name of the backup, uuid of the file, SHA-256 of the piece or list.'),
      reason: z.enum(['missing', 'damaged', 'not-authentic']).describe('What is wrong.'),
    })
    .describe('A flaw.'),
  z
    .strictObject({
      type: z.literal('summary'),
      backup: backup.nullable().describe('The backup that was checked; null if none is authentic.'),
      files: count('Files that it names.'),
      bytes,
      read: flag('Whether the bytes were read (`--read-data`), or names and sizes compared.'),
      flaws: count('Flaws.'),
    })
    .describe('The last line.'),
];

export const backupPruneOutput = [
  z
    .strictObject({
      type: z.literal('plan'),
      remove: z.array(z.strictObject({ id: backup, writtenAt: time('When the archive received it.') })),
      keep: z.array(backup),
      newestAt: time('Of the newest backup that is kept.').optional(),
      uncounted: z
        .array(z.strictObject({ id: backup, reason: text('Why it is not judged.') }))
        .describe('Backups that stay, and count for nothing.'),
    })
    .describe('What is to be removed.'),
  z
    .strictObject({
      type: z.literal('summary'),
      removed: z.array(backup),
      removedFiles: count('Files that no backup names any more.'),
      removedPieces: count('Pieces of documents that no backup names any more.'),
    })
    .describe('The last line.'),
];

export const backupRestoreOutput = [
  z
    .strictObject({
      type: z.literal('summary'),
      backup,
      authentic: flag('Whether somebody with the passphrase wrote it.'),
      instances: count('Instances of the index.').nullable(),
      files: count('Files of the storage.'),
      written: count('Of these, those that were not there before.'),
      missing: count('Files that are missing in the backup.'),
      configurationFiles: z.array(text('Path of a file of the configuration that was written.')),
    })
    .describe('The only line.'),
];
