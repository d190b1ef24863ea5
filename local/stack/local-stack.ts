/**
 * Runs on this machine what `cdk synth` wrote: the queues with their redrive, the buckets, the schedules and the event
 * source mappings of the template, which invoke the bundled functions in processes of their own with the environment
 * of the template. What runs here is what would be deployed.
 *
 * Function URLs are served on loopback; nobody here signs for IAM, so that a URL with it admits nobody. Functions may do
 * with buckets and secrets what their roles allow, and nobody what the policy of a bucket denies.
 *
 * Differences from AWS: permissions for queues and keys are not enforced, functions run on this machine's processor and
 * memory, a schedule waits for its invocation to end, and a batch has at most ten messages.
 */
import { join } from 'node:path';
import { SQSClient } from '@aws-sdk/client-sqs';
import { parseMirrorQueue } from '../../core/config/queue-names.ts';
import type { IsAllowed } from '../s3/access.ts';
import { denialsOf, isDeniedBy } from './bucket-policies.ts';
import { startEventSource } from './event-source.ts';
import { LocalFunctionUrl } from './function-urls.ts';
import { type LocalValues, resolveText } from './intrinsics.ts';
import { LocalBuckets } from './local-buckets.ts';
import { LocalFunction } from './local-function.ts';
import { type DeadLetter, LocalQueues, type QueueDepth } from './local-queues.ts';
import { LocalSecrets } from './local-secrets.ts';
import { localValues, region } from './local-values.ts';
import { accessKeyIdOf, permissionsOf } from './role-permissions.ts';
import { startSchedule } from './schedule.ts';
import { type FunctionResource, type FunctionUrlResource, readStackTemplate, type StackTemplate } from './template.ts';

export interface LocalStackOptions {
  /** Folder that `cdk synth` wrote. */
  readonly templateFolder: string;
  /** Folder for queues and buckets; kept when the stack stops. */
  readonly stateFolder: string;
  /** Texts of the secrets that the configuration names. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** How long a minute of a schedule lasts; `off`: no schedule runs. Default: a minute. */
  readonly scheduleMinuteMs?: number | 'off';
  /** Port of the function URL of the webhook; default: a free one, as for others. */
  readonly functionUrlPort?: number;
  /** What others than the functions may do with buckets; default: everything that the policy of the bucket does not deny. */
  readonly isAllowed?: IsAllowed;
  /** Told about everything that goes wrong outside the functions, such as a failed invocation. */
  readonly onFailure?: (error: Error) => void;
}

/** A line that a function logged. */
export interface LogLine {
  readonly function: string;
  readonly text: string;
}

const msPerMinute = 60_000;

/** Starts the stack. Everything listens on loopback only, on free ports. */
export async function startLocalStack(options: LocalStackOptions): Promise<LocalStack> {
  const template = await readStackTemplate(options.templateFolder);
  const parts = new AsyncDisposableStack();
  try {
    const queues = await LocalQueues.start(template.queues, join(options.stateFolder, 'queues'));
    parts.defer(() => queues.stop());
    const values = localValues(template, queues);
    const permitted = permissionsOf(template, values);
    const denials = denialsOf(template.resources, values);
    const { isAllowed: others = () => true } = options;
    const isAllowed: IsAllowed = (request) =>
      permitted(request) && others(request) && !denials.some((denial) => isDeniedBy(denial, request));
    const buckets = await LocalBuckets.start(template.buckets, join(options.stateFolder, 's3'), {
      isAllowed,
      notify: (queue, body) => queues.sendTo(queue, body),
    });
    parts.defer(() => buckets.stop());
    const secrets = await LocalSecrets.start(options.secrets ?? {}, isAllowed);
    parts.defer(() => secrets.stop());
    const stack = new LocalStack(template, options, { queues, buckets, secrets, values }, parts);
    await stack.serveFunctionUrls(template.functionUrls, options.functionUrlPort ?? 0);
    return stack;
  } catch (error) {
    await parts.disposeAsync();
    throw error;
  }
}

interface Services {
  readonly queues: LocalQueues;
  readonly buckets: LocalBuckets;
  readonly secrets: LocalSecrets;
  readonly values: LocalValues;
}

export class LocalStack {
  readonly secrets: LocalSecrets;
  readonly s3Endpoint: string;
  readonly bucketNames: readonly string[];
  /** What the functions logged so far. */
  readonly logs: readonly LogLine[];
  readonly #queues: LocalQueues;
  readonly #functions: ReadonlyMap<string, LocalFunction>;
  readonly #eventSources: StackTemplate['eventSources'];
  readonly #stackName: string;
  readonly #parts: AsyncDisposableStack;
  readonly #urls = new Map<string, LocalFunctionUrl>();

  constructor(template: StackTemplate, options: LocalStackOptions, services: Services, parts: AsyncDisposableStack) {
    const logs: LogLine[] = [];
    this.logs = logs;
    this.secrets = services.secrets;
    this.s3Endpoint = services.buckets.endpoint;
    this.bucketNames = template.buckets.map(({ logicalId }) => LocalBuckets.nameOf(logicalId));
    this.#queues = services.queues;
    this.#eventSources = template.eventSources;
    this.#stackName = template.queues.find(({ name }) => name !== undefined)?.name?.split('_')[0] ?? '';
    this.#parts = parts;
    this.#functions = new Map(
      template.functions.map((resource) => [
        resource.logicalId,
        new LocalFunction(resource, environmentOf(resource, services), (text) =>
          logs.push({ function: resource.name, text }),
        ),
      ]),
    );
    parts.defer(async () => {
      await Promise.all([...this.#functions.values()].map((one) => one.stop()));
    });
    this.#startEventSources(template, options);
    this.#startSchedules(template, options);
  }

  /** Invokes a function by the name it calls itself, such as `scheduler`, and resolves with its result. */
  async invoke(functionName: string, event: unknown): Promise<unknown> {
    return this.#functionNamed(functionName).invoke(event);
  }

  /** Ends a function for good: every further invocation fails, and its URL answers 502. */
  stopFunction(functionName: string): Promise<void> {
    return this.#functionNamed(functionName).stop();
  }

  /** Opens the function URLs; called once, when the stack starts. */
  async serveFunctionUrls(resources: readonly FunctionUrlResource[], port: number): Promise<void> {
    for (const resource of resources) {
      const served = this.#function(resource.function);
      const url = await LocalFunctionUrl.start(served, served.name === 'webhook' ? port : 0);
      this.#parts.defer(() => url.stop());
      this.#urls.set(served.name, url);
    }
  }

  /** Address of a function by the name it calls itself, such as `webhook`. Throws if it has none. */
  functionUrl(functionName: string): string {
    const found = this.#urls.get(functionName);
    if (found === undefined) {
      throw new Error(`the function ${functionName} has no URL`);
    }
    return found.url;
  }

  /** Puts a text into the queue of what is new, of the first mirror, as anybody with the right to do so could. */
  send(body: string): void {
    this.sendTo('transfer', body);
  }

  /**
   * Puts a text into a queue that a function receives from, by the name the function calls itself.
   * @param mirror whose queue; absent: the first one's
   */
  sendTo(functionName: string, body: string, mirror?: string): void {
    const mappings = this.#eventSources.filter((found) => this.#function(found.function).name === functionName);
    const mapping = mappings.find(({ queue }) => mirror === undefined || this.#mirrorOf(queue) === mirror);
    if (mapping === undefined) {
      throw new Error(
        `the function ${functionName} receives from no queue${mirror === undefined ? '' : ` of ${mirror}`}`,
      );
    }
    this.#queues.sendTo(mapping.queue, body);
  }

  #mirrorOf(queue: string): string | undefined {
    return parseMirrorQueue(this.#queues.arn(queue))?.mirror;
  }

  /** What the addresses of all queues begin with, as the output of the stack tells. */
  get queuesUrl(): string {
    return this.#queues.urlOfName(this.#stackName);
  }

  /** How full each queue is, by its logical id in the template. */
  queueDepths(): Record<string, QueueDepth> {
    return this.#queues.depths();
  }

  /** Whether no message waits or is being worked on, except in dead-letter queues. */
  idle(): boolean {
    return this.#queues.drained();
  }

  deadLetters(): DeadLetter[] {
    return this.#queues.deadLetters();
  }

  /** Stops everything; invocations that are under way are torn off, as by a power cut. */
  async stop(): Promise<void> {
    await this.#parts.disposeAsync();
  }

  #functionNamed(functionName: string): LocalFunction {
    const found = [...this.#functions.values()].find(({ name }) => name === functionName);
    if (found === undefined) {
      throw new Error(`the template has no function ${functionName}`);
    }
    return found;
  }

  #function(logicalId: string): LocalFunction {
    const found = this.#functions.get(logicalId);
    if (found === undefined) {
      throw new Error(`the template refers to a function ${logicalId} that it does not have`);
    }
    return found;
  }

  #startEventSources(template: StackTemplate, { onFailure = () => undefined }: LocalStackOptions): void {
    const client = new SQSClient({
      endpoint: this.#queues.endpoint,
      region,
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    });
    this.#parts.defer(() => client.destroy());
    for (const mapping of template.eventSources) {
      const consumer = this.#function(mapping.function);
      const stop = startEventSource({
        mapping,
        client,
        onFailure,
        queueUrl: this.#queues.url(mapping.queue),
        queueArn: this.#queues.arn(mapping.queue),
        invoke: (event) => consumer.invoke(event),
      });
      this.#parts.defer(stop);
    }
  }

  #startSchedules(
    template: StackTemplate,
    { scheduleMinuteMs = msPerMinute, onFailure = () => undefined }: LocalStackOptions,
  ): void {
    if (scheduleMinuteMs === 'off') {
      return;
    }
    for (const schedule of template.schedules) {
      const target = this.#function(schedule.function);
      const stop = startSchedule(
        (schedule.intervalMs / msPerMinute) * scheduleMinuteMs,
        () => target.invoke(schedule.input),
        onFailure,
      );
      this.#parts.defer(stop);
    }
  }
}

/** The environment of the template, and what the Lambda service and the AWS SDK expect around it. */
function environmentOf(resource: FunctionResource, services: Services): Record<string, string> {
  const variables = Object.entries(resource.environment).map(([name, value]) => [
    name,
    resolveText(value, services.values),
  ]);
  return {
    ...Object.fromEntries(variables),
    LAMBDA_TASK_ROOT: resource.codeFolder,
    AWS_LAMBDA_FUNCTION_NAME: resource.name,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(resource.memoryMiB),
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: accessKeyIdOf(resource.name),
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_ENDPOINT_URL_SQS: services.queues.endpoint,
    AWS_ENDPOINT_URL_S3: services.buckets.endpoint,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: services.secrets.endpoint,
  };
}
