/** Takes in the objects of the inbox that the notifications of a batch tell of. */
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import middy from '@middy/core';
import type { Context, SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { deadlineSignal } from './deadline.ts';
import { openDeployment } from './deployment.ts';
import { inboxBatch } from './inbox-batch.ts';
import { emitMetrics } from './metrics-emitter.ts';
import { deliveryOf } from './sqs-event.ts';
import { logger } from './telemetry.ts';

/** Time to finish the copies that are under way and to move the object. */
const marginMs = 30_000;

const deployment = await openDeployment();
const takeIn = inboxBatch(deployment);

export const handler = middy<SQSEvent, SQSBatchResponse, Error, Context>()
  .use(injectLambdaContext(logger))
  .use(emitMetrics('inbox'))
  .handler(async (event, context) => {
    using deadline = deadlineSignal(context, marginMs);
    const returned = await takeIn(event.Records.map(deliveryOf), deadline.signal);
    return { batchItemFailures: returned.map(({ messageId }) => ({ itemIdentifier: messageId })) };
  });
