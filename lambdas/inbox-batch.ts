/** What the inbox function does with the notifications of a batch. */

import { type Settled, settleAttempt } from '../core/cloud/queue/deliveries.ts';
import { settleBatch } from '../core/cloud/queue/settle-batch.ts';
import { MirrorError } from '../core/errors.ts';
import { S3Versions } from '../core/stores/archive/s3-versions.ts';
import type { Deployment } from './deployment.ts';
import { inboxWork } from './inbox-work.ts';
import type { Batch, LambdaDelivery } from './sqs-event.ts';
import { errorFields, log } from './telemetry.ts';

/**
 * @returns works on the deliveries of a batch, each by itself, and resolves with those that must come back. Throws
 * `configuration` if the stack has no inbox.
 */
export function inboxBatch(deployment: Deployment): (batch: Batch, deadline: AbortSignal) => Promise<LambdaDelivery[]> {
  const { inboxBucket: bucket, deliveryLimits: limits } = deployment;
  if (bucket === undefined) {
    throw new MirrorError('configuration', 'This deployment has no inbox; add "inbox" to "cloud".');
  }
  const inbox = new S3Versions({ bucket, name: 'the inbox' });
  const work = inboxWork({ deployment, bucket, inbox });
  return ({ queue, deliveries }, deadline) => {
    const delivered = deployment.deliveries(queue);
    return settleBatch(
      deliveries,
      limits.maxReceiveCount,
      async (delivery) => {
        const attempt = () => work(delivery, queue.mirror, deadline);
        const settled = await settleAttempt(delivery, attempt, delivered, limits);
        logSettled(delivery, settled);
        return settled;
      },
      ({ messageId }, error) => log('error', 'notification could not be settled', { messageId, ...errorFields(error) }),
    );
  };
}

function logSettled({ messageId, receiveCount }: LambdaDelivery, { verdict, error }: Omit<Settled, 'message'>): void {
  log(error === undefined ? 'info' : 'warn', 'notification settled', {
    messageId,
    receiveCount,
    verdict: verdict.kind,
    waitMs: 'waitMs' in verdict ? Math.round(verdict.waitMs) : undefined,
    ...(error === undefined ? {} : errorFields(error)),
  });
}
