/**
 * The one schema of the configuration, for the CDK app, the functions and the command line. Unknown keys are errors.
 * The descriptions in here become `docs/configuration.md`.
 */
import { z } from 'zod';
import { filterSchema } from '../filters/filter-schema.ts';
import { scheduleSchema } from '../schedule/schedule-schema.ts';
import { serverSchema } from './server-schema.ts';

/** How a mirror or a target may be called; such names appear in logs, metrics, messages and keys. */
export const nameSchema = z.string().regex(/^[a-z0-9-]{1,32}$/, {
  error: 'is not a name: use 1 to 32 of the characters a-z, 0-9 and -',
});

const folderArchiveSchema = z.strictObject({
  folder: z.string().min(1).describe('Path of the folder. Not in the cloud.'),
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
});

const archiveSchema = z
  .union([folderArchiveSchema, bucketArchiveSchema], {
    error: 'must be {"folder": "path"} or {"bucket": "name", "prefix": "…/"}',
  })
  .describe(
    'Where every byte is kept; in the cloud it also holds the state of the mirror, so every mirror has one there.',
  );
export type ArchiveConfiguration = z.output<typeof archiveSchema>;

const followSchema = z
  .strictObject({
    everyMinutes: z
      .int()
      .min(1)
      .max(1440)
      .default(1)
      .describe('Minutes between two looks at the change feed of the source.'),
    compareEveryHours: z
      .int()
      .min(1)
      .max(24 * 31)
      .default(24)
      .describe('Hours between two complete comparisons, which find what the feed does not tell.'),
  })
  .describe('How the change feed of the source is followed.');

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
      .default(16)
      .describe('Most instances that one process copies at once; in the cloud, `cloud.transfer.batchSize` says it.'),
    follow: followSchema.prefault({}),
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

const memorySchema = z.int().min(256).max(10_240);
const timeoutSchema = z.int().min(30).max(900);

const transferFunctionSchema = z
  .strictObject({
    memoryMiB: memorySchema
      .default(1024)
      .describe('Memory of the function, which also decides its share of a processor.'),
    timeoutSeconds: timeoutSchema
      .default(300)
      .describe('The function is ended after this time; it starts no new copy shortly before.'),
    batchSize: z.int().min(1).max(100).default(10).describe('Most messages that one invocation gets.'),
    maxConcurrency: z
      .int()
      .min(2)
      .max(1000)
      .default(5)
      .describe('Most invocations at once: bounds the load on the servers.'),
    maxReceiveCount: z
      .int()
      .min(1)
      .max(1000)
      .default(8)
      .describe('After so many tries an instance goes to the dead-letter queue, with its reason.'),
    firstRetrySeconds: z
      .int()
      .min(1)
      .max(900)
      .default(15)
      .describe('Longest wait before the second try; it doubles with every further one, up to `lastRetrySeconds`.'),
    lastRetrySeconds: z.int().min(1).max(43_200).default(3600).describe('Longest wait between two tries.'),
    pauseSeconds: z
      .int()
      .min(1)
      .max(3600)
      .default(60)
      .describe(
        'How long a mirror leaves a server alone that is away or refuses everybody, before it asks again. The other servers and the archive are served meanwhile.',
      ),
    graceMinutes: z
      .int()
      .min(1)
      .max(1440)
      .default(30)
      .describe(
        'Messages wait so long for a server that is away; after that a complete comparison finds what it missed, when it is back.',
      ),
  })
  .describe('The function that copies instances.');

const schedulerFunctionSchema = z
  .strictObject({
    memoryMiB: memorySchema.default(1024).describe('Memory of the function.'),
    timeoutSeconds: timeoutSchema
      .default(300)
      .describe('The function is ended after this time; the next one goes on where it was.'),
  })
  .describe('The function that follows the sources and fills the queue.');

/** The retention periods that CloudWatch Logs knows. */
const logRetentionDays = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

const cloudSchema = z
  .strictObject({
    stackName: z
      .string()
      .regex(/^[A-Za-z][A-Za-z0-9-]{0,127}$/)
      .default('OrthancMirror')
      .describe('Name of the CloudFormation stack.'),
    account: z
      .string()
      .regex(/^\d{12}$/)
      .optional()
      .describe('AWS account of the stack. Absent: the one of the credentials at deployment.'),
    region: z
      .string()
      .regex(/^[a-z]{2}(?:-[a-z]+)+-\d$/)
      .optional()
      .describe('AWS region of the stack. Absent: the one of the credentials at deployment.'),
    transfer: transferFunctionSchema.prefault({}),
    scheduler: schedulerFunctionSchema.prefault({}),
    logRetentionDays: z.literal(logRetentionDays).default(90).describe('Days after which log lines are deleted.'),
    allowPlainHttp: z
      .boolean()
      .default(false)
      .describe(
        'Allow servers with http:// addresses, to which patient data and passwords travel unencrypted. Loopback addresses are always allowed.',
      ),
  })
  .describe('How the cloud stack is built. Without it, the defaults hold.');
export type CloudConfiguration = z.output<typeof cloudSchema>;

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
