/** What the transfer function does with the deliveries of a batch. */

import { type Settled, settleDelivery } from '../core/cloud/queue/deliveries.ts';
import type { QueueMessage } from '../core/cloud/queue/message.ts';
import { settleBatch } from '../core/cloud/queue/settle-batch.ts';
import type { Configuration } from '../core/config/schema.ts';
import { MirrorError } from '../core/errors.ts';
import type { Deployment } from './deployment.ts';
import { count } from './metrics-emitter.ts';
import type { Batch, LambdaDelivery } from './sqs-event.ts';
import { errorFields, log } from './telemetry.ts';
import { transferWork } from './transfer-work.ts';

/**
 * Copies what the deliveries name and settles each of them by itself. A message that names another mirror than its queue
 * becomes a dead letter: it would be worked on at the expense of the queue's own mirror.
 * @param signal aborts when the time of the function is over
 * @returns the deliveries that must come back
 */
export function transferBatch(
  { queue, deliveries }: Batch,
  deployment: Deployment,
  signal: AbortSignal,
): Promise<LambdaDelivery[]> {
  const transfer = transferWork(deployment, queue.lane, signal);
  const work = async (message: QueueMessage): Promise<void> => {
    if (message.mirror !== queue.mirror) throw foreignMessage();
    await transfer(message);
  };
  const delivered = deployment.deliveries(queue);
  const limits = deployment.deliveryLimits;
  return settleBatch(
    deliveries,
    limits.maxReceiveCount,
    async (delivery) => {
      const settled = await settleDelivery(delivery, work, delivered, limits);
      logSettled(delivery, settled, deployment.configuration.mirrors);
      return settled;
    },
    ({ messageId }, error) => log('error', 'message could not be settled', { messageId, ...errorFields(error) }),
  );
}

function foreignMessage(): MirrorError {
  return new MirrorError(
    'malformed-message',
    'The message names another mirror than the queue in which it lay; find out who writes to the queue.',
  );
}

const metricOfVerdict = {
  done: 'Settled',
  return: 'Retried',
  renew: 'Renewed',
  'dead-letter': 'DeadLettered',
} as const;

/** One line and one count per settled message. A message that names no configured mirror counts for none. */
function logSettled(
  { messageId, receiveCount }: LambdaDelivery,
  { message, verdict, error }: Settled,
  mirrors: Configuration['mirrors'],
): void {
  const subject = message !== undefined && Object.hasOwn(mirrors, message.mirror) ? { mirror: message.mirror } : {};
  count(metricOfVerdict[verdict.kind], 1, subject);
  count('TransferDeadlineHits', error?.code === 'deadline' ? 1 : 0, subject);
  log(error === undefined || error.disposition === 'skip' ? 'info' : 'warn', 'message settled', {
    mirror: message?.mirror,
    id: message?.id,
    messageId,
    receiveCount,
    verdict: verdict.kind,
    waitMs: 'waitMs' in verdict ? Math.round(verdict.waitMs) : undefined,
    ...(error === undefined ? {} : errorFields(error)),
  });
}
