/** How full a queue in Amazon SQS is; the counts of SQS are approximate. */
import { GetQueueAttributesCommand, QueueDoesNotExist, type SQSClient } from '@aws-sdk/client-sqs';
import * as z from 'zod';
import { MirrorError } from '../../errors.ts';

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

/** Asks how full several queues are together. Throws `unreachable` when SQS does not answer. */
export async function sqsDepths(
  client: SQSClient,
  { queueUrls, deadLetterQueueUrl }: { readonly queueUrls: readonly string[]; readonly deadLetterQueueUrl: string },
): Promise<QueueDepths> {
  const [deadLetters, depths] = await Promise.all([
    sqsLeft(client, deadLetterQueueUrl),
    Promise.all(queueUrls.map((url) => depthOf(client, url))),
  ]);
  return {
    waiting: depths.reduce((sum, { waiting }) => sum + waiting, 0),
    inFlight: depths.reduce((sum, { inFlight }) => sum + inFlight, 0),
    deadLetters,
  };
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
