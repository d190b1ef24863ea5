/** What the transfer function does with the deliveries of a batch. */
import { type Settled, settleDelivery } from '../core/queue/deliveries.ts';
import { settleBatch } from '../core/queue/settle-batch.ts';
import type { Deployment } from './deployment.ts';
import type { LambdaDelivery } from './sqs-event.ts';
import { count, errorFields, log } from './telemetry.ts';
import { transferWork } from './transfer-work.ts';

/**
 * Copies what the deliveries name and settles each of them by itself.
 * @param signal aborts when the time of the function is over
 * @returns the deliveries that must come back
 */
export function transferBatch(
  deliveries: readonly LambdaDelivery[],
  deployment: Deployment,
  signal: AbortSignal,
): Promise<LambdaDelivery[]> {
  const work = transferWork(deployment, signal);
  const limits = deployment.deliveryLimits;
  return settleBatch(
    deliveries,
    limits.maxReceiveCount,
    async (delivery) => {
      const settled = await settleDelivery(delivery, work, deployment.deliveries, limits);
      logSettled(delivery, settled);
      return settled;
    },
    ({ messageId }, error) => log('error', 'message could not be settled', { messageId, ...errorFields(error) }),
  );
}

/** Metric of each verdict; all are emitted for every message, zeros included, so that no alarm lacks data. */
const metricOfVerdict = {
  done: 'Settled',
  return: 'Returned',
  renew: 'Renewed',
  'dead-letter': 'DeadLettered',
} as const;

/** One line and one count per settled message. */
function logSettled({ messageId, receiveCount }: LambdaDelivery, { message, verdict, error }: Settled): void {
  for (const [kind, metric] of Object.entries(metricOfVerdict)) {
    count(metric, kind === verdict.kind ? 1 : 0);
  }
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
