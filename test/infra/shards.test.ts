/** The state machine of the stack: its form, who may do what, and that there is none unless it is configured. */
import { expect, test } from 'vitest';
import { shardStates } from '../../infra/shard-states.ts';
import { stateMachineSchema } from '../support/states/language.ts';
import { plainConfiguration, SynthesizedStack } from './synthesize.ts';

const options = { functionArn: 'worker', bucketName: 'bucket', maxConcurrency: 3, shardsPerInvocation: 2 };
const states = shardStates(options);

test('the definition keeps the rules of Amazon States Language', () => {
  expect(() => stateMachineSchema.parse(states)).not.toThrow();
});

const { Plan, Shards } = states.States;
test.each([
  ['a state that is not there', { ...states, StartAt: 'Elsewhere' }],
  ['a state that nothing leads to', { ...states, States: { ...states.States, Lost: Shards } }],
  ['a state without an end', { ...states, States: { Plan, Shards: { ...Shards, End: undefined } } }],
  ['a state with two ends', { ...states, States: { Plan: { ...Plan, End: true }, Shards } }],
  ['a field that there is not', { ...states, States: { Plan: { ...Plan, Retries: 3 }, Shards } }],
  ['a path that is none', { ...states, States: { Plan: { ...Plan, ResultSelector: { 'x.$': 'Payload' } }, Shards } }],
  [
    'every error among others',
    { ...states, States: { Plan: { ...Plan, Retry: [{ ErrorEquals: ['States.ALL', 'X'] }] }, Shards } },
  ],
  [
    'a longest pause below the first',
    {
      ...states,
      States: { Plan: { ...Plan, Retry: [{ ErrorEquals: ['X'], IntervalSeconds: 9, MaxDelaySeconds: 9 }] }, Shards },
    },
  ],
])('%s would be noticed', (_, wrong) => {
  expect(stateMachineSchema.safeParse(wrong).success).toBe(false);
});

test('there is none unless it is configured', () => {
  const without = new SynthesizedStack();
  expect(without.resources('AWS::StepFunctions::StateMachine')).toEqual([]);
  expect(without.resources('AWS::Lambda::Function', 'Shards')).toEqual([]);
});

test('the state machine may invoke its function, read the list of shards and write results, and nothing else', () => {
  const stack = new SynthesizedStack({ ...plainConfiguration, cloud: { distributedMap: { maxConcurrency: 9 } } });
  expect(stack.resources('AWS::StepFunctions::StateMachine')).toMatchObject([
    { StateMachineName: 'OrthancMirror-shards', StateMachineType: 'STANDARD' },
  ]);
  expect(stack.resources('AWS::Lambda::Function', 'Shards')).toMatchObject([
    { Timeout: 900, ReservedConcurrentExecutions: 10 },
  ]);
  const statements = stack.statementsOf('Shards');
  expect(statements.map(({ Sid }) => Sid)).toEqual([
    'InvokeFunctions',
    'ReadShards',
    'WriteShardResults',
    'DecryptArchive',
    'EncryptArchive',
    'StartShards',
    'FollowShards',
  ]);
  const written = statements.find(({ Sid }) => Sid === 'WriteShardResults');
  expect(JSON.stringify(written?.Resource)).toMatch(/\/main\/state\/shards\/\*"/);
  const ofWorker = stack.actionsOf('ShardsWorker');
  expect(ofWorker).toEqual(expect.arrayContaining(['s3:PutObject', 'sqs:SendMessage']));
  expect(ofWorker.filter((action) => /Delete|Receive/.test(action))).toEqual([]);
});
