/** Finds out what is new at the source of one mirror and puts it on the queue. */
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import { tickMirror } from '../core/cloud/follow/tick-mirror.ts';
import type { TickReport } from '../core/mirror/tick.ts';
import { deadlineSignal } from './deadline.ts';
import { openDeployment } from './deployment.ts';
import { count, emitMetrics } from './metrics-emitter.ts';
import { parseScheduleEvent } from './schedule-event.ts';
import { errorFields, log, logger, publicError } from './telemetry.ts';

const deployment = await openDeployment('scheduler');

export const handler = middy<unknown, TickReport, Error, Context>()
  .use(injectLambdaContext(logger))
  .use(emitMetrics('scheduler'))
  .handler(async (event, context) => {
    const { mirror } = parseScheduleEvent(event);
    using deadline = deadlineSignal(context);
    try {
      const options = { owner: context.awsRequestId, deadline: deadline.signal };
      const report = await tickMirror(mirror, deployment, options);
      log('info', 'source followed', { mirror, ...report, paused: report.paused.join(', ') });
      countTick(mirror, report);
      return report;
    } catch (error) {
      log('error', 'source not followed', { mirror, ...errorFields(error) });
      countTick(mirror, undefined);
      throw publicError(error);
    } finally {
      count('SchedulerDeadlineHits', deadline.signal.aborted ? 1 : 0, { mirror });
    }
  });

/** Counts a tick that succeeded, or one that did not; zeros included, so that no alarm lacks data. */
function countTick(mirror: string, report: TickReport | undefined): void {
  count('SourceFollowed', report?.followed === true ? 1 : 0, { mirror });
  count('Announced', report?.announced ?? 0, { mirror });
  count('Compared', report?.compared ?? 0, { mirror });
  count('ConflictsFound', report?.conflicts ?? 0, { mirror });
}
