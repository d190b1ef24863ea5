/**
 * Decides about requests to the webhook, apart from how they arrive: the function URL in the cloud and the local
 * server both ask here. Nothing of a request is repeated in an answer, and nothing is logged.
 */
import { announcementsOf, maxBodyBytes, parseBody, type WebhookAnnouncement } from './announcement.ts';
import { secretComparison } from './secrets.ts';
import { TokenBucket } from './token-bucket.ts';

export interface WebhookOptions {
  /** Names of the configured mirrors. */
  readonly mirrors: readonly string[];
  /**
   * The current secret and, during a rotation, the one before; see {@link secretComparison}. `iam`: there is none, and
   * whoever AWS knows is admitted.
   */
  readonly secrets: readonly string[] | 'iam';
  /** Admitted requests per second, on average and at once, in this process. */
  readonly rate?: { readonly perSecond: number; readonly burst: number };
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

/** A request as its transport gives it. */
export interface IncomingAnnouncement {
  readonly method: string;
  /** Value of the header {@link secretHeader}. */
  readonly secret: string | undefined;
  /** Who signed the request, as AWS found out; never what the request itself says. */
  readonly caller?: string | undefined;
  /** The body, or `too-large` if its transport read no more than {@link maxBodyBytes} of it. */
  readonly body: Uint8Array | 'too-large';
}

/** Why a request is refused; with the status, a contract with the hooks. */
export type RefusalCode = 'invalid' | 'unauthorized' | 'unknown' | 'too-large' | 'too-many';

export interface Refusal {
  readonly status: 400 | 401 | 404 | 413 | 429;
  readonly answer: { readonly v: 1; readonly error: RefusalCode; readonly field?: string };
  /** For the header `Retry-After`. */
  readonly retryAfterSeconds?: number;
}

export interface Acceptance {
  readonly status: 200;
  readonly mirror: string;
  /** To be on the queue before the answer is given: the hooks forget what is acknowledged. */
  readonly announcements: readonly WebhookAnnouncement[];
  /** `accepted` counts the events of the request; the hooks take nothing else for success. */
  readonly answer: { readonly v: 1; readonly accepted: number };
}

export type WebhookDecision = Acceptance | Refusal;

const defaultRate = { perSecond: 20, burst: 100 };

/** Makes the webhook of one process. Throws `configuration` when the secrets cannot be used. */
export function createWebhook(options: WebhookOptions): (incoming: IncomingAnnouncement) => WebhookDecision {
  const isAdmitted = admissionOf(options);
  const mirrors = new Set(options.mirrors);
  const bucket = new TokenBucket({ now: () => performance.now(), ...defaultRate, ...limitsOf(options) });
  return (incoming) => {
    if (incoming.method !== 'POST') return refusal(404, 'unknown', 'method');
    // Who is not admitted takes no token either, and so cannot keep the hooks out.
    if (!isAdmitted(incoming)) return refusal(401, 'unauthorized', options.secrets === 'iam' ? 'caller' : 'secret');
    const waitMs = bucket.take();
    if (waitMs > 0) return { ...refusal(429, 'too-many'), retryAfterSeconds: Math.ceil(waitMs / 1000) };
    return decideBody(incoming.body, mirrors);
  };
}

function admissionOf({ secrets }: WebhookOptions): (incoming: IncomingAnnouncement) => boolean {
  if (secrets === 'iam') return ({ caller }) => caller !== undefined;
  const isSecret = secretComparison(secrets);
  return ({ secret }) => isSecret(secret);
}

function limitsOf({ rate, now }: WebhookOptions): Partial<{ perSecond: number; burst: number; now: () => number }> {
  return { ...rate, ...(now === undefined ? {} : { now }) };
}

function decideBody(body: IncomingAnnouncement['body'], mirrors: ReadonlySet<string>): WebhookDecision {
  if (body === 'too-large' || body.byteLength > maxBodyBytes) return refusal(413, 'too-large', 'body');
  const parsed = parseBody(body);
  if (!parsed.ok) return refusal(400, 'invalid', parsed.field);
  const { mirror, events } = parsed.request;
  if (!mirrors.has(mirror)) return refusal(404, 'unknown', 'mirror');
  return { status: 200, mirror, announcements: announcementsOf(events), answer: { v: 1, accepted: events.length } };
}

function refusal(status: Refusal['status'], error: RefusalCode, field?: string): Refusal {
  return { status, answer: { v: 1, error, ...(field === undefined ? {} : { field }) } };
}
