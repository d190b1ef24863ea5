import { Duration } from 'aws-cdk-lib';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { CloudConfiguration } from '../core/config/schema.ts';

export interface TransferQueueProps {
  readonly transfer: CloudConfiguration['transfer'];
}

/**
 * The queue of ids and the dead-letter queue of what cannot be copied.
 *
 * AWS asks for a visibility timeout of at least six times that of the function, so that no message is delivered
 * again while it is still being worked on. The retention of a dead-letter queue counts from the moment a message
 * first entered the other queue, hence it must be the longer one.
 */
export class TransferQueue extends Construct {
  readonly queue: Queue;
  readonly deadLetterQueue: Queue;

  constructor(scope: Construct, id: string, { transfer }: TransferQueueProps) {
    super(scope, id);
    const secured = { encryption: QueueEncryption.SQS_MANAGED, enforceSSL: true };
    this.deadLetterQueue = new Queue(this, 'DeadLetters', { ...secured, retentionPeriod: Duration.days(14) });
    this.queue = new Queue(this, 'Queue', {
      ...secured,
      retentionPeriod: Duration.days(4),
      visibilityTimeout: Duration.seconds(6 * transfer.timeoutSeconds),
      receiveMessageWaitTime: Duration.seconds(20),
      deadLetterQueue: { queue: this.deadLetterQueue, maxReceiveCount: transfer.maxReceiveCount },
    });
  }
}
