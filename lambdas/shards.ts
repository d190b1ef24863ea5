/** Plans the shards of a mirror, or works on some of them, for the state machine. */
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import { type PlannedShards, parseShardEvent } from '../core/cloud/shards/shards.ts';
import { deadlineSignal } from './deadline.ts';
import { openDeployment } from './deployment.ts';
import { emitMetrics } from './metrics-emitter.ts';
import { planOf, type ShardReport, workOnShards } from './shard-work.ts';
import { errorFields, log, logger, publicError } from './telemetry.ts';

/** Time to leave to the queue what was not begun. */
const marginMs = 60_000;

const deployment = await openDeployment('transfer');

export const handler = middy<unknown, PlannedShards | ShardReport, Error, Context>()
  .use(injectLambdaContext(logger))
  .use(emitMetrics('shards'))
  .handler(async (event, context) => {
    using last = deadlineSignal(context);
    using deadline = deadlineSignal(context, marginMs);
    try {
      const task = parseShardEvent(event);
      if ('plan' in task) return await planOf(task.plan, deployment, deadline.signal);
      return await workOnShards(task, deployment, { deadline: deadline.signal, last: last.signal });
    } catch (error) {
      log('error', 'shards not done', errorFields(error));
      throw publicError(error);
    }
  });
