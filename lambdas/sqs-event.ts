import type { SQSEvent, SQSRecord } from 'aws-lambda';
import type { Delivery } from '../core/cloud/queue/deliveries.ts';
import { type MirrorQueue, parseMirrorQueue } from '../core/config/queue-names.ts';
import { MirrorError } from '../core/errors.ts';

/** A delivery as Lambda's event source names it. */
export interface LambdaDelivery extends Delivery {
  readonly messageId: string;
}

/** What one invocation gets. */
export interface Batch {
  /** The queue that all of it comes from: a mapping reads one. */
  readonly queue: MirrorQueue;
  readonly deliveries: readonly LambdaDelivery[];
}

/** @returns the batch of an event. Throws `malformed-message` for one that comes from no queue of a mirror. */
export function batchOf({ Records }: SQSEvent): Batch {
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
