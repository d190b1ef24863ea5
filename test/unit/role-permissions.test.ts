import { expect, test } from 'vitest';
import { isAllowedBy, type LocalStatement } from '../../local/stack/role-permissions.ts';

const statements: LocalStatement[] = [
  { effect: 'Allow', actions: ['s3:GetObject', 's3:PutObject'], resources: ['arn:aws:s3:::archive/main/state/*'] },
  { effect: 'Allow', actions: ['secretsmanager:GetSecretValue'], resources: ['arn:aws:x:secret:token-??????'] },
  { effect: 'Allow', actions: ['s3:*'], resources: ['arn:aws:s3:::other/*'] },
  { effect: 'Deny', actions: ['s3:DeleteObject'], resources: ['*'] },
];

test.each([
  ['s3:GetObject', 'arn:aws:s3:::archive/main/state/lease.json', true],
  ['s3:DeleteObject', 'arn:aws:s3:::archive/main/state/lease.json', false],
  ['s3:GetObject', 'arn:aws:s3:::archive/main/archive.json', false],
  ['s3:GetObject', 'arn:aws:s3:::archiveXmain/state/lease.json', false],
  ['secretsmanager:GetSecretValue', 'arn:aws:x:secret:token-AbCdEf', true],
  ['secretsmanager:GetSecretValue', 'arn:aws:x:secret:token-before-AbCdEf', false],
  ['s3:GetObject', 'arn:aws:s3:::other/anything', true],
  ['s3:DeleteObject', 'arn:aws:s3:::other/anything', false],
])('%s on %s: %s', (action, resource, expected) => {
  expect(isAllowedBy(statements, action, resource)).toBe(expected);
});

test('nothing is allowed by itself', () => {
  expect(isAllowedBy([], 's3:GetObject', 'arn:aws:s3:::archive/x')).toBe(false);
});
