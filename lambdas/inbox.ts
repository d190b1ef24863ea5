/** Takes in the objects of the inbox that the notifications of a batch tell of, or looks for those that nobody told of. */
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import middy from '@middy/core';
import type { Context, SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { inboxBatch } from '../core/cloud/inbox/inbox-batch.ts';
import { deadlineSignal } from './deadline.ts';
import { openDeployment } from './deployment.ts';
import { parseRelistEvent, type RelistEvent, relist } from './inbox-relist.ts';
import { inboxObserver } from './inbox-telemetry.ts';
import { emitMetrics } from './metrics-emitter.ts';
import { batchOf, batchResponse } from './sqs-event.ts';
import { errorFields, log, logger, publicError } from './telemetry.ts';

/** Time to finish the copies that are under way and to move the object. */
const marginMs = 30_000;

const deployment = await openDeployment('inbox');
const takeIn = inboxBatch(deployment, inboxObserver);

export const handler = middy<SQSEvent | RelistEvent, SQSBatchResponse, Error, Context>()
  .use(injectLambdaContext(logger))
  .use(emitMetrics('inbox'))
  .handler(async (event, context) => {
    using deadline = deadlineSignal(context, marginMs);
    if (!('Records' in event)) {
      await lookForLost(event, deadline.signal);
      return batchResponse([]);
    }
    return batchResponse(await takeIn(batchOf(event), deadline.signal));
  });

async function lookForLost(event: unknown, deadline: AbortSignal): Promise<void> {
  try {
    await relist(parseRelistEvent(event), deployment, deadline);
  } catch (error) {
    log('error', 'inbox not looked through', errorFields(error));
    throw publicError(error);
  }
}
