/** The inbox of the stack: who is told, who may do what. */
import { beforeAll, expect, test } from 'vitest';
import { plainConfiguration, SynthesizedStack } from './synthesize.ts';

let stack: SynthesizedStack;

beforeAll(() => {
  stack = new SynthesizedStack({ ...plainConfiguration, cloud: { inbox: { keepDays: 9 } } });
});

test('without an inbox in the configuration there is none', () => {
  const without = new SynthesizedStack();
  expect(without.resources('AWS::S3::Bucket', 'Inbox')).toEqual([]);
  expect(without.resources('AWS::Lambda::Function', 'Inbox')).toEqual([]);
});

test('the bucket outlives the stack, is encrypted, keeps versions and tells each mirror of what arrives for it only', () => {
  expect(stack.resources('AWS::S3::Bucket', 'Inbox')).toMatchObject([
    {
      VersioningConfiguration: { Status: 'Enabled' },
      BucketEncryption: { ServerSideEncryptionConfiguration: [{ BucketKeyEnabled: true }] },
      NotificationConfiguration: {
        QueueConfigurations: [
          { Event: 's3:ObjectCreated:*', Filter: { S3Key: { Rules: [{ Name: 'prefix', Value: 'new/main/' }] } } },
        ],
      },
    },
  ]);
  expect(stack.resources('AWS::S3::Bucket', 'Inbox')[0]).not.toHaveProperty('LoggingConfiguration');
});

test('what was taken in or refused is deleted after the configured days, what has just arrived never', () => {
  const [bucket] = stack.resources('AWS::S3::Bucket', 'Inbox');
  expect(bucket?.LifecycleConfiguration).toMatchObject({
    Rules: [
      { Id: 'abort-uploads' },
      { Prefix: 'done/', ExpirationInDays: 9 },
      { Prefix: 'refused/', ExpirationInDays: 9 },
    ],
  });
});

test('only S3 of this account may tell of objects', () => {
  const policies = JSON.stringify(stack.resources('AWS::SQS::QueuePolicy', 'Queuesinbox'));
  expect(policies).toContain('"Condition":{"StringEquals":{"aws:SourceAccount":{"Ref":"AWS::AccountId"}}}');
  expect(policies).toContain('"Principal":{"Service":"s3.amazonaws.com"}');
});

test('the function may delete versions below new/ of the inbox and nothing else', () => {
  const deleting = stack.statementsOf('InboxTaker').filter(({ Action }) => Action.some((one) => /Delete/.test(one)));
  const actions = deleting.flatMap(({ Action }) => Action).filter((action) => /Delete/.test(action));
  expect(actions.toSorted()).toEqual(['s3:DeleteObjectVersion', 'sqs:DeleteMessage']);
  const resource = JSON.stringify(deleting.find(({ Sid }) => Sid === 'ClearInbox')?.Resource);
  expect(resource).toMatch(/InboxBucket.*\/new\/\*/);
});

test('it is looked through every hour for what S3 did not tell of', () => {
  const [schedule] = stack.resources('AWS::Scheduler::Schedule', 'SchedulesRelist');
  expect(schedule).toMatchObject({
    ScheduleExpression: 'rate(1 hour)',
    Target: { Input: '{"relist":{"olderThanMinutes":15}}', RetryPolicy: { MaximumRetryAttempts: 0 } },
  });
  expect(stack.actionsOf('InboxTaker')).toContain('s3:ListBucketVersions');
});

test('no other function is told of the inbox or may touch it', () => {
  for (const role of ['Scheduler', 'Transfer', 'Verifier', 'Status', 'Schedules'] as const) {
    expect(JSON.stringify(stack.statementsOf(role))).not.toMatch(/Inbox(?:Bucket|DeadLetters)|Queuesinbox/);
  }
});
