/** Copies the instances that the messages of a batch name, and settles each message by itself. */
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { logMetrics } from '@aws-lambda-powertools/metrics/middleware';
import middy from '@middy/core';
import type { Context, SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { settleDelivery } from '../core/queue/deliveries.ts';
import { settleBatch } from '../core/queue/settle-batch.ts';
import { deadlineSignal } from './deadline.ts';
import { openDeployment } from './deployment.ts';
import { deliveryOf } from './sqs-event.ts';
import { errorFields, logger, metrics } from './telemetry.ts';
import { logSettled } from './transfer-log.ts';
import { transferWork } from './transfer-work.ts';

const deployment = await openDeployment();

export const handler = middy<SQSEvent, SQSBatchResponse, Error, Context>()
  .use(injectLambdaContext(logger))
  .use(logMetrics(metrics))
  .handler(async (event, context) => {
    using deadline = deadlineSignal(context);
    const work = transferWork(deployment, deadline.signal);
    const returned = await settleBatch(
      event.Records.map(deliveryOf),
      deployment.deliveryLimits.maxReceiveCount,
      async (delivery) => {
        const settled = await settleDelivery(delivery, work, deployment.deliveries, deployment.deliveryLimits);
        logSettled(delivery, settled);
        return settled;
      },
      (delivery, error) =>
        logger.error('could not be settled', { messageId: delivery.messageId, ...errorFields(error) }),
    );
    return { batchItemFailures: returned.map(({ messageId }) => ({ itemIdentifier: messageId })) };
  });
