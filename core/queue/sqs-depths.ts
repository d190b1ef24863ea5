/** How full a queue in Amazon SQS is; the counts of SQS are approximate. */
import { GetQueueAttributesCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { z } from 'zod';
import { MirrorError } from '../errors.ts';
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

/** Asks how much is left in one queue. Throws `unreachable` when SQS does not answer. */
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

const redriveSchema = z.object({
  deadLetterTargetArn: z.string().regex(/^arn:[^:]+:sqs:[^:]+:\d+:[^:]+$/),
});

/**
 * Asks where a queue puts aside what cannot be delivered. Throws `configuration` when it has no such queue, `unreachable`
 * when SQS does not answer.
 */
export async function deadLetterQueueOf(client: SQSClient, queueUrl: string): Promise<string> {
  const command = new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: ['RedrivePolicy'] });
  const { Attributes } = await client.send(command).catch((cause: unknown) => {
    throw new MirrorError('unreachable', 'SQS does not tell about the queue; check its URL and your credentials.', {
      cause,
    });
  });
  const policy = redriveSchema.safeParse(JSON.parse(Attributes?.RedrivePolicy ?? 'null'));
  if (!policy.success) {
    throw new MirrorError(
      'configuration',
      'The queue has no dead-letter queue: it is not the TransferQueueUrl of a stack.',
    );
  }
  const [account, name] = policy.data.deadLetterTargetArn.split(':').slice(-2);
  return new URL(`/${account}/${name}`, queueUrl).href;
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
    throw new MirrorError('unreachable', 'SQS does not tell how full the queues are.', { cause });
  });
  const counts = attributesSchema.parse(answer.Attributes);
  return {
    waiting: counts.ApproximateNumberOfMessages + counts.ApproximateNumberOfMessagesDelayed,
    inFlight: counts.ApproximateNumberOfMessagesNotVisible,
  };
}
