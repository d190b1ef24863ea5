import { Aws, Duration } from 'aws-cdk-lib';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Queue, QueueEncryption, type QueueProps } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { invocationsOfLane } from '../core/config/cloud-shares.ts';
import {
  deadLetterQueues,
  type Lane,
  mirrorQueue,
  type SharedQueue,
  sharedQueue,
  type TransferLane,
  transferLanes,
} from '../core/config/queue-names.ts';
import type { Configuration, MirrorConfiguration } from '../core/config/schema.ts';
import { LaneQueue, type LaneShare } from './lane-queue.ts';
import type { ServiceRole } from './service-role.ts';

/** Counts from the moment a message first entered the other queue, hence it must be the longer one. */
const deadLetterDays = 14;
const consumeActions = [
  'sqs:ChangeMessageVisibility',
  'sqs:DeleteMessage',
  'sqs:GetQueueAttributes',
  'sqs:ReceiveMessage',
];

export interface StackQueuesProps {
  readonly configuration: Configuration;
  readonly key: IKey;
}

/** All queues of the stack: those of the mirrors, and those that the mirrors share. */
export class StackQueues extends Construct {
  /** What the addresses of all queues begin with. */
  readonly url: string;
  /** Ids of what is to be copied, a queue for each mirror in each lane. */
  readonly transfer: Readonly<Record<TransferLane, readonly LaneQueue[]>>;
  /** What S3 tells of the inbox, a queue for each mirror; empty without an inbox. */
  readonly inbox: readonly LaneQueue[];
  readonly deadLetters: Queue;
  /** `undefined` without an inbox. */
  readonly inboxDeadLetters: Queue | undefined;
  /** The events of invocations that failed. */
  readonly failedInvocations: Queue;

  readonly #configuration: Configuration;
  readonly #secured: QueueProps;

  constructor(scope: Construct, id: string, { configuration, key }: StackQueuesProps) {
    super(scope, id);
    const { stackName, inbox } = configuration.cloud;
    this.#configuration = configuration;
    this.#secured = { encryption: QueueEncryption.KMS, encryptionMasterKey: key, enforceSSL: true };
    this.url = `https://sqs.${Aws.REGION}.${Aws.URL_SUFFIX}/${Aws.ACCOUNT_ID}/${stackName}`;
    this.failedInvocations = this.#shared('FailedInvocations', 'failed-invocations');
    const deadLetters = this.#shared('DeadLetters', deadLetterQueues.new);
    this.deadLetters = deadLetters;
    const lanesOf = (lane: TransferLane): LaneQueue[] =>
      this.#lanes(lane, deadLetters, (mirror) => ({
        ...workOfLane(lane, configuration),
        maxConcurrency: invocationsOfLane(lane, mirror, configuration),
      }));
    this.transfer = { new: lanesOf('new'), backlog: lanesOf('backlog'), large: lanesOf('large') };
    const inboxDeadLetters = inbox && this.#shared('InboxDeadLetters', deadLetterQueues.inbox);
    this.inboxDeadLetters = inboxDeadLetters;
    this.inbox =
      inbox === undefined || inboxDeadLetters === undefined
        ? []
        : // One object at a time: it may be a large archive.
          this.#lanes('inbox', inboxDeadLetters, () => ({ ...inbox, batchSize: 1 }));
  }

  #shared(id: string, queue: SharedQueue): Queue {
    return new Queue(this, id, {
      ...this.#secured,
      queueName: sharedQueue(this.#configuration.cloud.stackName, queue),
      retentionPeriod: Duration.days(deadLetterDays),
    });
  }

  /** A queue of each mirror. */
  #lanes(lane: Lane, deadLetterQueue: Queue, shareOf: (mirror: MirrorConfiguration) => LaneShare): LaneQueue[] {
    const { mirrors, cloud } = this.#configuration;
    const { maxReceiveCount } = cloud.transfer;
    return Object.entries(mirrors).map(([mirror, configuration]) => {
      const queue = { ...this.#secured, queueName: mirrorQueue(cloud.stackName, { mirror, lane }) };
      const share = shareOf(configuration);
      return new LaneQueue(this, `${lane}-${mirror}`, { mirror, lane, deadLetterQueue, share, maxReceiveCount, queue });
    });
  }

  /** The queues of what is to be copied, in every lane. */
  get toCopy(): LaneQueue[] {
    return transferLanes.flatMap((lane) => this.transfer[lane]);
  }

  get all(): Queue[] {
    const lanes = [...this.toCopy, ...this.inbox].map(({ queue }) => queue);
    const deadLetters = [this.deadLetters, this.inboxDeadLetters].filter((queue) => queue !== undefined);
    return [...lanes, ...deadLetters, this.failedInvocations];
  }
}

/** No function has longer: an instance of 1 GB passes at 9 Mbit/s. */
export const largeTimeoutSeconds = 900;

/** What one invocation gets in a lane, and for how long. */
function workOfLane(
  lane: TransferLane,
  { cloud: { transfer } }: Configuration,
): Pick<LaneShare, 'batchSize' | 'timeoutSeconds'> {
  return lane === 'large' ? { batchSize: 1, timeoutSeconds: largeTimeoutSeconds } : transfer;
}

/** Most invocations at once that these queues start together. */
export function invocationsOf(lanes: readonly LaneQueue[]): number {
  return lanes.reduce((sum, { share }) => sum + share.maxConcurrency, 0);
}

/** Lets a role fill queues. */
export function allowSend(role: ServiceRole, lanes: readonly LaneQueue[]): void {
  role.allow('SendMessages', ['sqs:SendMessage'], arnsOf(lanes));
}

/** Lets a role ask how full queues are. */
export function allowMeasure(role: ServiceRole, queues: readonly Queue[]): void {
  role.allow(
    'MeasureQueues',
    ['sqs:GetQueueAttributes'],
    queues.map(({ queueArn }) => queueArn),
  );
}

/** Lets a function work on what lies in queues: receive, postpone and acknowledge it, send it anew, make it a dead letter. */
export function allowWork(
  role: ServiceRole,
  lanes: readonly LaneQueue[],
  /** Where it may send what it does not work on itself. */
  others: readonly LaneQueue[] = [],
): void {
  role.allow('ConsumeMessages', consumeActions, arnsOf(lanes));
  allowSend(role, [...lanes, ...others]);
  const deadLetters = new Set(lanes.map(({ deadLetterQueue }) => deadLetterQueue.queueArn));
  role.allow('WriteDeadLetters', ['sqs:SendMessage'], [...deadLetters]);
}

function arnsOf(lanes: readonly LaneQueue[]): string[] {
  return lanes.map(({ queue }) => queue.queueArn);
}
