/** The function of the stack that opens archives: who gets through, and what it may do. */
import { expect, test } from 'vitest';
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
