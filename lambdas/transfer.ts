/** Copies the instances that the messages of a batch name. */
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { logMetrics } from '@aws-lambda-powertools/metrics/middleware';
import middy from '@middy/core';
import type { Context, SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { deadlineSignal } from './deadline.ts';
import { openDeployment } from './deployment.ts';
import { deliveryOf } from './sqs-event.ts';
import { logger, metrics } from './telemetry.ts';
import { transferBatch } from './transfer-batch.ts';

const deployment = await openDeployment();

export const handler = middy<SQSEvent, SQSBatchResponse, Error, Context>()
  .use(injectLambdaContext(logger))
  .use(logMetrics(metrics))
  .handler(async (event, context) => {
    using deadline = deadlineSignal(context);
    const returned = await transferBatch(event.Records.map(deliveryOf), deployment, deadline.signal);
    return { batchItemFailures: returned.map(({ messageId }) => ({ itemIdentifier: messageId })) };
  });
