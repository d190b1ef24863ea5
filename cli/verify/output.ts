/** What `verify --json` prints; the types of what it counts and tells follow from it. */
import * as z from 'zod';
import { code, count, exitCode, futureTimes, md5, orthancId, reason, store, text } from '../json-lines.ts';

const problem = z
  .strictObject({
    type: z.literal('problem'),
    what: z.enum(['instance', 'sidecar', 'attachment', 'record']).describe('What it is.'),
    id: orthancId,
    md5: md5.optional(),
    key: text('Key of anything but an instance, below the archive.').optional(),
    store,
    kind: z.enum(['damaged', 'lost', 'vanished', 'not verified']).describe('What reading it back showed.'),
    code,
    reason,
    repairedFrom: text('The store whose bytes repaired it.').optional(),
  })
  .describe('Something that is not as it should be. Also in the exit code, unless it was repaired.');
export type VerifyProblem = z.output<typeof problem>;

const counts = z.strictObject({
  sound: count('Have the hash that they should have.'),
  damaged: count('Have another hash, or cannot be read.'),
  lost: count('Are gone, although something names them.'),
  repaired: count('Of those damaged or lost.'),
  vanished: count('Were deleted since they were listed.'),
  notVerified: count('Could not be read for a reason that says nothing of them.'),
});
export type VerifyCounts = z.output<typeof counts>;

const summary = z
  .strictObject({
    type: z.literal('summary'),
    instances: counts.describe('Instances of all stores.'),
    sidecars: counts.describe('Sidecars of the archive.'),
    attachments: counts.describe('Attachments of users, in the archive.'),
    records: counts.describe('Records of the history.'),
    bytesVerified: count('Bytes that were read back and found sound, of instances and attachments.'),
    futureTimes,
    exitCode,
  })
  .describe('The last line.');
export type VerifySummary = z.output<typeof summary>;

export const verifyOutput = [problem, summary];
