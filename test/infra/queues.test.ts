import { Match } from 'aws-cdk-lib/assertions';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { fullConfiguration, plainConfiguration, SynthesizedStack } from './synthesize.ts';

const queueSchema = z.object({
  QueueName: z.string(),
  VisibilityTimeout: z.number().default(30),
  MessageRetentionPeriod: z.number(),
  KmsMasterKeyId: z.unknown(),
  RedrivePolicy: z.object({ deadLetterTargetArn: z.unknown(), maxReceiveCount: z.number() }).optional(),
});

function queuesOf(stack: SynthesizedStack): z.output<typeof queueSchema>[] {
  return stack.resources('AWS::SQS::Queue').map((properties) => queueSchema.parse(properties));
}

function queueNamed(stack: SynthesizedStack, name: string): z.output<typeof queueSchema> {
  const found = queuesOf(stack).find(({ QueueName }) => QueueName === name);
  if (found === undefined) throw new Error(`there is no queue ${name}`);
  return found;
}

const plain = new SynthesizedStack();
const full = new SynthesizedStack(fullConfiguration);

test('each mirror has a queue of its own, and another one for what arrives in its inbox', () => {
  expect(
    queuesOf(full)
      .map(({ QueueName }) => QueueName)
      .toSorted(),
  ).toEqual([
    'OrthancMirror_city_backlog',
    'OrthancMirror_city_inbox',
    'OrthancMirror_city_large',
    'OrthancMirror_city_new',
    'OrthancMirror_dead-letters',
    'OrthancMirror_failed-invocations',
    'OrthancMirror_harbour_backlog',
    'OrthancMirror_harbour_inbox',
    'OrthancMirror_harbour_large',
    'OrthancMirror_harbour_new',
    'OrthancMirror_inbox-dead-letters',
  ]);
  full.template.hasOutput('QueuesUrl', { Value: Match.objectLike({ 'Fn::Join': Match.anyValue() }) });
});

test('a name that is too long for a queue is refused before anything is synthesized', () => {
  const stackName = 'A'.repeat(65);
  expect(() => new SynthesizedStack({ ...plainConfiguration, cloud: { stackName } })).toThrow('cloud.stackName');
});

test.each([30, 300, 900])(
  'with a transfer timeout of %i s a message stays invisible for at least six times as long',
  (timeoutSeconds) => {
    const stack = new SynthesizedStack({ ...plainConfiguration, cloud: { transfer: { timeoutSeconds } } });
    const { VisibilityTimeout } = queueNamed(stack, 'OrthancMirror_main_new');
    expect(VisibilityTimeout).toBeGreaterThanOrEqual(6 * timeoutSeconds);
  },
);

test('a message of a large instance stays invisible for six times the longest time of a function', () => {
  expect(queueNamed(plain, 'OrthancMirror_main_large').VisibilityTimeout).toBe(6 * 900);
});

test('dead letters are kept longer than messages, because their age counts from the first queue', () => {
  const { MessageRetentionPeriod: kept } = queueNamed(plain, 'OrthancMirror_dead-letters');
  expect(kept).toBeGreaterThan(queueNamed(plain, 'OrthancMirror_main_new').MessageRetentionPeriod);
  expect(kept).toBe(14 * 24 * 3600);
});

test('a message goes to the dead-letter queue after the configured number of deliveries', () => {
  expect(queueNamed(plain, 'OrthancMirror_main_new').RedrivePolicy?.maxReceiveCount).toBe(8);
  const other = new SynthesizedStack({ ...plainConfiguration, cloud: { transfer: { maxReceiveCount: 3 } } });
  expect(queueNamed(other, 'OrthancMirror_main_new').RedrivePolicy?.maxReceiveCount).toBe(3);
});

test('all queues are encrypted by the customer managed key', () => {
  const keys = queuesOf(full).map(({ KmsMasterKeyId }) => JSON.stringify(KmsMasterKeyId));
  expect(new Set(keys)).toEqual(new Set([expect.stringMatching(/^\{"Fn::GetAtt":\["Key\w+","Arn"\]\}$/)]));
});

test('with a key of your own the queues are encrypted by that', () => {
  const kmsKey = 'arn:aws:kms:eu-west-1:123456789012:key/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f';
  const own = new SynthesizedStack({ ...plainConfiguration, cloud: { encryption: { kmsKey } } });
  expect(queuesOf(own).map(({ KmsMasterKeyId }) => KmsMasterKeyId)).toEqual(Array(5).fill(kmsKey));
});

/** Services that the policy of the key lets in, with the condition. */
function usersOfKey(stack: SynthesizedStack): string[] {
  const [key] = stack.resources('AWS::KMS::Key');
  return JSON.stringify(key?.KeyPolicy).match(/(?:s3|sns)\.amazonaws\.com/g) ?? [];
}

test('S3 and SNS may put what the key encrypts on queues where they have to, for this account', () => {
  expect(usersOfKey(full)).toEqual(['s3.amazonaws.com', 'sns.amazonaws.com']);
  expect(usersOfKey(plain)).toEqual([]);
  full.template.hasResourceProperties('AWS::KMS::Key', {
    KeyPolicy: {
      Statement: Match.arrayWith([
        Match.objectLike({
          Principal: { Service: 's3.amazonaws.com' },
          Action: ['kms:Decrypt', 'kms:GenerateDataKey'],
          Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
        }),
        Match.objectLike({
          Principal: { Service: 'sns.amazonaws.com' },
          Action: ['kms:Decrypt', 'kms:GenerateDataKey'],
          Condition: { ArnLike: { 'aws:SourceArn': Match.anyValue() } },
        }),
      ]),
    },
  });
});

test.each(['Scheduler', 'Transfer', 'LargeTransfer', 'Verifier', 'Status', 'Webhook', 'InboxTaker'] as const)(
  'the %s function uses the key for messages through SQS only',
  (name) => {
    const [statement] = full.statementsOf(name).filter(({ Sid }) => Sid === 'EncryptMessages');
    expect(statement).toMatchObject({
      Action: ['kms:Decrypt', 'kms:GenerateDataKey'],
      Condition: {
        StringEquals: { 'kms:ViaService': { 'Fn::Join': ['', ['sqs.', expect.anything(), '.', expect.anything()]] } },
      },
    });
  },
);

test('all queues are reached by TLS only', () => {
  const policies = plain.template.findResources('AWS::SQS::QueuePolicy', {
    Properties: {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Effect: 'Deny',
            Action: 'sqs:*',
            Condition: { Bool: { 'aws:SecureTransport': 'false' } },
          }),
        ]),
      },
    },
  });
  expect(Object.keys(policies)).toHaveLength(5);
});
