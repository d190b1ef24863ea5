/** How full a queue in Amazon SQS is; the counts of SQS are approximate. */
import { GetQueueAttributesCommand, QueueDoesNotExist, type SQSClient } from '@aws-sdk/client-sqs';
import { z } from 'zod';
import { MirrorError } from '../../errors.ts';
import type { SqsDeliveriesOptions } from './sqs-deliveries.ts';

export interface QueueDepths {
  /** Messages that can be delivered now or after their delay. */
  readonly waiting: number;
  readonly inFlight: number;
  readonly deadLetters: number;
}

const attributesSchema = z.object({
  ApproximateNumberOfMessages: z.coerce.number(),
  ApproximateNumberOfMessagesDelayed: z.coerce.number(),
  ApproximateNumberOfMessagesNotVisible: z.coerce.number(),
});

/**
 * Asks how much is left in one queue. Throws `configuration` when there is no such queue, `unreachable` when SQS does not
 * answer.
 */
export async function sqsLeft(client: SQSClient, queueUrl: string): Promise<number> {
  const { waiting, inFlight } = await depthOf(client, queueUrl);
  return waiting + inFlight;
}

/** Asks SQS. Throws `unreachable` when it does not answer. */
export async function sqsDepths(options: SqsDeliveriesOptions): Promise<QueueDepths> {
  const { client, queueUrl, deadLetterQueueUrl } = options;
  const [queue, deadLetters] = await Promise.all([depthOf(client, queueUrl), depthOf(client, deadLetterQueueUrl)]);
  return { ...queue, deadLetters: deadLetters.waiting + deadLetters.inFlight };
}

async function depthOf(client: SQSClient, url: string): Promise<{ waiting: number; inFlight: number }> {
  const command = new GetQueueAttributesCommand({
    QueueUrl: url,
    AttributeNames: [
      'ApproximateNumberOfMessages',
      'ApproximateNumberOfMessagesDelayed',
      'ApproximateNumberOfMessagesNotVisible',
    ],
  });
  const answer = await client.send(command).catch((cause: unknown) => {
    if (cause instanceof QueueDoesNotExist) {
      throw new MirrorError('configuration', `There is no queue ${url}; check the address of the queues.`, { cause });
    }
    throw new MirrorError('unreachable', 'SQS does not tell how full the queues are.', { cause });
  });
  const counts = attributesSchema.parse(answer.Attributes);
  return {
    waiting: counts.ApproximateNumberOfMessages + counts.ApproximateNumberOfMessagesDelayed,
    inFlight: counts.ApproximateNumberOfMessagesNotVisible,
  };
}
