/** What the webhook function does with a request. */
import type { Deployment } from '../deployment.ts';
import type { QueueMessage } from '../queue/message.ts';
import type { WebhookAnnouncement } from './announcement.ts';
import type { IncomingAnnouncement, WebhookDecision } from './webhook.ts';
import { webhookGate } from './webhook-gate.ts';

/**
 * Makes the webhook of one process: it decides about a request, and puts what it announces on the queue before it resolves
 * with the decision, because hooks forget what is answered. Throws `configuration` if the stack has no webhook.
 * @returns throws `unreachable` when secrets or queue cannot be reached; the hook then sends the batch again
 */
export function takeAnnouncements(
  deployment: Pick<Deployment, 'configuration' | 'secrets' | 'queue'>,
): (incoming: IncomingAnnouncement, deadline: AbortSignal) => Promise<WebhookDecision> {
  const decide = webhookGate(deployment.configuration, deployment.secrets);
  return async (incoming, deadline) => {
    const decision = await decide(incoming);
    if (decision.status === 200) {
      const { mirror, announcements } = decision;
      const messages = announcements.flatMap((announcement) => messagesOf(mirror, announcement));
      await deployment.queue({ mirror, lane: 'new' }, deadline).send(messages);
    }
    return decision;
  };
}

/** A deletion makes no message: only a comparison of complete listings tells what is gone. */
function messagesOf(mirror: string, announcement: WebhookAnnouncement): QueueMessage[] {
  return announcement.kind === 'deletion' ? [] : [{ v: 1, mirror, ...announcement }];
}
