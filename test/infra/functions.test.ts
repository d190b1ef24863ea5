import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  fullConfiguration,
  plainConfiguration,
  type RoleName,
  type Statement,
  SynthesizedStack,
} from './synthesize.ts';

const stack = new SynthesizedStack();
const allFunctions = ['Transfer', 'Scheduler', 'Verifier', 'Status'] as const;
const { template } = stack;

const resourcesOf = (statements: readonly Statement[], action: string): string[] =>
  statements.filter(({ Action }) => Action.includes(action)).map(({ Resource }) => JSON.stringify(Resource));

/** What a role may write in the bucket, as patterns of keys. */
const writtenKeys = (name: RoleName): string[] =>
  (
    resourcesOf(stack.statementsOf(name), 's3:PutObject')
      .join()
      .match(/"\/[^"]*"/g) ?? []
  )
    .map((text) => text.slice(1, -1))
    .toSorted();

test('every function runs Node 24 on ARM with a configured timeout and memory', () => {
  const functions = stack.resources('AWS::Lambda::Function');
  expect(functions.map(({ Timeout, MemorySize }) => [Timeout, MemorySize])).toEqual([
    [300, 1024],
    [300, 1024],
    [900, 1024],
    [900, 1024],
    [300, 512],
  ]);
  for (const properties of functions) {
    expect(properties).toMatchObject({ Runtime: 'nodejs24.x', Architectures: ['arm64'] });
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
  expect(new Set(groups).size).toBe(5);
});

test('the transfer function may add to the archive and read it', () => {
  expect(stack.actionsOf('Transfer')).toEqual(
    expect.arrayContaining(['s3:GetObject', 's3:ListBucket', 's3:PutObject']),
  );
});

test.each(allFunctions)('the %s function may not delete from the archive, nor change its rules', (name) => {
  const s3Actions = stack.actionsOf(name).filter((action) => action.startsWith('s3:'));
  const harmless = ['s3:AbortMultipartUpload', 's3:GetObject', 's3:ListBucket', 's3:PutObject'];
  expect(s3Actions.filter((action) => !harmless.includes(action))).toEqual([]);
});

test('the scheduler writes its state, the history and the manifest of an archive, and no instance', () => {
  expect(writtenKeys('Scheduler')).toEqual(['/main/archive.json', '/main/history/*', '/main/state/*']);
});

test('the transfer function writes what is archived and what a replacement leaves, and no manifest, cursor or restore job', () => {
  expect(writtenKeys('Transfer')).toEqual([
    '/main/attachments/*',
    '/main/history/*',
    '/main/instances/*',
    '/main/patients/*',
    '/main/reports/replaced/*',
    '/main/state/pause.json',
    '/main/state/repair/*',
    '/main/studies/*',
  ]);
});

test('the inbox adds instances to an archive and records which count, and nothing else', () => {
  const taken = new SynthesizedStack({ ...plainConfiguration, cloud: { inbox: {} } });
  const written = resourcesOf(taken.statementsOf('InboxTaker'), 's3:PutObject').join();
  expect(written.match(/"\/main\/[^"]*"/g)).toEqual([
    '"/main/archive.json"',
    '"/main/history/*"',
    '"/main/instances/*"',
  ]);
});

test('no function may write what authorizes a restore', () => {
  const full = new SynthesizedStack(fullConfiguration);
  for (const name of ['Scheduler', 'Transfer', 'Verifier', 'Status', 'Webhook', 'InboxTaker', 'Schedules'] as const) {
    const written = resourcesOf(full.statementsOf(name), 's3:PutObject').join();
    expect(written).not.toMatch(/jobs/);
    // A pattern that begins with a wildcard would cover it.
    expect(written).not.toMatch(/Arn"\]\},"\/\*|\/(?:city|harbour)\/\*/);
  }
});

test.each([
  ['Verifier', ['/main/reports/verify/*', '/main/state/verify-*']],
  ['Status', ['/main/reports/status.*', '/main/state/status*']],
] as const)('the %s function writes its progress and its reports, and no instance', (name, keys) => {
  expect(writtenKeys(name)).toEqual(keys);
});

test('the verifier and the status function send nothing to the queue', () => {
  for (const name of ['Verifier', 'Status'] as const) {
    const queues = resourcesOf(stack.statementsOf(name), 'sqs:SendMessage').join();
    expect(queues).toMatch(/^\{"Fn::GetAtt":\["QueuesFailedInvocations\w+","Arn"\]\}$/);
  }
});

test('the scheduler fills the queue and cannot empty it', () => {
  const actions = stack.actionsOf('Scheduler');
  expect(actions).toContain('sqs:SendMessage');
  expect(actions).not.toContain('sqs:ReceiveMessage');
  expect(actions).not.toContain('sqs:DeleteMessage');
});

test.each([...allFunctions, 'Schedules'] as const)('the role of %s may do nothing to all resources', (name) => {
  expect(stack.statementsOf(name).filter(({ Resource }) => Resource === '*')).toEqual([]);
});

test.each(['Transfer', 'Scheduler', 'Verifier', 'Status'] as const)(
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
  expect(resourcesOf(far.statementsOf('Transfer'), 'kms:Decrypt')).toContain(JSON.stringify(kmsKey));
});

test.each(allFunctions)(
  'the %s function may use the key of the stack, and no other when no secret needs one',
  (name) => {
    const statements = stack
      .statementsOf(name)
      .filter(({ Action }) => Action.some((action) => action.startsWith('kms:')));
    const keys = new Set(statements.map(({ Resource }) => JSON.stringify(Resource)));
    expect([...keys]).toEqual([expect.stringMatching(/^\{"Fn::GetAtt":\["Key\w+","Arn"\]\}$/)]);
    const harmless = ['kms:Decrypt', 'kms:GenerateDataKey'];
    expect(statements.flatMap(({ Action }) => Action).filter((action) => !harmless.includes(action))).toEqual([]);
  },
);

test('no more invocations of the transfer function are set apart than its event source starts', () => {
  const [transfer] = stack.resources('AWS::Lambda::Function', 'Transfer');
  expect(transfer).toMatchObject({ ReservedConcurrentExecutions: 8 });
  const [large] = stack.resources('AWS::Lambda::Function', 'LargeTransfer');
  expect(large).toMatchObject({ ReservedConcurrentExecutions: 2 });
});

test('the transfer function gets batches, reports which messages failed, and is bounded in number', () => {
  template.resourceCountIs('AWS::Lambda::EventSourceMapping', 3);
  template.allResourcesProperties('AWS::Lambda::EventSourceMapping', {
    FunctionResponseTypes: ['ReportBatchItemFailures'],
  });
  for (const [BatchSize, MaximumConcurrency] of [
    [10, 2],
    [10, 6],
    [1, 2],
  ]) {
    template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      BatchSize,
      ScalingConfig: { MaximumConcurrency },
    });
  }
});

test('batch size and concurrency follow the configuration', () => {
  const other = new SynthesizedStack({
    ...plainConfiguration,
    cloud: { transfer: { batchSize: 50, maxConcurrency: 12 } },
  });
  other.template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
    BatchSize: 50,
    MaximumBatchingWindowInSeconds: 1,
    ScalingConfig: { MaximumConcurrency: 8 },
  });
});

describe('each mirror has its own share of the functions', () => {
  const serverAt = (name: string, more = {}) => ({ url: `https://${name}.example.org/`, ...more });
  const mirrors = {
    north: { source: serverAt('north'), archive: {}, follow: { everyMinutes: 5 } },
    south: { source: serverAt('south', { maxConnections: 7 }), archive: {} },
  };
  const cloud = { inbox: { timeoutSeconds: 300 }, scheduler: { timeoutSeconds: 300 }, status: { everyMinutes: 1 } };
  const two = new SynthesizedStack({ mirrors, cloud });
  const reservedOf = (name: string) =>
    two.resources('AWS::Lambda::Function', name).map(({ ReservedConcurrentExecutions: most }) => most);

  test('of copying: a queue and an event source each, and all of them find their place', () => {
    const sources = two.resources('AWS::Lambda::EventSourceMapping');
    const shares = sources.map(({ EventSourceArn, ScalingConfig }) => [
      /Queues(\w+?)Queue/.exec(JSON.stringify(EventSourceArn))?.[1],
      ScalingConfig,
    ]);
    expect(Object.fromEntries(shares)).toEqual({
      newnorth: { MaximumConcurrency: 2 },
      newsouth: { MaximumConcurrency: 2 },
      backlognorth: { MaximumConcurrency: 6 },
      // Together as many as its source allows connections.
      backlogsouth: { MaximumConcurrency: 3 },
      largenorth: { MaximumConcurrency: 2 },
      largesouth: { MaximumConcurrency: 2 },
      inboxnorth: { MaximumConcurrency: 5 },
      inboxsouth: { MaximumConcurrency: 5 },
    });
    expect(reservedOf('Transfer')).toEqual([13]);
    expect(reservedOf('LargeTransfer')).toEqual([4]);
    expect(reservedOf('InboxTaker')).toEqual([11]);
  });

  test('of schedules: as many invocations as can be under way when those of every mirror use up their time', () => {
    // North every five minutes: two; south every minute: six. Measured every minute for at most five: six of each.
    expect(reservedOf('Scheduler')).toEqual([8]);
    expect(reservedOf('Status')).toEqual([12]);
    expect(reservedOf('Verifier')).toEqual([2]);
  });

  test('mirrors that name one server share what it bears', () => {
    const standby = serverAt('standby', { maxConnections: 14 });
    const shared = new SynthesizedStack({
      mirrors: {
        north: { ...mirrors.north, targets: { standby } },
        south: { ...mirrors.north, targets: { standby: { ...standby, url: 'https://standby.example.org/south/' } } },
      },
    });
    const most = shared
      .resources('AWS::Lambda::EventSourceMapping')
      .map(({ ScalingConfig }) => z.object({ MaximumConcurrency: z.number() }).parse(ScalingConfig).MaximumConcurrency);
    expect(most.toSorted((one, other) => one - other)).toEqual([2, 2, 2, 2, 3, 3]);
  });

  test('a server that bears fewer connections than Lambda starts functions is refused', () => {
    const narrow = { mirrors: { south: { source: serverAt('south', { maxConnections: 5 }), archive: {} } } };
    expect(() => new SynthesizedStack(narrow)).toThrow('mirrors.south.source.maxConnections');
  });
});

test('each mirror is followed, measured and read back by schedules that name the mirror and nothing else', () => {
  const mirror = plainConfiguration.mirrors.main;
  const two = new SynthesizedStack({ mirrors: { main: mirror, other: { ...mirror, follow: { everyMinutes: 5 } } } });
  const scheduleOf = (expression: string, input: object): void =>
    two.template.hasResourceProperties('AWS::Scheduler::Schedule', {
      ScheduleExpression: expression,
      State: 'ENABLED',
      Target: Match.objectLike({ Input: JSON.stringify(input) }),
    });
  two.template.resourceCountIs('AWS::Scheduler::Schedule', 6);
  scheduleOf('rate(1 minute)', { mirror: 'main' });
  scheduleOf('rate(5 minutes)', { mirror: 'other' });
  scheduleOf('rate(1 hour)', { mirror: 'main' });
});

test('the environment of the functions names the bucket and the queues, and holds no secret', () => {
  const names = stack
    .resources('AWS::Lambda::Function')
    .map(({ Environment }) => Object.keys(Object(Object(Environment).Variables)));
  for (const variables of names) {
    expect(variables.toSorted()).toEqual([
      'NODE_OPTIONS',
      'ORTHANC_MIRROR_BUCKET',
      'ORTHANC_MIRROR_QUEUES_URL',
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
