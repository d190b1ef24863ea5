import type { SQSRecord } from 'aws-lambda';
import type { Delivery } from '../core/queue/deliveries.ts';

/** A delivery as Lambda's event source names it. */
export interface LambdaDelivery extends Delivery {
  readonly messageId: string;
}

/** @returns the part of a record that the core works with */
export function deliveryOf({ messageId, body, receiptHandle, attributes }: SQSRecord): LambdaDelivery {
  return { messageId, body, receiptHandle, receiveCount: Number(attributes.ApproximateReceiveCount) };
}
