import { describe, expect, test } from 'vitest';
import { denialsOf, isDeniedBy, principalArn } from '../../local/stack/bucket-policies.ts';
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

describe('the policy of a bucket', () => {
  const literally = { ref: (name: string) => name, attribute: (resource: string) => `arn:aws:s3:::${resource}` };
  const denials = denialsOf(
    {
      Policy: {
        Type: 'AWS::S3::BucketPolicy',
        Properties: {
          Bucket: { Ref: 'archive' },
          PolicyDocument: {
            Statement: [
              {
                Effect: 'Deny',
                Action: 's3:*',
                Resource: '*',
                Condition: { Bool: { 'aws:SecureTransport': 'false' } },
              },
              { Effect: 'Allow', Action: 's3:GetObject', Resource: '*' },
              {
                Effect: 'Deny',
                Action: 's3:PutObject',
                NotResource: ['arn:aws:s3:::archive/main/state/*'],
                Condition: {
                  Null: { 's3:if-none-match': 'true' },
                  Bool: { 's3:ObjectCreationOperation': 'true' },
                  ArnNotEquals: { 'aws:PrincipalArn': principalArn('repair') },
                },
              },
            ],
          },
        },
      },
    },
    literally,
  );
  const whole = { 's3:ObjectCreationOperation': 'true' };
  const write = { action: 's3:PutObject', resource: 'arn:aws:s3:::archive/main/instances/x', accessKeyId: 'anybody' };

  test.each([
    ['a write that might overwrite', { ...write, conditions: whole }, true],
    [
      'a write on the condition that there is nothing',
      { ...write, conditions: { ...whole, 's3:if-none-match': '*' } },
      false,
    ],
    ['a part of an upload', { ...write, conditions: { 's3:ObjectCreationOperation': 'false' } }, false],
    [
      'a write of state',
      { ...write, resource: 'arn:aws:s3:::archive/main/state/lease.json', conditions: whole },
      false,
    ],
    ['a write by the role for repairs', { ...write, accessKeyId: 'repair', conditions: whole }, false],
    ['a write to another bucket', { ...write, resource: 'arn:aws:s3:::inbox/new/x', conditions: whole }, false],
    ['a read', { ...write, action: 's3:GetObject' }, false],
  ])('on %s: denied %s', (_what, request, denied) => {
    expect(denials.some((denial) => isDeniedBy(denial, request))).toBe(denied);
  });
});
