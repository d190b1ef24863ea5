/** The part of the configuration that says how the cloud stack is built. */
import * as z from 'zod';
import {
  alarmsSchema,
  encryptionSchema,
  inboxSchema,
  objectLockSchema,
  openSchema,
  repairRoleSchema,
  storageClassesSchema,
  vpcSchema,
  webhookSchema,
} from './cloud-security-schema.ts';

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
      .min(6)
      .max(1000)
      .default(10)
      .describe(
        'Most invocations at once for each mirror: bounds the load on its servers. Two are for what is new, two for large instances, the others for the backlog. Fewer where a server allows fewer connections (`maxConnections`, shared by the mirrors that name it).',
      ),
    largeMiB: z
      .int()
      .min(4)
      .max(1024)
      .default(32)
      .describe('Larger instances have a queue of their own, with an invocation and 15 minutes for each.'),
    backlogMessages: z
      .int()
      .min(1000)
      .max(100_000)
      .default(10_000)
      .describe(
        'So many messages are put on each queue of a mirror at most. A comparison goes on when half of them are done; what came and has no room is left to a comparison.',
      ),
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
        'How long a mirror pauses for a server that is away or refuses everybody, before it asks again. The other servers and the archive are served meanwhile.',
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

const verifierFunctionSchema = z
  .strictObject({
    memoryMiB: memorySchema.default(1024).describe('Memory of the function.'),
    timeoutSeconds: timeoutSchema
      .default(900)
      .describe('The function is ended after this time; the next one goes on where it was.'),
  })
  .describe('The function that reads a share of every archive and target back and hashes it, hourly.');

const statusFunctionSchema = z
  .strictObject({
    memoryMiB: memorySchema.default(512).describe('Memory of the function.'),
    timeoutSeconds: timeoutSchema.default(300).describe('The function is ended after this time.'),
    everyMinutes: z.int().min(1).max(60).default(5).describe('Minutes between two measurements of every mirror.'),
    countArchiveEveryHours: z
      .int()
      .min(1)
      .max(24 * 31)
      .default(24)
      .describe('Hours between two counts of an archive, for each of which its bucket is listed once.'),
  })
  .describe('The function that measures what the destinations really hold, and writes the status page.');

const distributedMapSchema = z
  .strictObject({
    memoryMiB: memorySchema.default(1024).describe('Memory of the function.'),
    maxConcurrency: z
      .int()
      .min(1)
      .max(1000)
      .default(6)
      .describe(
        'Most shards that are worked on at once. They come on top of `transfer.maxConcurrency`: together they should not ask more of the servers than these bear.',
      ),
    studiesPerInvocation: z
      .int()
      .min(1)
      .max(100)
      .default(1)
      .describe(
        'Studies that one invocation copies, or parts of the archive that it reads back, in its 15 minutes. More cost fewer state transitions.',
      ),
  })
  .describe(
    'A state machine (Step Functions, Distributed Map) that copies every study of a mirror, or reads its whole archive back, in shards, when it is started: see docs/bulk-load.md. Absent: there is none.',
  );

/** The retention periods that CloudWatch Logs knows. */
const logRetentionDays = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

export const cloudSchema = z
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
    verifier: verifierFunctionSchema.prefault({}),
    status: statusFunctionSchema.prefault({}),
    webhook: webhookSchema.optional(),
    inbox: inboxSchema.optional(),
    open: openSchema.optional(),
    distributedMap: distributedMapSchema.optional(),
    alarms: alarmsSchema.prefault({}),
    encryption: encryptionSchema.prefault({}),
    repairRole: repairRoleSchema.optional(),
    objectLock: objectLockSchema.optional(),
    storageClasses: storageClassesSchema.prefault({}),
    vpc: vpcSchema.optional(),
    allowPrivateNetworks: z
      .boolean()
      .default(false)
      .describe(
        'Allow servers at private and loopback addresses, as in a VPC. Link-local addresses, where the cloud keeps its credentials, are never allowed.',
      ),
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
