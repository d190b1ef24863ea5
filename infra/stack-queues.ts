import { Aws, Duration } from 'aws-cdk-lib';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { Queue, QueueEncryption, type QueueProps } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { transferInvocations } from '../core/config/cloud-shares.ts';
import type { Configuration } from '../core/config/schema.ts';
import {
  deadLetterQueues,
  type MirrorQueue,
  mirrorQueue,
  type SharedQueue,
  sharedQueue,
} from '../core/queue/queue-names.ts';
import type { ServiceRole } from './service-role.ts';

/** How the work of a lane is given to its function. */
interface LaneShare {
  /** Most messages that one invocation gets. */
  readonly batchSize: number;
  /** Most invocations at once for this queue. */
  readonly maxConcurrency: number;
  /** When the function is ended. */
  readonly timeoutSeconds: number;
}

const messageDays = 4;
/** Counts from the moment a message first entered the other queue, hence it must be the longer one. */
const deadLetterDays = 14;
const consumeActions = [
  'sqs:ChangeMessageVisibility',
  'sqs:DeleteMessage',
  'sqs:GetQueueAttributes',
  'sqs:ReceiveMessage',
];

/** The queue of one mirror in one lane, with its own share of the invocations of the function that works on it. */
export class LaneQueue extends Construct implements MirrorQueue {
  readonly mirror: string;
  readonly lane: MirrorQueue['lane'];
  readonly queue: Queue;
  readonly deadLetterQueue: Queue;
  readonly share: LaneShare;

  constructor(
    scope: Construct,
    id: string,
    { mirror, lane }: MirrorQueue,
    props: {
      readonly deadLetterQueue: Queue;
      readonly share: LaneShare;
      readonly queue: QueueProps;
      readonly maxReceiveCount: number;
    },
  ) {
    super(scope, id);
    this.mirror = mirror;
    this.lane = lane;
    this.deadLetterQueue = props.deadLetterQueue;
    this.share = props.share;
    this.queue = new Queue(this, 'Queue', {
      ...props.queue,
      retentionPeriod: Duration.days(messageDays),
      // AWS asks for six times that of the function, so that no message is delivered while it is still worked on.
      visibilityTimeout: Duration.seconds(6 * props.share.timeoutSeconds),
      receiveMessageWaitTime: Duration.seconds(20),
      deadLetterQueue: { queue: props.deadLetterQueue, maxReceiveCount: props.maxReceiveCount },
    });
  }

  /** Gives what lies in the queue to a function. */
  feed(worker: LambdaFunction): void {
    const { batchSize, maxConcurrency } = this.share;
    worker.addEventSource(
      new SqsEventSource(this.queue, {
        batchSize,
        // A batch larger than ten needs a window in which it is gathered.
        ...(batchSize > 10 ? { maxBatchingWindow: Duration.seconds(1) } : {}),
        maxConcurrency,
        reportBatchItemFailures: true,
      }),
    );
  }
}

export interface StackQueuesProps {
  readonly configuration: Configuration;
  readonly key: IKey;
}

/** All queues of the stack: those of the mirrors, and those that the mirrors share. */
export class StackQueues extends Construct {
  /** What the addresses of all queues begin with. */
  readonly url: string;
  /** Ids of what is to be copied, a queue for each mirror. */
  readonly transfer: readonly LaneQueue[];
  /** What S3 tells of the inbox, a queue for each mirror; empty without an inbox. */
  readonly inbox: readonly LaneQueue[];
  readonly deadLetters: Queue;
  /** `undefined` without an inbox. */
  readonly inboxDeadLetters: Queue | undefined;
  /** The events of invocations that failed. */
  readonly failedInvocations: Queue;

  get all(): Queue[] {
    const lanes = [...this.transfer, ...this.inbox].map(({ queue }) => queue);
    const deadLetters = [this.deadLetters, this.inboxDeadLetters].filter((queue) => queue !== undefined);
    return [...lanes, ...deadLetters, this.failedInvocations];
  }

  constructor(scope: Construct, id: string, { configuration, key }: StackQueuesProps) {
    super(scope, id);
    const { stackName, transfer, inbox } = configuration.cloud;
    this.url = `https://sqs.${Aws.REGION}.${Aws.URL_SUFFIX}/${Aws.ACCOUNT_ID}/${stackName}`;
    const secured = { encryption: QueueEncryption.KMS, encryptionMasterKey: key, enforceSSL: true };
    const shared = (name: string, queue: SharedQueue): Queue =>
      new Queue(this, name, {
        ...secured,
        queueName: sharedQueue(stackName, queue),
        retentionPeriod: Duration.days(deadLetterDays),
      });
    const laneOf = (queue: MirrorQueue, deadLetterQueue: Queue, share: LaneShare): LaneQueue =>
      new LaneQueue(this, `${queue.lane}-${queue.mirror}`, queue, {
        deadLetterQueue,
        share,
        queue: { ...secured, queueName: mirrorQueue(stackName, queue) },
        maxReceiveCount: transfer.maxReceiveCount,
      });
    const mirrors = Object.entries(configuration.mirrors);
    this.failedInvocations = shared('FailedInvocations', 'failed-invocations');
    const deadLetters = shared('DeadLetters', deadLetterQueues.transfer);
    this.deadLetters = deadLetters;
    this.transfer = mirrors.map(([mirror, mirrorConfiguration]) => {
      const share = { ...transfer, maxConcurrency: transferInvocations(mirrorConfiguration, configuration) };
      return laneOf({ mirror, lane: 'transfer' }, deadLetters, share);
    });
    const inboxDeadLetters = inbox && shared('InboxDeadLetters', deadLetterQueues.inbox);
    this.inboxDeadLetters = inboxDeadLetters;
    this.inbox =
      inbox === undefined || inboxDeadLetters === undefined
        ? []
        : mirrors.map(([mirror]) =>
            // One object at a time: it may be a large archive.
            laneOf({ mirror, lane: 'inbox' }, inboxDeadLetters, { ...inbox, batchSize: 1 }),
          );
  }
}

/** Most invocations at once that these queues start together. */
export function invocationsOf(lanes: readonly LaneQueue[]): number {
  return lanes.reduce((sum, { share }) => sum + share.maxConcurrency, 0);
}

/** Lets a role fill queues. */
export function allowSend(role: ServiceRole, lanes: readonly LaneQueue[]): void {
  role.allow('SendMessages', ['sqs:SendMessage'], arnsOf(lanes));
}

/** Lets a function work on what lies in queues: receive, postpone and acknowledge it, send it anew, put it aside. */
export function allowWork(role: ServiceRole, lanes: readonly LaneQueue[]): void {
  role.allow('ConsumeMessages', consumeActions, arnsOf(lanes));
  allowSend(role, lanes);
  const deadLetters = new Set(lanes.map(({ deadLetterQueue }) => deadLetterQueue.queueArn));
  role.allow('PutAside', ['sqs:SendMessage'], [...deadLetters]);
}

function arnsOf(lanes: readonly LaneQueue[]): string[] {
  return lanes.map(({ queue }) => queue.queueArn);
}
