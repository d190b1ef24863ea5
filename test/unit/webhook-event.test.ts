import { expect, it } from 'vitest';
import { incomingOf } from '../../lambdas/webhook-event.ts';

const userArn = 'arn:aws:sts::123456789012:assumed-role/relay/session';
const http = { method: 'POST', path: '/', protocol: 'HTTP/1.1', sourceIp: '192.0.2.1' };

it('knows a caller that IAM let through', () => {
  const authorizer = { iam: { accessKey: 'AKIAIOSFODNN7EXAMPLE', accountId: '123456789012', userArn } };
  expect(incomingOf({ requestContext: { http, authorizer } }).caller).toBe(userArn);
});

it.each([undefined, null])('knows no caller where IAM was not asked (authorizer: %s)', (authorizer) => {
  const headers = { authorizer: userArn, 'x-amz-user-arn': userArn };
  expect(incomingOf({ headers, requestContext: { http, authorizer } }).caller).toBeUndefined();
});
