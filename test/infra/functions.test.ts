import { Match } from 'aws-cdk-lib/assertions';
import { expect, test } from 'vitest';
import { plainConfiguration, type Statement, SynthesizedStack } from './synthesize.ts';

const stack = new SynthesizedStack();
const { template } = stack;

const resourcesOf = (statements: readonly Statement[], action: string): string[] =>
  statements.filter(({ Action }) => Action.includes(action)).map(({ Resource }) => JSON.stringify(Resource));

test('every function runs Node 24 on ARM with a configured timeout and memory', () => {
  const functions = stack.resources('AWS::Lambda::Function');
  expect(functions).toHaveLength(2);
  for (const properties of functions) {
    expect(properties).toMatchObject({
      Runtime: 'nodejs24.x',
      Architectures: ['arm64'],
      Timeout: 300,
      MemorySize: 1024,
    });
  }
});

test('every function has a role of its own', () => {
  const roles = stack.resources('AWS::Lambda::Function').map(({ Role }) => JSON.stringify(Role));
  expect(new Set(roles).size).toBe(roles.length);
});

test('every function writes to a log group of its own, whose lines are deleted after the configured time', () => {
  template.allResourcesProperties('AWS::Logs::LogGroup', { RetentionInDays: 90 });
  const groups = stack.resources('AWS::Lambda::Function').map(({ LoggingConfig }) => JSON.stringify(LoggingConfig));
  expect(groups.every((group) => group.includes('LogGroup'))).toBe(true);
  expect(new Set(groups).size).toBe(2);
});

test('the transfer function may add to the archive and read it', () => {
  expect(stack.actionsOf('Transfer')).toEqual(
    expect.arrayContaining(['s3:GetObject', 's3:ListBucket', 's3:PutObject']),
  );
});

test.each(['Transfer', 'Scheduler'] as const)(
  'the %s function may not delete from the archive, nor change its rules',
  (name) => {
    const s3Actions = stack.actionsOf(name).filter((action) => action.startsWith('s3:'));
    const harmless = ['s3:AbortMultipartUpload', 's3:GetObject', 's3:ListBucket', 's3:PutObject'];
    expect(s3Actions.filter((action) => !harmless.includes(action))).toEqual([]);
  },
);

test('the scheduler writes its state and the manifest of an archive, and no instance', () => {
  const resources = resourcesOf(stack.statementsOf('Scheduler'), 's3:PutObject').join();
  expect(resources).toContain('/main/state/*');
  expect(resources).toContain('/main/archive.json');
  expect(resources.match(/\/main\/|\/\*/g)).toHaveLength(3);
});

test('the scheduler fills the queue and cannot empty it', () => {
  const actions = stack.actionsOf('Scheduler');
  expect(actions).toContain('sqs:SendMessage');
  expect(actions).not.toContain('sqs:ReceiveMessage');
  expect(actions).not.toContain('sqs:DeleteMessage');
});

test.each(['Transfer', 'Scheduler'] as const)('the %s function may do nothing to all resources', (name) => {
  expect(stack.statementsOf(name).filter(({ Resource }) => Resource === '*')).toEqual([]);
});

test.each(['Transfer', 'Scheduler'] as const)(
  'the %s function reads the secrets that the configuration names, and no other',
  (name) => {
    const secrets = resourcesOf(stack.statementsOf(name), 'secretsmanager:GetSecretValue').join();
    expect(secrets).toContain(':secret:source-token-??????');
    expect(secrets).toContain(':secret:target-token-??????');
    expect(secrets.match(/:secret:/g)).toHaveLength(2);
  },
);

test('a secret of another account is read by its ARN, and its key may be used', () => {
  const arn = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:far-AbCdEf';
  const kmsKey = 'arn:aws:kms:eu-west-1:123456789012:key/0a1b';
  const source = { url: 'https://a/', auth: { bearer: { secretsManager: arn, kmsKey } } };
  const far = new SynthesizedStack({ mirrors: { main: { source, archive: {} } } });
  expect(resourcesOf(far.statementsOf('Transfer'), 'secretsmanager:GetSecretValue')).toEqual([JSON.stringify(arn)]);
  expect(resourcesOf(far.statementsOf('Transfer'), 'kms:Decrypt')).toEqual([JSON.stringify(kmsKey)]);
});

test('no function may use any key of KMS when no secret needs one', () => {
  expect(
    [...stack.actionsOf('Transfer'), ...stack.actionsOf('Scheduler')].filter((action) => action.startsWith('kms:')),
  ).toEqual([]);
});

test('the transfer function gets batches, reports which messages failed, and is bounded in number', () => {
  template.resourceCountIs('AWS::Lambda::EventSourceMapping', 1);
  template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
    BatchSize: 10,
    FunctionResponseTypes: ['ReportBatchItemFailures'],
    ScalingConfig: { MaximumConcurrency: 5 },
  });
});

test('batch size and concurrency follow the configuration', () => {
  const other = new SynthesizedStack({
    ...plainConfiguration,
    cloud: { transfer: { batchSize: 50, maxConcurrency: 20 } },
  });
  other.template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
    BatchSize: 50,
    MaximumBatchingWindowInSeconds: 1,
    ScalingConfig: { MaximumConcurrency: 20 },
  });
});

test('each mirror has a schedule, which names the mirror and nothing else', () => {
  const mirror = plainConfiguration.mirrors.main;
  const two = new SynthesizedStack({ mirrors: { main: mirror, other: { ...mirror, follow: { everyMinutes: 5 } } } });
  const scheduleOf = (expression: string, input: object): void =>
    two.template.hasResourceProperties('AWS::Scheduler::Schedule', {
      ScheduleExpression: expression,
      State: 'ENABLED',
      Target: Match.objectLike({ Input: JSON.stringify(input) }),
    });
  two.template.resourceCountIs('AWS::Scheduler::Schedule', 2);
  scheduleOf('rate(1 minute)', { mirror: 'main' });
  scheduleOf('rate(5 minutes)', { mirror: 'other' });
});

test('the environment of the functions names the bucket and the queues, and holds no secret', () => {
  const names = stack
    .resources('AWS::Lambda::Function')
    .map(({ Environment }) => Object.keys(Object(Object(Environment).Variables)));
  for (const variables of names) {
    expect(variables.toSorted()).toEqual([
      'NODE_OPTIONS',
      'ORTHANC_MIRROR_BUCKET',
      'ORTHANC_MIRROR_DEAD_LETTER_QUEUE_URL',
      'ORTHANC_MIRROR_QUEUE_URL',
      'POWERTOOLS_METRICS_NAMESPACE',
      'POWERTOOLS_SERVICE_NAME',
    ]);
  }
});

test('a configuration that cannot work in the cloud is refused before anything is synthesized', () => {
  const source = { url: 'https://a/', auth: { bearer: { env: 'TOKEN' } } };
  expect(() => new SynthesizedStack({ mirrors: { main: { source, archive: {} } } })).toThrow(
    'mirrors.main.source.auth.bearer',
  );
});
