import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import type { Batch, Delivery } from '../core/cloud/queue/deliveries.ts';
import { parseMirrorQueue } from '../core/config/queue-names.ts';
import { MirrorError } from '../core/errors.ts';

/** A delivery as Lambda's event source names it. */
export interface LambdaDelivery extends Delivery {
  readonly messageId: string;
}

/** @returns the batch of an event. Throws `malformed-message` for one that comes from no queue of a mirror. */
export function batchOf({ Records }: SQSEvent): Batch<LambdaDelivery> {
  const queue = parseMirrorQueue(Records[0]?.eventSourceARN ?? '');
  if (queue === undefined) {
    throw new MirrorError('malformed-message', 'The event comes from no queue of a mirror; deploy the stack again.');
  }
  return { queue, deliveries: Records.map(deliveryOf) };
}

/** The part of a record that the core works with. */
function deliveryOf({ messageId, body, receiptHandle, attributes }: SQSRecord): LambdaDelivery {
  return { messageId, body, receiptHandle, receiveCount: Number(attributes.ApproximateReceiveCount) };
}

/** What tells the queue which messages come back. */
export function batchResponse(returned: readonly LambdaDelivery[]): SQSBatchResponse {
  return { batchItemFailures: returned.map(({ messageId }) => ({ itemIdentifier: messageId })) };
}
