/**
 * The one schema of the configuration, for the CDK app, the functions and the command line. Unknown keys are errors.
 * The descriptions in here become `docs/configuration.md`.
 */
import * as z from 'zod';
import { defaultDeletionLimits } from '../archive-life/deletions/missing.ts';
import { conflictPolicies, defaultConflictPolicy } from '../archive-life/repair/conflict-policy.ts';
import { defaultCeiling } from '../copy/adaptive-concurrency.ts';
import { filterSchema } from '../mirror/filters/filter-schema.ts';
import { defaultAskAgainDays } from '../mirror/inventory-memory.ts';
import { scheduleSchema } from '../mirror/schedule/schedule-schema.ts';
import { nameSchema } from '../names.ts';
import { cloudSchema } from './cloud-schema.ts';
import { serverSchema } from './server-schema.ts';

const succeedSchema = z
  .int()
  .min(1)
  .optional()
  .describe(
    'How many servers may have taken the place of the first source, one after the other, in this archive. An archive ' +
      'belongs to one source: another one is refused until this number says that it is its successor.',
  );

const folderArchiveSchema = z.strictObject({
  folder: z.string().min(1).describe('Path of the folder. Not in the cloud.'),
  succeed: succeedSchema,
});

const bucketArchiveSchema = z.strictObject({
  bucket: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, { error: 'is not the name of a bucket' })
    .optional()
    .describe('Bucket of the archive. Absent in the cloud: the archive bucket of the stack.'),
  prefix: z
    .string()
    .regex(/^(?:[\w!.*'()-]+\/)+$/, { error: 'is not a prefix: it must end with / and not begin with it' })
    .optional()
    .describe('What the keys of the archive begin with. Absent in the cloud: the name of the mirror and a slash.'),
  endpoint: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('Address of an S3-compatible store other than AWS. Not in the cloud.'),
  region: z.string().min(1).optional().describe('Region of the bucket. Not in the cloud.'),
  objectLock: z
    .enum(['governance', 'compliance'])
    .optional()
    .describe(
      'Mode of the default retention of the bucket, if it has one: documents of state, which are written every minute, are then locked for a day instead of its term. In the cloud `cloud.objectLock` says it.',
    ),
  succeed: succeedSchema,
});

const archiveSchema = z
  .union([folderArchiveSchema, bucketArchiveSchema], {
    error: 'must be {"folder": "path"} or {"bucket": "name", "prefix": "…/"}',
  })
  .describe(
    'Where every byte is kept; in the cloud it also holds the state of the mirror, so every mirror has one there.',
  );
export type ArchiveConfiguration = z.output<typeof archiveSchema>;

/** How often the cloud stack looks at a source, where the configuration does not tell. */
export const usualFollowMinutes = 1;

const followSchema = z
  .strictObject({
    everyMinutes: z
      .int()
      .min(1)
      .max(1440)
      .optional()
      .describe(
        'Minutes between two looks at the change feed of the source. Absent: 1 in the cloud, 5 seconds on one machine.',
      ),
    compareEveryHours: z
      .number()
      .min(0.01)
      .max(24 * 31)
      .default(24)
      .describe('Hours between two complete comparisons, which find what the feed does not tell.'),
    askAgainDays: z
      .int()
      .min(1)
      .max(366)
      .default(defaultAskAgainDays)
      .describe(
        'Days within which comparisons ask a server again for the hash and size of each instance, whatever it told before. ' +
          'What is new or was overwritten is asked for at once, and which instances there are at every comparison.',
      ),
  })
  .describe('How the change feed of the source is followed.');

const deletionsSchema = z
  .strictObject({
    mode: z
      .enum(['off', 'propagate'])
      .default('off')
      .describe('Whether targets follow deletions; the archive never does.'),
    maxCount: z
      .int()
      .min(0)
      .default(defaultDeletionLimits.maxCount)
      .describe('More instances than this at once are an accident: nothing is deleted.'),
    maxPercent: z
      .number()
      .min(0)
      .max(100)
      .default(defaultDeletionLimits.maxPercent)
      .describe('The same as a share of what the source holds.'),
    graceHours: z
      .number()
      .min(0)
      .default(defaultDeletionLimits.graceMs / 3_600_000)
      .describe('An instance must be missing for so long, and in two complete comparisons in a row.'),
  })
  .describe('What is done about instances that the source deleted.');

const verifySchema = z
  .strictObject({
    archive: z.boolean().default(true).describe('Read the archive back.'),
    targets: z.boolean().default(true).describe('Read the targets back.'),
    everyDays: z
      .int()
      .min(1)
      .max(3650)
      .default(30)
      .describe('Everything is read back once in so many days; `estimate` tells whether the function can keep it.'),
  })
  .describe('What the cloud stack reads back and hashes, a share each hour.');

const mirrorSchema = z
  .strictObject({
    source: serverSchema.describe('The server that is mirrored. It is only read.'),
    targets: z
      .record(nameSchema, serverSchema)
      .default({})
      .describe('The servers that are kept identical to the source, by name.'),
    archive: archiveSchema.optional(),
    concurrency: z
      .int()
      .min(1)
      .max(256)
      .default(defaultCeiling)
      .describe(
        'Most instances that one process copies at once, however far the servers are; a near or busy one is given only ' +
          'what it can work on. In the cloud, `cloud.transfer.batchSize` says it.',
      ),
    follow: followSchema.prefault({}),
    conflicts: z
      .enum(conflictPolicies)
      .default(defaultConflictPolicy)
      .describe('What to do where a target holds other bytes under the same id; the archive keeps both versions.'),
    deletions: deletionsSchema.prefault({}),
    verify: verifySchema.prefault({}),
    schedule: scheduleSchema.optional(),
    filter: filterSchema.optional(),
    megabitsPerSecond: z
      .number()
      .positive()
      .optional()
      .describe(
        'Most that is read from the source, in millions of bits per second; in the cloud the functions share it evenly. Absent: no limit.',
      ),
  })
  .superRefine((mirror, context) => {
    if (mirror.archive === undefined && Object.keys(mirror.targets).length === 0) {
      context.addIssue({ code: 'custom', message: 'copies nowhere: add "targets", "archive" or both' });
    }
  });
export type MirrorConfiguration = z.output<typeof mirrorSchema>;

/** How many successors its first source may have had, by the configuration. */
export function successorsOf({ archive }: { readonly archive?: ArchiveConfiguration | undefined }): number {
  return archive?.succeed ?? 0;
}

/** The whole configuration. */
export const configurationSchema = z.strictObject({
  $schema: z.string().optional().describe('Address of the JSON schema, for editors.'),
  mirrors: z
    .record(nameSchema, mirrorSchema)
    .refine((mirrors) => Object.keys(mirrors).length > 0, { error: 'is empty: name at least one mirror' })
    .describe('The mirrors, by name.'),
  cloud: cloudSchema.prefault({}),
});
export type Configuration = z.output<typeof configurationSchema>;
