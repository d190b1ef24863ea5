import type { Settled } from '../core/queue/deliveries.ts';
import type { LambdaDelivery } from './sqs-event.ts';
import { count, errorFields, logger } from './telemetry.ts';

/** Metric of each verdict; all are emitted for every message, zeros included, so that no alarm lacks data. */
const metricOfVerdict = {
  done: 'Settled',
  return: 'Returned',
  renew: 'Renewed',
  'dead-letter': 'DeadLettered',
} as const;

/** One line and one count per settled message. */
export function logSettled(delivery: LambdaDelivery, { message, verdict, error }: Settled): void {
  for (const [kind, metric] of Object.entries(metricOfVerdict)) {
    count(metric, kind === verdict.kind ? 1 : 0);
  }
  const fields = {
    mirror: message?.mirror,
    id: message?.id,
    messageId: delivery.messageId,
    receiveCount: delivery.receiveCount,
    verdict: verdict.kind,
    waitMs: 'waitMs' in verdict ? Math.round(verdict.waitMs) : undefined,
    ...(error === undefined ? {} : errorFields(error)),
  };
  if (error === undefined || error.disposition === 'skip') {
    logger.info('message settled', fields);
  } else {
    logger.warn('message not done', fields);
  }
}
