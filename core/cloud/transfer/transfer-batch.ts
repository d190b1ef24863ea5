/** What the transfer function does with the deliveries of a batch. */
import type { MirrorQueue } from '../../config/queue-names.ts';
import { MirrorError } from '../../errors.ts';
import { answerBatch } from '../queue/answer-batch.ts';
import { type Answered, answerDelivery, type Batch, type Delivery } from '../queue/deliveries.ts';
import type { QueueMessage } from '../queue/message.ts';
import type { TransferObserver } from './transfer-context.ts';
import { type TransferDeployment, transferMessages } from './transfer-message.ts';

export interface BatchObserver<Received extends Delivery> extends TransferObserver {
  /** What the queue knows now about a delivery. */
  onAnswered(mirror: string, delivery: Received, answered: Answered): void;
  /** The queue did not take what becomes of a delivery, which so comes back. */
  onUnanswered(delivery: Received, error: unknown): void;
}

export interface BatchOptions<Received extends Delivery> {
  /** Aborts when the time of the function is over. */
  readonly signal: AbortSignal;
  readonly observer: BatchObserver<Received>;
}

/**
 * Copies what the deliveries name and answers each of them by itself. A message that names another mirror than its queue
 * becomes a dead letter: it would be worked on at the expense of the queue's own mirror.
 * @returns the deliveries that must come back
 */
export function transferBatch<Received extends Delivery>(
  { queue, deliveries }: Batch<Received>,
  deployment: TransferDeployment,
  { signal, observer }: BatchOptions<Received>,
): Promise<Received[]> {
  const transfer = transferMessages(deployment, queue.lane, { signal, observer });
  const work = async (message: QueueMessage): Promise<void> => {
    throwIfForeign(message, queue);
    await transfer(message);
  };
  const delivered = deployment.deliveries(queue);
  const limits = deployment.deliveryLimits;
  return answerBatch(
    deliveries,
    limits.maxReceiveCount,
    async (delivery) => {
      const answered = await answerDelivery(delivery, work, delivered, limits);
      observer.onAnswered(queue.mirror, delivery, answered);
      return answered;
    },
    (delivery, error) => observer.onUnanswered(delivery, error),
  );
}

function throwIfForeign(message: QueueMessage, queue: MirrorQueue): void {
  if (message.mirror === queue.mirror) return;
  throw new MirrorError(
    'malformed-message',
    'The message names another mirror than the queue in which it lay; find out who writes to the queue.',
  );
}
