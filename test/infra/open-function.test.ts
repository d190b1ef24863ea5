/** The function of the stack that opens archives: who gets through, and what it may do. */
import { describe, expect, test } from 'vitest';
import { plainConfiguration, SynthesizedStack } from './synthesize.ts';

const stack = new SynthesizedStack({ ...plainConfiguration, cloud: { open: { maxConcurrency: 7 } } });

test('without `open` in the configuration nothing opens archives', () => {
  expect(new SynthesizedStack().resources('AWS::Lambda::Function', 'Opener')).toEqual([]);
});

test('AWS lets nobody through who does not sign, and the stack grants nobody anything', () => {
  expect(stack.resources('AWS::Lambda::Url')).toMatchObject([{ AuthType: 'AWS_IAM', InvokeMode: 'RESPONSE_STREAM' }]);
  expect(stack.resources('AWS::Lambda::Url')[0]).not.toHaveProperty('Cors');
  expect(stack.resources('AWS::Lambda::Permission')).toEqual([]);
});

test('it reads archives, and can write, delete and send nothing', () => {
  const names = stack.statementsOf('Opener').map(({ Sid }) => Sid);
  const ofEveryFunction = ['EncryptMessages', 'ReportFailure', 'WriteLog'];
  expect(names.filter((name) => !ofEveryFunction.includes(name)).toSorted()).toEqual([
    'DecryptArchive',
    'ListArchive',
    'ReadArchive',
  ]);
  const actions = stack.actionsOf('Opener').filter((action) => !/^(?:ec2|logs):/.test(action));
  const ofMessages = stack.statementsOf('Opener').find(({ Sid }) => Sid === 'EncryptMessages');
  expect(JSON.stringify(ofMessages?.Condition)).toContain('kms:ViaService');
  expect([...new Set(actions)]).toEqual([
    'kms:Decrypt',
    'kms:GenerateDataKey',
    's3:GetObject',
    's3:ListBucket',
    'sqs:SendMessage',
  ]);
});

test('as many requests as configured are answered at once', () => {
  expect(stack.resources('AWS::Lambda::Function', 'Opener')).toMatchObject([{ ReservedConcurrentExecutions: 7 }]);
});

describe('with an issuer of tokens', () => {
  const oidc = { issuer: 'https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Example', audience: 'readers' };
  const withTokens = new SynthesizedStack({ ...plainConfiguration, cloud: { open: { oidc } } });

  test('AWS lets every request reach the function that checks them, and no other function', () => {
    expect(withTokens.resources('AWS::Lambda::Url')).toMatchObject([{ AuthType: 'NONE' }]);
    const permissions = withTokens.resources('AWS::Lambda::Permission');
    expect(permissions.length).toBeGreaterThan(0);
    for (const permission of permissions) expect(JSON.stringify(permission)).toContain('Opener');
    for (const { Action } of permissions) {
      expect(['lambda:InvokeFunctionUrl', 'lambda:InvokeFunction']).toContain(Action);
    }
  });

  test('it may do no more than without', () => {
    expect(withTokens.actionsOf('Opener')).toEqual(stack.actionsOf('Opener'));
  });
});
