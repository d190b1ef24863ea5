import { describe, expect, it } from 'vitest';
import { maxBodyBytes } from '../../core/cloud/webhook/announcement.ts';
import { createWebhook, type IncomingAnnouncement, type WebhookOptions } from '../../core/cloud/webhook/webhook.ts';
import { isMirrorError } from '../../core/errors.ts';
import { orthancIdOf } from '../../core/identifiers.ts';

const secret = 'a-secret-of-the-webhook-0123456789abcdef';
const previous = 'the-secret-before-it-0123456789abcdef';
const id = orthancIdOf('PATIENT', '1.2', '1.2.3', '1.2.3.4');
const event = { kind: 'stored', level: 'instances', id };

function announcementOf(value: unknown): IncomingAnnouncement {
  return { method: 'POST', secret, body: Buffer.from(JSON.stringify(value)) };
}

const valid = announcementOf({ v: 1, mirror: 'main', events: [event, event] });

function decide(incoming: Partial<IncomingAnnouncement>, options: Partial<WebhookOptions> = {}) {
  return createWebhook({ mirrors: ['main'], secrets: [secret], ...options })({ ...valid, ...incoming });
}

describe('the webhook', () => {
  it('accepts events of a configured mirror and counts them', () => {
    expect(decide({})).toEqual({
      status: 200,
      mirror: 'main',
      announcements: [{ kind: 'instance', id }],
      answer: { v: 1, accepted: 2 },
    });
  });

  it('accepts the secret before while it is rotated', () => {
    const statuses = [secret, previous].map(
      (given) => decide({ secret: given }, { secrets: [secret, previous] }).status,
    );
    expect(statuses).toEqual([200, 200]);
  });

  it.each([
    ['no secret', undefined],
    ['an empty secret', ''],
    ['a wrong secret', 'x'.repeat(secret.length)],
    ['a part of the secret', secret.slice(0, -1)],
    ['the secret and more', `${secret} `],
    ['the secret before, after its rotation', previous],
  ])('refuses %s', (_, given) => {
    expect(decide({ secret: given })).toEqual({
      status: 401,
      answer: { v: 1, error: 'unauthorized', field: 'secret' },
    });
  });

  it('takes whom AWS knows where AWS decides, and nobody else, whatever they send', () => {
    const caller = 'arn:aws:sts::123456789012:assumed-role/relay/session';
    expect(decide({ secret: undefined, caller }, { secrets: 'iam' }).status).toBe(200);
    expect(decide({ secret }, { secrets: 'iam' })).toEqual({
      status: 401,
      answer: { v: 1, error: 'unauthorized', field: 'caller' },
    });
  });

  it('takes no caller for a secret', () => {
    expect(decide({ secret: undefined, caller: 'arn:aws:iam::123456789012:role/relay' }).status).toBe(401);
  });

  it('refuses a wrong secret before it looks at the body', () => {
    expect(decide({ secret: 'wrong', body: 'too-large' }).status).toBe(401);
  });

  it.each(['GET', 'PUT', 'OPTIONS'])('knows no %s', (method) => {
    expect(decide({ method }).status).toBe(404);
  });

  it('refuses a body that is too large', () => {
    const large = { status: 413, answer: { v: 1, error: 'too-large', field: 'body' } };
    expect(decide({ body: new Uint8Array(maxBodyBytes + 1) })).toEqual(large);
    expect(decide({ body: 'too-large' })).toEqual(large);
  });

  it.each(['other', 'constructor', 'MAIN', ''])('does not know the mirror %o', (mirror) => {
    const decision = decide(announcementOf({ v: 1, mirror, events: [event] }));
    expect(decision).toEqual({ status: 404, answer: { v: 1, error: 'unknown', field: 'mirror' } });
  });

  it('repeats nothing of what it was sent', () => {
    const canary = 'CANARY^PATIENT';
    const bodies = [
      { v: canary, mirror: 'main', events: [event] },
      { v: 1, mirror: canary, events: [event] },
      { v: 1, mirror: 'main', events: [{ ...event, [canary]: 1 }] },
      { v: 1, mirror: 'main', events: [{ ...event, id: canary }] },
      { v: 1, mirror: 'main', events: [event], [canary]: canary },
    ];
    const answers = bodies.map((body) => decide(announcementOf(body)));
    expect(answers.map(({ status }) => status)).toEqual([400, 404, 400, 400, 400]);
    expect(JSON.stringify(answers)).not.toContain('CANARY');
  });

  it('bounds what one process accepts, and says when to come again', () => {
    let nowMs = 0;
    const rate = { perSecond: 0.5, burst: 3 };
    const webhook = createWebhook({ mirrors: ['main'], secrets: [secret], rate, now: () => nowMs });
    const statuses = Array.from({ length: 5 }, () => webhook(valid).status);
    expect(statuses).toEqual([200, 200, 200, 429, 429]);
    expect(webhook(valid)).toMatchObject({ status: 429, retryAfterSeconds: 2 });
    nowMs = 2000;
    expect(webhook(valid).status).toBe(200);
    expect(webhook(valid).status).toBe(429);
  });

  it('lets nobody without the secret use up what the hooks may send', () => {
    const webhook = createWebhook({ mirrors: ['main'], secrets: [secret], rate: { perSecond: 1, burst: 1 } });
    for (let n = 0; n < 1000; n += 1) webhook({ ...valid, secret: 'wrong' });
    expect(webhook(valid).status).toBe(200);
  });

  it.each([
    ['no secret', []],
    ['three secrets', [secret, previous, `${secret}3`]],
    ['a short secret', ['short']],
    ['an empty secret', [secret, '']],
  ])('does not start with %s', (_, secrets) => {
    const start = () => createWebhook({ mirrors: ['main'], secrets });
    expect(start).toThrow(expect.toSatisfy((error: unknown) => isMirrorError(error, 'configuration')));
  });
});
