/** What the inbox function does with the notifications of a batch. */
import { MirrorError } from '../../errors.ts';
import { S3Versions } from '../../stores/archive/s3-versions.ts';
import type { Deployment } from '../deployment.ts';
import { answerBatch } from '../queue/answer-batch.ts';
import { type Answered, answerAttempt, type Batch, type Delivery } from '../queue/deliveries.ts';
import { type InboxContext, takeInObjects } from './take-in.ts';

export interface InboxObserver<Received extends Delivery> extends Pick<InboxContext, 'onHandled' | 'onDelayed'> {
  /** What the queue knows now about a notification. */
  onAnswered(delivery: Received, answered: Omit<Answered, 'message'>): void;
  /** The queue did not take what becomes of a notification, which so comes back. */
  onUnanswered(delivery: Received, error: unknown): void;
}

/**
 * @returns works on the deliveries of a batch, each by itself, and resolves with those that must come back. Throws
 * `configuration` if the stack has no inbox.
 */
export function inboxBatch<Received extends Delivery>(
  deployment: Deployment,
  observer: InboxObserver<Received>,
): (batch: Batch<Received>, deadline: AbortSignal) => Promise<Received[]> {
  const { inboxBucket: bucket, deliveryLimits: limits, pauseMs: waitMs } = deployment;
  if (bucket === undefined) {
    throw new MirrorError('configuration', 'This deployment has no inbox; add "inbox" to "cloud".');
  }
  const inbox = new S3Versions({ bucket, name: 'the inbox' });
  const mirror = (name: string) => deployment.mirror(name);
  const { onHandled, onDelayed } = observer;
  const work = takeInObjects({ bucket, inbox, mirror, limits, waitMs, onHandled, onDelayed });
  return ({ queue, deliveries }, deadline) => {
    const delivered = deployment.deliveries(queue);
    return answerBatch(
      deliveries,
      limits.maxReceiveCount,
      async (delivery) => {
        const attempt = () => work(delivery, queue.mirror, deadline);
        const answered = await answerAttempt(delivery, attempt, delivered, limits);
        observer.onAnswered(delivery, answered);
        return answered;
      },
      (delivery, error) => observer.onUnanswered(delivery, error),
    );
  };
}
