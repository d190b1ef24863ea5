/** What Lambda's function URL gives and takes (payload format 2.0). */
import * as z from 'zod';
import { secretHeader } from '../core/cloud/webhook/secrets.ts';
import type { IncomingAnnouncement, WebhookDecision } from '../core/cloud/webhook/webhook.ts';

/** What every function URL gives. */
export const urlEventSchema = z.object({
  // Lambda gives the names in lower case, and several values of one header joined by commas.
  headers: z.record(z.string(), z.string()).default({}),
  body: z.string().default(''),
  isBase64Encoded: z.boolean().default(false),
  requestContext: z.object({
    http: z.object({ method: z.string() }),
    // Only where the URL asks IAM. Source: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
    authorizer: z.object({ iam: z.object({ userArn: z.string() }) }).nullish(),
  }),
});

export interface UrlResponse {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Reads the event of a function URL. Throws for anything else, which only a deployment that is wrong can send. */
export function incomingOf(event: unknown): IncomingAnnouncement {
  const { headers, body, isBase64Encoded, requestContext } = urlEventSchema.parse(event);
  return {
    method: requestContext.http.method,
    secret: headers[secretHeader],
    caller: requestContext.authorizer?.iam.userArn,
    body: Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8'),
  };
}

/** What the hook gets. */
export function responseOf(decision: WebhookDecision): UrlResponse {
  const retryAfter = 'retryAfterSeconds' in decision ? { 'retry-after': String(decision.retryAfterSeconds) } : {};
  return {
    statusCode: decision.status,
    headers: { 'content-type': 'application/json', ...retryAfter },
    body: JSON.stringify(decision.answer),
  };
}
