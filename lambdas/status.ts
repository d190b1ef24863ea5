/** Measures one mirror, writes its status page, and tells the measurements as metrics. */
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import { namedDestinations, verifiedDestinations } from '../core/cloud/cloud-mirror.ts';
import { measureStatus } from '../core/cloud/status/measure-status.ts';
import type { MirrorStatus } from '../core/cloud/status/status-document.ts';
import { writeStatus } from '../core/cloud/status/write-status.ts';
import { deadlineSignal } from './deadline.ts';
import { openDeployment } from './deployment.ts';
import { count, emitMetrics, measure } from './metrics-emitter.ts';
import { parseScheduleEvent } from './schedule-event.ts';
import { errorFields, log, logger, publicError } from './telemetry.ts';

const msPerHour = 3_600_000;

const deployment = await openDeployment();

export const handler = middy<unknown, MirrorStatus, Error, Context>()
  .use(injectLambdaContext(logger))
  .use(emitMetrics('status'))
  .handler(async (event, context) => {
    const { mirror } = parseScheduleEvent(event);
    // The other half is for looking up, writing and telling.
    using counting = deadlineSignal(context, context.getRemainingTimeInMillis() / 2);
    try {
      const open = await deployment.mirror(mirror);
      const status = await measureStatus({
        ...open,
        mirror,
        destinations: namedDestinations(open),
        queueDepths: () => deployment.queueDepths(mirror),
        now: () => new Date(),
        countArchiveEveryMs: deployment.configuration.cloud.status.countArchiveEveryHours * msPerHour,
        deadline: counting.signal,
      });
      await writeStatus(open.archive.objects, status);
      tell(
        status,
        verifiedDestinations(open).map(({ name }) => name),
      );
      return status;
    } catch (error) {
      log('error', 'mirror not measured', { mirror, ...errorFields(error) });
      count('StatusWritten', 0, { mirror });
      throw publicError(error);
    }
  });

/** @param verified names of the destinations that are read back */
function tell(status: MirrorStatus, verified: readonly string[]): void {
  const { mirror, source, destinations, comparedAgeSeconds, watchedSeconds, paused } = status;
  count('StatusWritten', 1, { mirror });
  count('Paused', paused === null ? 0 : 1, { mirror });
  if (source.instances !== null) {
    measure('SourceInstances', source.instances, { mirror });
  }
  measure('ComparedAgeSeconds', comparedAgeSeconds, { mirror });
  for (const { name: destination, instances, newestPendingSeconds, oldestPendingSeconds, ...more } of destinations) {
    const { missing, oldestUnverifiedSeconds } = more;
    if (verified.includes(destination)) {
      // What was never read back has waited since the mirror began.
      measure('OldestUnverifiedSeconds', oldestUnverifiedSeconds ?? watchedSeconds, { mirror, destination });
    }
    if (instances !== null) {
      measure('DestinationInstances', instances, { mirror, destination });
    }
    measure('NewestPendingSeconds', newestPendingSeconds, { mirror, destination });
    measure('OldestPendingSeconds', oldestPendingSeconds, { mirror, destination });
    log('info', 'destination measured', { mirror, destination, missing, oldestPendingSeconds });
  }
}
