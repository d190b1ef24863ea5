/** Copies the instances that the messages of a batch name. */
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import middy from '@middy/core';
import type { Context, SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { deadlineSignal } from './deadline.ts';
import { openDeployment } from './deployment.ts';
import { emitMetrics } from './metrics-emitter.ts';
import { batchOf } from './sqs-event.ts';
import { logger } from './telemetry.ts';
import { transferBatch } from './transfer-batch.ts';

const deployment = await openDeployment('transfer');

export const handler = middy<SQSEvent, SQSBatchResponse, Error, Context>()
  .use(injectLambdaContext(logger))
  .use(emitMetrics('transfer'))
  .handler(async (event, context) => {
    using deadline = deadlineSignal(context);
    const returned = await transferBatch(batchOf(event), deployment, deadline.signal);
    return { batchItemFailures: returned.map(({ messageId }) => ({ itemIdentifier: messageId })) };
  });
