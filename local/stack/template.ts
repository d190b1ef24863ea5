/** Reads what `cdk synth` wrote: what a deployment would consist of, as far as it can run locally. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { referredResource } from './intrinsics.ts';

export interface QueueResource {
  readonly logicalId: string;
  /** What the queue is called; absent: as its logical id. */
  readonly name?: string;
  readonly visibilityTimeoutSeconds: number;
  readonly retentionSeconds: number;
  readonly redrive?: { readonly deadLetterQueue: string; readonly maxReceiveCount: number };
}

export interface BucketResource {
  readonly logicalId: string;
  readonly versioned: boolean;
  /** What locks every new version, if anything does. */
  readonly defaultRetention: { readonly mode: string; readonly days: number } | undefined;
  /** Who is told of new objects: queues, by what the keys begin with. */
  readonly notifications: readonly { readonly queue: string; readonly prefix: string }[];
}

export interface FunctionResource {
  readonly logicalId: string;
  /** What the function calls itself, such as `transfer`. */
  readonly name: string;
  /** Absolute path of the folder with the bundled code. */
  readonly codeFolder: string;
  /** File and export, such as `index.handler`. */
  readonly handler: string;
  readonly timeoutSeconds: number;
  readonly memoryMiB: number;
  /** Most invocations at once. */
  readonly reservedConcurrency: number;
  /** Reference to the role. */
  readonly role: unknown;
  /** Values may be intrinsic functions. */
  readonly environment: Readonly<Record<string, unknown>>;
}

export interface EventSourceResource {
  readonly queue: string;
  readonly function: string;
  readonly batchSize: number;
  readonly maxConcurrency: number;
  readonly reportsBatchItemFailures: boolean;
}

export interface ScheduleResource {
  readonly function: string;
  readonly intervalMs: number;
  readonly input: unknown;
}

export interface FunctionUrlResource {
  readonly function: string;
}

/** Everything of a synthesized stack that the local stack runs. */
export interface StackTemplate {
  readonly queues: readonly QueueResource[];
  readonly buckets: readonly BucketResource[];
  readonly functions: readonly FunctionResource[];
  readonly eventSources: readonly EventSourceResource[];
  readonly schedules: readonly ScheduleResource[];
  readonly functionUrls: readonly FunctionUrlResource[];
  /** All resources as they are in the template, by logical id. */
  readonly resources: TemplateResources;
}

export type TemplateResources = Readonly<Record<string, { readonly Type: string; readonly Properties?: unknown }>>;

const manifestSchema = z.object({
  artifacts: z.record(
    z.string(),
    z.object({ type: z.string(), properties: z.object({ templateFile: z.string() }).partial().optional() }),
  ),
});

const assetsSchema = z.object({ files: z.record(z.string(), z.object({ source: z.object({ path: z.string() }) })) });

const templateSchema = z.object({
  Resources: z.record(z.string(), z.object({ Type: z.string(), Properties: z.unknown().optional() })),
});

const queueSchema = z.object({
  QueueName: z.string().optional(),
  VisibilityTimeout: z.number().default(30),
  MessageRetentionPeriod: z.number().default(345_600),
  RedrivePolicy: z.object({ deadLetterTargetArn: z.unknown(), maxReceiveCount: z.number() }).optional(),
});

const bucketSchema = z.object({
  VersioningConfiguration: z.object({ Status: z.string() }).optional(),
  LoggingConfiguration: z.object({ DestinationBucketName: z.unknown() }).optional(),
  ObjectLockConfiguration: z
    .object({ Rule: z.object({ DefaultRetention: z.object({ Mode: z.string(), Days: z.number() }) }) })
    .optional(),
  NotificationConfiguration: z
    .object({
      QueueConfigurations: z.array(
        z.object({
          Event: z.literal('s3:ObjectCreated:*'),
          Queue: z.unknown(),
          Filter: z.object({
            S3Key: z.object({ Rules: z.tuple([z.object({ Name: z.literal('prefix'), Value: z.string() })]) }),
          }),
        }),
      ),
    })
    .default({ QueueConfigurations: [] }),
});

const functionUrlSchema = z.object({ TargetFunctionArn: z.unknown() });

const functionSchema = z.object({
  Code: z.object({ S3Key: z.string() }),
  Handler: z.string(),
  Role: z.unknown(),
  Timeout: z.number().default(3),
  MemorySize: z.number().default(128),
  ReservedConcurrentExecutions: z.number().default(1000),
  Environment: z.object({ Variables: z.record(z.string(), z.unknown()) }),
});

const eventSourceSchema = z.object({
  EventSourceArn: z.unknown(),
  FunctionName: z.unknown(),
  BatchSize: z.number().default(10),
  ScalingConfig: z.object({ MaximumConcurrency: z.number() }).optional(),
  FunctionResponseTypes: z.array(z.string()).default([]),
});

const scheduleSchema = z.object({
  ScheduleExpression: z.string(),
  State: z.enum(['ENABLED', 'DISABLED']).default('ENABLED'),
  Target: z.object({ Arn: z.unknown(), Input: z.string().transform((text): unknown => JSON.parse(text)) }),
});

/** Reads the one stack in a folder that `cdk synth` wrote. Throws if there is another number of stacks. */
export async function readStackTemplate(folder: string): Promise<StackTemplate> {
  const manifest = manifestSchema.parse(await readJson(join(folder, 'manifest.json')));
  const files = Object.values(manifest.artifacts).flatMap(({ type, properties }) =>
    type === 'aws:cloudformation:stack' && properties?.templateFile !== undefined ? [properties.templateFile] : [],
  );
  const [templateFile, ...more] = files;
  if (templateFile === undefined || more.length > 0) {
    throw new Error(`${folder} holds ${files.length} stacks instead of one`);
  }
  const template = templateSchema.parse(await readJson(join(folder, templateFile)));
  const assets = assetsSchema.parse(
    await readJson(join(folder, templateFile.replace('.template.json', '.assets.json'))),
  );
  const ofType = <Properties>(
    type: string,
    read: (logicalId: string, properties: unknown) => Properties,
  ): Properties[] =>
    Object.entries(template.Resources).flatMap(([id, resource]) =>
      resource.Type === type ? [read(id, resource.Properties ?? {})] : [],
    );
  return {
    queues: ofType('AWS::SQS::Queue', readQueue),
    buckets: withoutAccessLogs(ofType('AWS::S3::Bucket', readBucket)),
    functions: ofType('AWS::Lambda::Function', (id, properties) =>
      readFunction(id, properties, (hash) => join(folder, assets.files[hash]?.source.path ?? `asset.${hash}`)),
    ),
    eventSources: ofType('AWS::Lambda::EventSourceMapping', readEventSource),
    schedules: ofType('AWS::Scheduler::Schedule', readSchedule).flat(),
    functionUrls: ofType('AWS::Lambda::Url', (_id, properties) => ({
      function: referredResource(functionUrlSchema.parse(properties).TargetFunctionArn),
    })),
    resources: template.Resources,
  };
}

async function readJson(file: string): Promise<unknown> {
  return JSON.parse(await readFile(file, 'utf8'));
}

function readQueue(logicalId: string, properties: unknown): QueueResource {
  const { QueueName, VisibilityTimeout, MessageRetentionPeriod, RedrivePolicy } = queueSchema.parse(properties);
  const queue = {
    logicalId,
    ...(QueueName !== undefined && { name: QueueName }),
    visibilityTimeoutSeconds: VisibilityTimeout,
    retentionSeconds: MessageRetentionPeriod,
  };
  return RedrivePolicy === undefined
    ? queue
    : {
        ...queue,
        redrive: {
          deadLetterQueue: referredResource(RedrivePolicy.deadLetterTargetArn),
          maxReceiveCount: RedrivePolicy.maxReceiveCount,
        },
      };
}

interface ReadBucket extends BucketResource {
  /** The bucket that gets the access logs of this one. */
  readonly accessLogs: string | undefined;
}

function readBucket(logicalId: string, properties: unknown): ReadBucket {
  const { VersioningConfiguration, LoggingConfiguration, NotificationConfiguration, ObjectLockConfiguration } =
    bucketSchema.parse(properties);
  const retention = ObjectLockConfiguration?.Rule.DefaultRetention;
  return {
    logicalId,
    versioned: VersioningConfiguration?.Status === 'Enabled',
    defaultRetention: retention && { mode: retention.Mode, days: retention.Days },
    notifications: NotificationConfiguration.QueueConfigurations.map(({ Queue, Filter }) => ({
      queue: referredResource(Queue),
      prefix: Filter.S3Key.Rules[0].Value,
    })),
    accessLogs: LoggingConfiguration && referredResource(LoggingConfiguration.DestinationBucketName),
  };
}

/** Nobody writes access logs here. */
function withoutAccessLogs(buckets: readonly ReadBucket[]): BucketResource[] {
  const forLogs = new Set(buckets.map(({ accessLogs }) => accessLogs));
  return buckets.filter(({ logicalId }) => !forLogs.has(logicalId));
}

function readFunction(logicalId: string, properties: unknown, assetFolder: (hash: string) => string): FunctionResource {
  const { Code, Handler, Role, Timeout, MemorySize, Environment, ReservedConcurrentExecutions } =
    functionSchema.parse(properties);
  return {
    logicalId,
    name: z.string().catch(logicalId).parse(Environment.Variables.POWERTOOLS_SERVICE_NAME),
    codeFolder: assetFolder(Code.S3Key.replace(/\.zip$/, '')),
    handler: Handler,
    role: Role,
    timeoutSeconds: Timeout,
    memoryMiB: MemorySize,
    reservedConcurrency: ReservedConcurrentExecutions,
    environment: Environment.Variables,
  };
}

function readEventSource(_logicalId: string, properties: unknown): EventSourceResource {
  const source = eventSourceSchema.parse(properties);
  return {
    queue: referredResource(source.EventSourceArn),
    function: referredResource(source.FunctionName),
    batchSize: source.BatchSize,
    maxConcurrency: source.ScalingConfig?.MaximumConcurrency ?? 1000,
    reportsBatchItemFailures: source.FunctionResponseTypes.includes('ReportBatchItemFailures'),
  };
}

const minutesPerUnit: Readonly<Record<string, number>> = { minute: 1, hour: 60, day: 1440 };

function readSchedule(logicalId: string, properties: unknown): ScheduleResource[] {
  const { ScheduleExpression, State, Target } = scheduleSchema.parse(properties);
  const [, count, unit] = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(ScheduleExpression) ?? [];
  const minutes = minutesPerUnit[unit ?? ''];
  if (count === undefined || minutes === undefined) {
    throw new Error(`the local stack cannot run the schedule ${logicalId}: ${ScheduleExpression}`);
  }
  const schedule = {
    function: referredResource(Target.Arn),
    intervalMs: Number(count) * minutes * 60_000,
    input: Target.Input,
  };
  return State === 'ENABLED' ? [schedule] : [];
}
