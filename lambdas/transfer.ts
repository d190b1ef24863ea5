/** Copies the instances that the messages of a batch name. */
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import middy from '@middy/core';
import type { Context, SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { transferBatch } from '../core/cloud/transfer/transfer-batch.ts';
import { deadlineSignal } from './deadline.ts';
import { openDeployment } from './deployment.ts';
import { emitMetrics } from './metrics-emitter.ts';
import { batchOf, batchResponse } from './sqs-event.ts';
import { logger } from './telemetry.ts';
import { transferObserver } from './transfer-telemetry.ts';

const deployment = await openDeployment('transfer');

export const handler = middy<SQSEvent, SQSBatchResponse, Error, Context>()
  .use(injectLambdaContext(logger))
  .use(emitMetrics('transfer'))
  .handler(async (event, context) => {
    using deadline = deadlineSignal(context);
    const options = { signal: deadline.signal, observer: transferObserver };
    return batchResponse(await transferBatch(batchOf(event), deployment, options));
  });
