import { Duration } from 'aws-cdk-lib';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { CloudConfiguration } from '../core/config/cloud-schema.ts';

export interface TransferQueueProps {
  readonly transfer: CloudConfiguration['transfer'];
}

/**
 * The queue of ids, the dead-letter queue of what cannot be copied, and that of invocations that failed.
 *
 * AWS asks for a visibility timeout of at least six times that of the function, so that no message is delivered
 * again while it is still being worked on. The retention of a dead-letter queue counts from the moment a message
 * first entered the other queue, hence it must be the longer one.
 */
export class TransferQueue extends Construct {
  readonly queue: Queue;
  readonly deadLetterQueue: Queue;
  readonly failedInvocations: Queue;

  constructor(scope: Construct, id: string, { transfer }: TransferQueueProps) {
    super(scope, id);
    const secured = { encryption: QueueEncryption.SQS_MANAGED, enforceSSL: true };
    const kept = { ...secured, retentionPeriod: Duration.days(14) };
    this.deadLetterQueue = new Queue(this, 'DeadLetters', kept);
    this.queue = new Queue(this, 'Queue', {
      ...secured,
      retentionPeriod: Duration.days(4),
      visibilityTimeout: Duration.seconds(6 * transfer.timeoutSeconds),
      receiveMessageWaitTime: Duration.seconds(20),
      deadLetterQueue: { queue: this.deadLetterQueue, maxReceiveCount: transfer.maxReceiveCount },
    });
    this.failedInvocations = new Queue(this, 'FailedInvocations', kept);
  }
}
