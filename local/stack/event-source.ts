/** Delivers the messages of a queue to a function, as Lambda's event source mapping for SQS does. */
import type { Message, SQSClient } from '@aws-sdk/client-sqs';
import type { SQSEvent } from 'aws-lambda';
import { Consumer } from 'sqs-consumer';
import { z } from 'zod';
import type { EventSourceResource } from './template.ts';

export interface EventSourceOptions {
  readonly mapping: EventSourceResource;
  readonly queueUrl: string;
  readonly queueArn: string;
  readonly client: SQSClient;
  readonly invoke: (event: SQSEvent) => Promise<unknown>;
  /** Told about an invocation that failed as a whole; its messages come back when they are visible again. */
  readonly onFailure: (error: Error) => void;
}

const partialResponseSchema = z.object({
  batchItemFailures: z.array(z.object({ itemIdentifier: z.string() })).default([]),
});

/** SQS hands out at most this many messages at once. */
const receiveLimit = 10;

/** Begins to deliver, one batch per concurrent invocation. @returns stops it */
export function startEventSource(options: EventSourceOptions): () => Promise<void> {
  const { mapping, queueUrl, client } = options;
  const consumers = Array.from({ length: mapping.maxConcurrency }, () =>
    Consumer.create({
      queueUrl,
      sqs: client,
      batchSize: Math.min(mapping.batchSize, receiveLimit),
      waitTimeSeconds: 1,
      alwaysAcknowledge: false,
      messageSystemAttributeNames: ['All'],
      messageAttributeNames: ['All'],
      suppressFifoWarning: true,
      handleMessageBatch: (messages) => deliver(messages, options),
    }),
  );
  for (const consumer of consumers) {
    consumer.on('error', options.onFailure).on('processing_error', options.onFailure);
    consumer.start();
  }
  return async () => {
    await Promise.all(
      consumers.map((consumer) => {
        const stopped = Promise.withResolvers<void>();
        consumer.once('stopped', () => stopped.resolve());
        consumer.stop({ abort: true });
        return stopped.promise;
      }),
    );
  };
}

/** @returns the messages to be deleted from the queue: all but those that the function reports as failed */
async function deliver(messages: Message[], { mapping, queueArn, invoke }: EventSourceOptions): Promise<Message[]> {
  const result = await invoke({ Records: messages.map((message) => recordOf(message, queueArn)) });
  if (!mapping.reportsBatchItemFailures) {
    return messages;
  }
  const { batchItemFailures } = partialResponseSchema.catch({ batchItemFailures: [] }).parse(result ?? {});
  const failed = new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
  return messages.filter(({ MessageId }) => MessageId !== undefined && !failed.has(MessageId));
}

function recordOf(message: Message, queueArn: string): SQSEvent['Records'][number] {
  const { Attributes = {} } = message;
  return {
    messageId: message.MessageId ?? '',
    receiptHandle: message.ReceiptHandle ?? '',
    body: message.Body ?? '',
    attributes: {
      ApproximateReceiveCount: Attributes.ApproximateReceiveCount ?? '1',
      SentTimestamp: Attributes.SentTimestamp ?? '0',
      SenderId: Attributes.SenderId ?? 'local',
      ApproximateFirstReceiveTimestamp: Attributes.ApproximateFirstReceiveTimestamp ?? '0',
    },
    messageAttributes: {},
    md5OfBody: message.MD5OfBody ?? '',
    eventSource: 'aws:sqs',
    eventSourceARN: queueArn,
    awsRegion: 'us-east-1',
  };
}
