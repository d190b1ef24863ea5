/** Plans the shards of a mirror, or works on some of them, for the state machine. */
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import { type PlannedShards, parseShardEvent } from '../core/cloud/shards/shards.ts';
import { planMirror, type ShardObserver, type ShardReport, workOnShards } from '../core/cloud/shards/work-on-shards.ts';
import { deadlineSignal } from './deadline.ts';
import { openDeployment } from './deployment.ts';
import { count, emitMetrics } from './metrics-emitter.ts';
import { errorFields, log, logger, publicError } from './telemetry.ts';
import { transferObserver } from './transfer-telemetry.ts';

/** Time to leave to the queue what was not begun. */
const marginMs = 60_000;

const deployment = await openDeployment('transfer');

const observer: ShardObserver = {
  ...transferObserver,
  onProblem(mirror, problem) {
    const error = 'error' in problem ? errorFields(problem.error) : {};
    log('error', 'read back', { mirror, destination: 'archive', id: problem.id, outcome: problem.kind, ...error });
  },
};

export const handler = middy<unknown, PlannedShards | ShardReport, Error, Context>()
  .use(injectLambdaContext(logger))
  .use(emitMetrics('shards'))
  .handler(async (event, context) => {
    using last = deadlineSignal(context);
    using deadline = deadlineSignal(context, marginMs);
    try {
      const task = parseShardEvent(event);
      if ('plan' in task) return await planMirror(task.plan, deployment, deadline.signal);
      const report = await workOnShards(task, deployment, { deadline: deadline.signal, last: last.signal, observer });
      tell(task.BatchInput.mirror, report);
      return report;
    } catch (error) {
      log('error', 'shards not done', errorFields(error));
      throw publicError(error);
    }
  });

function tell(mirror: string, report: ShardReport): void {
  count('LeftToQueue', report.left, { mirror });
  count('Sound', report.sound, { mirror });
  count('Damaged', report.damaged, { mirror });
  count('Unverified', report.unverified, { mirror });
  log('info', 'shards done', { mirror, ...report });
}
