import { Duration } from 'aws-cdk-lib';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { Queue, type QueueProps } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { MirrorQueue } from '../core/config/queue-names.ts';

/** How the work of a lane is given to its function. */
export interface LaneShare {
  /** Most messages that one invocation gets. */
  readonly batchSize: number;
  /** Most invocations at once for this queue. */
  readonly maxConcurrency: number;
  /** When the function is ended. */
  readonly timeoutSeconds: number;
}

const messageDays = 4;

export interface LaneQueueProps extends MirrorQueue {
  readonly deadLetterQueue: Queue;
  readonly share: LaneShare;
  /** After so many deliveries a message goes to the dead-letter queue. */
  readonly maxReceiveCount: number;
  /** Name and encryption. */
  readonly queue: QueueProps;
}

/** The queue of one mirror in one lane, with its own share of the invocations of the function that works on it. */
export class LaneQueue extends Construct implements MirrorQueue {
  readonly mirror: string;
  readonly lane: MirrorQueue['lane'];
  readonly queue: Queue;
  readonly deadLetterQueue: Queue;
  readonly share: LaneShare;

  constructor(scope: Construct, id: string, props: LaneQueueProps) {
    super(scope, id);
    this.mirror = props.mirror;
    this.lane = props.lane;
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
