import { expect, it } from 'vitest';
import { webhookGate } from '../../core/cloud/webhook/webhook-gate.ts';
import { validateConfiguration } from '../../core/config/load.ts';
import { secretResolver } from '../../core/config/secrets/resolve-secret.ts';
import { MirrorError } from '../../core/errors.ts';
import { incomingOf } from '../../lambdas/webhook-event.ts';

const userArn = 'arn:aws:sts::123456789012:assumed-role/relay/session';
const secret = 'a-secret-of-the-webhook-0123456789abcdef';
const id = '00000000-11111111-22222222-33333333-44444444';
const body = JSON.stringify({ v: 1, mirror: 'main', events: [{ kind: 'stored', level: 'instances', id }] });

function gateOf(webhook: object, fetched: string[] = []) {
  const mirrors = { main: { source: { url: 'https://source.example.org/' }, archive: {} } };
  const fetchSecret = async (name: string) => {
    fetched.push(name);
    return secret;
  };
  return webhookGate(
    validateConfiguration({ mirrors, cloud: { webhook } }, 'the test'),
    secretResolver({ fetchSecret }),
  );
}

function request(authorizer: object | undefined, headers: object = {}) {
  return incomingOf({ headers, body, requestContext: { http: { method: 'POST' }, authorizer } });
}

it('with IAM takes what AWS let through, asks for no secret, and admits nobody whom AWS does not name', async () => {
  const fetched: string[] = [];
  const decide = gateOf({ authentication: 'iam' }, fetched);
  expect(await decide(request({ iam: { userArn } }))).toMatchObject({
    status: 200,
    announcements: [{ kind: 'instance', id }],
  });
  expect((await decide(request(undefined, { 'x-orthanc-mirror-secret': secret }))).status).toBe(401);
  expect(fetched).toEqual([]);
});

it('with a secret takes no other sign of who calls', async () => {
  const decide = gateOf({ secret: { secretsManager: 'webhook' } });
  expect((await decide(request(undefined, { 'x-orthanc-mirror-secret': secret }))).status).toBe(200);
  expect((await decide(request({ iam: { userArn } }))).status).toBe(401);
});

it('goes on knowing its hooks when a stranger calls while the secrets cannot be fetched', async () => {
  let down = false;
  let nowMs = 0;
  const fetchSecret = async () => {
    if (down) throw new MirrorError('unreachable', 'down');
    return secret;
  };
  const mirrors = { main: { source: { url: 'https://source.example.org/' }, archive: {} } };
  const cloud = { webhook: { secret: { secretsManager: 'webhook' } } };
  const decide = webhookGate(
    validateConfiguration({ mirrors, cloud }, 'the test'),
    secretResolver({ fetchSecret, now: () => nowMs }),
  );
  const hook = request(undefined, { 'x-orthanc-mirror-secret': secret });
  expect((await decide(hook)).status).toBe(200);
  down = true;
  nowMs = 60_000;
  expect((await decide(request(undefined, { 'x-orthanc-mirror-secret': 'a stranger' }))).status).toBe(401);
  expect((await decide(hook)).status).toBe(200);
});
