/** Reads the next share of the archive and of the targets of one mirror back and hashes it. */
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import { openDeployment } from './deployment.ts';
import { emitMetrics } from './metrics-emitter.ts';
import { parseScheduleEvent } from './schedule-event.ts';
import { errorFields, log, logger, publicError } from './telemetry.ts';
import { type VerifyReport, verifyDestinations } from './verify-destinations.ts';

/** Time to write the report and the progress after the reading ended. */
const marginMs = 15_000;

const deployment = await openDeployment();

export const handler = middy<unknown, VerifyReport, Error, Context>()
  .use(injectLambdaContext(logger))
  .use(emitMetrics('verifier'))
  .handler(async (event, context) => {
    const { mirror } = parseScheduleEvent(event);
    try {
      return await verifyDestinations(
        mirror,
        await deployment.mirror(mirror),
        context.getRemainingTimeInMillis() - marginMs,
      );
    } catch (error) {
      log('error', 'nothing was verified', { mirror, ...errorFields(error) });
      throw publicError(error);
    }
  });
