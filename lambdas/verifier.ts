/** Reads the next share of the archive and of the targets of one mirror back and hashes it. */
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import {
  type VerifyObserver,
  type VerifyReport,
  verifyDestinations,
} from '../core/cloud/verify/verify-destinations.ts';
import { openDeployment } from './deployment.ts';
import { count, emitMetrics } from './metrics-emitter.ts';
import { parseScheduleEvent } from './schedule-event.ts';
import { errorFields, log, logFinding, logger, publicError } from './telemetry.ts';

/** Time to write the report and the progress after the reading ended. */
const marginMs = 15_000;

const deployment = await openDeployment();

const observer: VerifyObserver = {
  onProblem(mirror, destination, problem) {
    const error = 'error' in problem && problem.error !== undefined ? errorFields(problem.error) : {};
    log('error', 'read back', { mirror, destination, id: problem.id, outcome: problem.kind, ...error });
  },
  onShare(mirror, destination, counts, complete) {
    log('info', 'share verified', { mirror, destination, ...counts, complete });
  },
  onFailure(mirror, destination, error) {
    log('error', 'destination not verified', { mirror, destination, ...errorFields(error) });
  },
  onFinding: logFinding,
};

export const handler = middy<unknown, VerifyReport, Error, Context>()
  .use(injectLambdaContext(logger))
  .use(emitMetrics('verifier'))
  .handler(async (event, context) => {
    const { mirror } = parseScheduleEvent(event);
    try {
      const timeMs = context.getRemainingTimeInMillis() - marginMs;
      const report = await verifyDestinations(await deployment.mirror(mirror), timeMs, observer);
      count('Sound', report.sound, { mirror });
      count('Damaged', report.damaged, { mirror });
      count('Unverified', report.unverified, { mirror });
      return report;
    } catch (error) {
      log('error', 'nothing was verified', { mirror, ...errorFields(error) });
      throw publicError(error);
    }
  });
