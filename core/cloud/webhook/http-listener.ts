/** The webhook as a listener of node:http, for the local server. Reads no more of a body than is allowed. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { maxBodyBytes } from './announcement.ts';
import { secretHeader } from './secrets.ts';
import type { Acceptance, createWebhook, WebhookDecision } from './webhook.ts';

/**
 * Makes a listener. Failures of `enqueue` are answered with 500, so that the hook sends the batch again.
 * @param enqueue resolves when the queue acknowledged the announcements
 */
export function webhookListener(
  decide: ReturnType<typeof createWebhook>,
  enqueue: (acceptance: Acceptance) => Promise<void>,
): RequestListener {
  return (request, response) => {
    answerTo(request, decide, enqueue).then(
      (decision) => send(response, decision),
      () => response.writeHead(500).end(),
    );
  };
}

async function answerTo(
  request: IncomingMessage,
  decide: ReturnType<typeof createWebhook>,
  enqueue: (acceptance: Acceptance) => Promise<void>,
): Promise<WebhookDecision> {
  const secret = request.headers[secretHeader];
  const decision = decide({
    method: request.method ?? '',
    secret: typeof secret === 'string' ? secret : undefined,
    body: await readAllowed(request),
  });
  if (decision.status === 200) await enqueue(decision);
  return decision;
}

async function readAllowed(request: IncomingMessage): Promise<Uint8Array | 'too-large'> {
  if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) return 'too-large';
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    chunks.push(chunk);
    sizeBytes += chunk.length;
    if (sizeBytes > maxBodyBytes) return 'too-large';
  }
  return Buffer.concat(chunks);
}

function send(response: ServerResponse, decision: WebhookDecision): void {
  const headers = { 'Content-Type': 'application/json' };
  const retryAfter = 'retryAfterSeconds' in decision ? { 'Retry-After': String(decision.retryAfterSeconds) } : {};
  // What was not read of a refused body would be taken for the next request of the connection.
  const close = decision.status === 200 ? {} : { Connection: 'close' };
  response.writeHead(decision.status, { ...headers, ...retryAfter, ...close }).end(JSON.stringify(decision.answer));
}
