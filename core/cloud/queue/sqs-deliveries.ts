/** Answers deliveries of a queue in Amazon SQS. */
import {
  ChangeMessageVisibilityCommand,
  type MessageAttributeValue,
  SendMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { MirrorError } from '../../errors.ts';
import type { DeliveryQueue } from './deliveries.ts';

/** SQS delays a new message by at most 15 minutes. */
const longestDelaySeconds = 900;

export interface SqsDeliveriesOptions {
  readonly client: SQSClient;
  readonly queueUrl: string;
  readonly deadLetterQueueUrl: string;
}

/** The queue as one who works on its messages sees it. Every method throws `unreachable` when SQS does not answer. */
export function sqsDeliveries({ client, queueUrl, deadLetterQueueUrl }: SqsDeliveriesOptions): DeliveryQueue {
  return {
    async postpone({ receiptHandle }, waitMs) {
      const command = new ChangeMessageVisibilityCommand({
        QueueUrl: queueUrl,
        ReceiptHandle: receiptHandle,
        VisibilityTimeout: Math.ceil(waitMs / 1000),
      });
      await client.send(command).catch(throwUnreachable);
    },
    async sendAnew({ body }, waitMs) {
      const command = new SendMessageCommand({
        QueueUrl: queueUrl,
        MessageBody: body,
        DelaySeconds: Math.min(longestDelaySeconds, Math.ceil(waitMs / 1000)),
      });
      await client.send(command).catch(throwUnreachable);
    },
    async deadLetter({ body }, { code, reason, receiveCount }) {
      const command = new SendMessageCommand({
        QueueUrl: deadLetterQueueUrl,
        MessageBody: body,
        MessageAttributes: { code: text(code), reason: text(reason), receiveCount: number(receiveCount) },
      });
      await client.send(command).catch(throwUnreachable);
    },
  };
}

function throwUnreachable(cause: unknown): never {
  throw new MirrorError('unreachable', 'SQS does not answer; the message comes back by itself.', { cause });
}

function text(value: string): MessageAttributeValue {
  return { DataType: 'String', StringValue: value };
}

function number(value: number): MessageAttributeValue {
  return { DataType: 'Number', StringValue: String(value) };
}
