/** Takes the announcements of the hooks and puts the ids on the queue. */
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import { takeAnnouncements } from '../core/cloud/webhook/take-announcements.ts';
import type { WebhookDecision } from '../core/cloud/webhook/webhook.ts';
import { deadlineSignal } from './deadline.ts';
import { openDeployment } from './deployment.ts';
import { count, emitMetrics } from './metrics-emitter.ts';
import { errorFields, log, logger, publicError } from './telemetry.ts';
import { incomingOf, responseOf, type UrlResponse } from './webhook-event.ts';

/** Time for the answer after the queue was given up. */
const marginMs = 1_000;

const deployment = await openDeployment();
const take = takeAnnouncements(deployment);

export const handler = middy<unknown, UrlResponse, Error, Context>()
  .use(injectLambdaContext(logger))
  .use(emitMetrics('webhook'))
  .handler(async (event, context) => {
    using deadline = deadlineSignal(context, marginMs);
    try {
      const decision = await take(incomingOf(event), deadline.signal);
      tell(decision);
      return responseOf(decision);
    } catch (error) {
      // The function URL answers 502, and the hook sends the batch again.
      log('error', 'announcement not taken', errorFields(error));
      throw publicError(error);
    }
  });

function tell(decision: WebhookDecision): void {
  count('RequestsRefused', decision.status === 200 ? 0 : 1);
  count('RequestsUnauthorized', decision.status === 401 ? 1 : 0);
  if (decision.status !== 200) {
    log('warn', 'announcement refused', { status: decision.status, code: decision.answer.error });
    return;
  }
  const { mirror, announcements, answer } = decision;
  const deletions = announcements.filter(({ kind }) => kind === 'deletion').length;
  count('EventsAccepted', answer.accepted, { mirror });
  count('DeletionsAnnounced', deletions, { mirror });
  log('info', 'announcement taken', { mirror, accepted: answer.accepted, deletionsAnnounced: deletions });
}
