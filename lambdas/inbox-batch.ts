/** What the inbox function does with the notifications of a batch. */

import type { Reception } from '../core/cloud/inbox/receive-object.ts';
import { takeInObjects } from '../core/cloud/inbox/take-in.ts';
import { type Settled, settleAttempt } from '../core/cloud/queue/deliveries.ts';
import { settleBatch } from '../core/cloud/queue/settle-batch.ts';
import { MirrorError } from '../core/errors.ts';
import { S3Versions } from '../core/stores/archive/s3-versions.ts';
import type { Deployment } from './deployment.ts';
import { count } from './metrics-emitter.ts';
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
  const work = takeInObjects({
    bucket,
    inbox,
    mirror: (name) => deployment.mirror(name),
    limits,
    waitMs: deployment.configuration.cloud.transfer.pauseSeconds * 1000,
    onHandled: tell,
    onDelayed: (mirror) => count('InboxDelayed', 1, { mirror }),
  });
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

function tell(mirror: string, { kind, counts }: Reception, error?: MirrorError): void {
  count('InboxTaken', kind === 'done' ? 1 : 0, { mirror });
  count('InboxRefused', kind === 'refused' ? 1 : 0, { mirror });
  count('InboxStored', counts.stored ?? 0, { mirror });
  count('InboxAlreadyThere', counts['already-there'] ?? 0, { mirror });
  log(kind === 'refused' ? 'warn' : 'info', 'object handled', {
    mirror,
    outcome: kind,
    code: error?.code,
    stored: counts.stored,
    alreadyThere: counts['already-there'],
    notDicom: counts['not-dicom'],
    refused: counts.refused,
  });
}
