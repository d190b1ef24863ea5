import { readFileSync } from 'node:fs';
import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { fullConfiguration, plainConfiguration, SynthesizedStack } from './synthesize.ts';

const stack = new SynthesizedStack(fullConfiguration);
const { template } = stack;

test('without a webhook in the configuration there is no function URL', () => {
  const plain = new SynthesizedStack(plainConfiguration);
  plain.template.resourceCountIs('AWS::Lambda::Url', 0);
  plain.template.resourceCountIs('AWS::Lambda::Permission', 0);
});

test('the webhook is the only function with a URL, beside the one that opens archives', () => {
  const targets = stack
    .resources('AWS::Lambda::Url')
    .map(({ TargetFunctionArn }) => /Webhook|Opener/.exec(JSON.stringify(TargetFunctionArn))?.[0]);
  expect(new Set(targets)).toEqual(new Set(['Opener', 'Webhook']));
  expect(targets).toHaveLength(2);
});

test('whoever calls the webhook can do so through its URL only', () => {
  const permissions = stack.resources('AWS::Lambda::Permission');
  expect(permissions).toHaveLength(2);
  template.hasResourceProperties('AWS::Lambda::Permission', { Action: 'lambda:InvokeFunctionUrl' });
  template.hasResourceProperties('AWS::Lambda::Permission', {
    Action: 'lambda:InvokeFunction',
    InvokedViaFunctionUrl: true,
  });
});

test('few requests are worked on at once, and each for a short time', () => {
  const [webhook] = stack.resources('AWS::Lambda::Function', 'Webhook');
  expect(webhook).toMatchObject({ ReservedConcurrentExecutions: 5, Timeout: 10 });
  const more = new SynthesizedStack({
    ...plainConfiguration,
    cloud: { webhook: { secret: { secretsManager: 'webhook' }, maxConcurrency: 20 } },
  });
  expect(more.resources('AWS::Lambda::Function', 'Webhook')).toMatchObject([{ ReservedConcurrentExecutions: 20 }]);
});

test('the webhook sees no archive and no credentials of a server: it knows its secrets and fills the queue', () => {
  const actions = new Set(stack.actionsOf('Webhook').filter((action) => !/^(?:ec2|logs):/.test(action)));
  expect([...actions].toSorted()).toEqual([
    'kms:Decrypt',
    'kms:GenerateDataKey',
    'secretsmanager:GetSecretValue',
    'sqs:SendMessage',
  ]);
  const keys = stack.statementsOf('Webhook').filter(({ Action }) => Action.some((action) => action.startsWith('kms:')));
  expect(keys.map(({ Sid }) => Sid)).toEqual(['EncryptMessages']);
  const secrets = stack.statementsOf('Webhook').filter(({ Sid }) => Sid === 'ReadWebhookSecrets');
  expect(JSON.stringify(secrets).match(/:secret:[\w/-]+/g)).toEqual([
    ':secret:orthanc-mirror/webhook-',
    ':secret:orthanc-mirror/webhook-before-',
  ]);
});

describe('a webhook whose callers AWS knows', () => {
  const withIam = new SynthesizedStack({ ...plainConfiguration, cloud: { webhook: { authentication: 'iam' } } });

  test('lets nobody through who does not sign for IAM, and grants nobody outside the account anything', () => {
    expect(withIam.resources('AWS::Lambda::Url')).toMatchObject([{ AuthType: 'AWS_IAM' }]);
    withIam.template.resourceCountIs('AWS::Lambda::Permission', 0);
  });

  test('reads no secret, and fills the queue only', () => {
    const actions = new Set(withIam.actionsOf('Webhook').filter((action) => !/^(?:ec2|logs):/.test(action)));
    expect([...actions].toSorted()).toEqual(['kms:Decrypt', 'kms:GenerateDataKey', 'sqs:SendMessage']);
  });

  test('needs two permissions of its callers, which the documentation shows as a policy', () => {
    const [, text = ''] = /```json\n(\{\n {2}"Version"[^`]+)```/.exec(readFileSync('docs/hooks.md', 'utf8')) ?? [];
    const statements = z.object({ Statement: z.array(z.looseObject({ Action: z.string() })) }).parse(JSON.parse(text));
    expect(statements.Statement).toMatchObject([
      {
        Action: 'lambda:InvokeFunctionUrl',
        Condition: { StringEquals: { 'lambda:FunctionUrlAuthType': 'AWS_IAM' } },
      },
      { Action: 'lambda:InvokeFunction', Condition: { Bool: { 'lambda:InvokedViaFunctionUrl': 'true' } } },
    ]);
  });

  test('needs and takes no secret, while another needs one', () => {
    const secret = { secretsManager: 'webhook' };
    const refusal = (webhook: unknown) => () => new SynthesizedStack({ ...plainConfiguration, cloud: { webhook } });
    expect(refusal({ authentication: 'iam', secret })).toThrow('cloud.webhook.secret: is of no use');
    expect(refusal({})).toThrow('cloud.webhook.secret: is missing');
  });
});

test('a webhook that knows its callers by a secret is open to the hooks, which cannot sign', () => {
  expect(stack.resources('AWS::Lambda::Url', 'Webhook')).toMatchObject([{ AuthType: 'NONE' }]);
});

test('the secrets of the webhook must lie in Secrets Manager', () => {
  const secret = { env: 'SECRET' };
  expect(() => new SynthesizedStack({ ...plainConfiguration, cloud: { webhook: { secret } } })).toThrow(
    'cloud.webhook.secret',
  );
});

test('the address of the webhook is told when it is deployed', () => {
  template.hasOutput('WebhookUrl', { Value: Match.objectLike({ 'Fn::GetAtt': Match.anyValue() }) });
});
