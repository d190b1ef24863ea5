/** What `restore --json` prints. */
import * as z from 'zod';
import {
  bytes,
  code,
  count,
  dryRun,
  durationMs,
  exitCode,
  futureTimes,
  interrupted,
  orthancId,
  outcomeCounts,
  reason,
  stoppedBy,
  store,
  text,
} from '../json-lines.ts';
import { problemOutcomes } from '../run/output.ts';

/** What can be wrong with an instance or a sidecar. */
const outcomes = [
  ...problemOutcomes,
  'damaged',
  'unverified',
  'missing',
  'lost',
  'history',
  'differs',
  'sidecar',
  'sidecar-failed',
  'not-repaired',
  'repaired',
] as const;

const restoreProblemSchema = z
  .strictObject({
    type: z.literal('problem'),
    id: orthancId,
    level: z.enum(['instance', 'study']).optional().describe('Of what the id is, with `--queues`.'),
    destination: store.optional(),
    outcome: z
      .enum(outcomes)
      .describe('What is wrong; `repaired` is told of an instance that was damaged and is sound now.'),
    code: code.optional(),
    reason: reason.optional(),
  })
  .describe('Something that could not be restored, or that is not as it should be.');

const changeSchema = z
  .strictObject({
    type: z.literal('change'),
    change: z
      .enum(['add', 'replace', 'remove', 'keep'])
      .describe('`keep`: the target holds another value, which stays.'),
    level: z.enum(['patients', 'studies', 'series', 'instances']).describe('Of what the id is.'),
    id: orthancId,
    what: z.enum(['instance', 'label', 'metadata', 'attachment', 'protection']).describe('What would change.'),
    number: z.int().optional().describe('Number of the metadata or attachment.'),
    labelSha256: text('The beginning of the SHA-256 of a label, which may tell of a patient.').optional(),
    destination: store,
  })
  .describe('A change of `--dry-run`, or a value that is kept.');

const replaced = z
  .strictObject({
    type: z.literal('replaced'),
    id: orthancId,
    destination: store,
    savedUnder: text('Key below the archive where what was there is saved.').optional(),
  })
  .describe('An instance whose other version was replaced (`--replace`).');

const verified = z
  .strictObject({
    sound: count('Have the hash that they should have.'),
    damaged: count('Have another hash.'),
    missing: count('Are not there.'),
    unverified: count('Could not be read.'),
    differing: count('Values of sidecars that are not there.').optional(),
  })
  .nullable()
  .describe('Instances by what reading them back showed; null without `--verify`.');

const thawSchema = z
  .strictObject({
    asked: count('S3 was asked for a copy.'),
    underWay: count('S3 was at work on a copy already.'),
    failed: count('S3 could not be asked.'),
  })
  .nullable()
  .describe('Instances and attachments in a cold storage class by what became of them; null without `--thaw`.');

const restoreSummarySchema = z
  .strictObject({
    type: z.literal('summary'),
    dryRun,
    archive: store,
    target: store,
    ...outcomeCounts,
    cold: count('Of the failed, those that lie in a cold storage class.'),
    coldBytes: bytes,
    thaw: thawSchema,
    bytesCopied: bytes,
    notInArchive: count('Instances that only the target holds; null where a part was selected.').nullable(),
    removedLeftOut: count('Instances that the source had removed.'),
    undecided: count('Instances with several versions and no record of which counts.'),
    lost: count('Instances whose version that counts is gone from the archive.'),
    unreadableHistories: count('Instances of which the archive cannot tell what it had.'),
    replaced: count('Instances whose other version was replaced, and saved.'),
    sidecars: z
      .strictObject({
        written: count('Something was written for these.'),
        alreadyEqual: count('Everything was there.'),
        failed: count('May succeed when the command is run again.'),
        cold: count('Of these, those whose attachments lie in a cold storage class.'),
        rejected: count('Cannot be written as they are.'),
        outdated: count('Of all these, those for which a later sidecar could not be read.'),
        keptValues: count('Values of the target that differ, and stay.'),
        lost: count('Instances that sidecars name, and nobody holds.'),
      })
      .describe('Studies by what became of their sidecars.'),
    verified,
    durationMs,
    interrupted,
    stoppedBy,
    futureTimes,
    exitCode,
  })
  .describe('The last line of a restore.');

const repairSummarySchema = z
  .strictObject({
    type: z.literal('summary'),
    dryRun,
    sound: count('Instances with the hash that they should have.'),
    damaged: count('Instances with another hash.'),
    unverified: count('Instances that could not be read.'),
    vanished: count('Instances deleted since they were listed.'),
    repaired: count('Of the damaged.'),
    otherVersion: count('Of the repaired, those that have another version now: their own is nowhere.'),
    rejected: count('Cannot be repaired.'),
    failed: count('May be repaired when the command is run again.'),
    cold: count('Of these, those whose good copy lies in a cold storage class.'),
    thaw: thawSchema,
    missing: count('Instances that the archive holds and the server lacked.'),
    unwritten: count('Resources to which what users attached is still to be written.'),
    damagedSidecars: count('Sidecars of the archive that could not be read.'),
    unreadableHistories: count('Instances of which the archive cannot tell what it had.'),
    broughtBack: count('Of the missing.'),
    verified,
    durationMs,
    interrupted,
    exitCode,
  })
  .describe('The last line of `restore --repair`.');

const queueSummarySchema = z
  .strictObject({
    type: z.literal('summary'),
    mirror: text('Name of the mirror.'),
    target: text('Name of the target.'),
    job: text('Id of the restore job in the archive.'),
    instances: count('Instances that the stack worked on.'),
    studies: count('Sidecars that the stack worked on.'),
    rejected: count('Cannot be restored as they are.'),
    failed: count('May be restored when the command is run again.'),
    exitCode,
  })
  .describe('The last line of `restore --queues`.');

export const restoreOutput = [
  restoreProblemSchema,
  changeSchema,
  replaced,
  restoreSummarySchema,
  repairSummarySchema,
  queueSummarySchema,
];
