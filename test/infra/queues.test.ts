import { Match } from 'aws-cdk-lib/assertions';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { plainConfiguration, SynthesizedStack } from './synthesize.ts';

const queueSchema = z.object({
  VisibilityTimeout: z.number().default(30),
  MessageRetentionPeriod: z.number(),
  SqsManagedSseEnabled: z.boolean(),
  RedrivePolicy: z.object({ maxReceiveCount: z.number() }).optional(),
});

function queuesOf(stack: SynthesizedStack) {
  const queues = stack.resources('AWS::SQS::Queue').map((properties) => queueSchema.parse(properties));
  const queue = queues.find(({ RedrivePolicy }) => RedrivePolicy !== undefined);
  const deadLetters = queues.find(({ RedrivePolicy }) => RedrivePolicy === undefined);
  if (queue === undefined || deadLetters === undefined || queues.length !== 3) {
    throw new Error(`expected a queue, a dead-letter queue and one of failed invocations, found ${queues.length}`);
  }
  return { queue, deadLetters, queues };
}

test.each([30, 300, 900])(
  'with a transfer timeout of %i s a message stays invisible for at least six times as long',
  (timeoutSeconds) => {
    const stack = new SynthesizedStack({ ...plainConfiguration, cloud: { transfer: { timeoutSeconds } } });
    expect(queuesOf(stack).queue.VisibilityTimeout).toBeGreaterThanOrEqual(6 * timeoutSeconds);
  },
);

test('dead letters are kept longer than messages, because their age counts from the first queue', () => {
  const { queue, deadLetters } = queuesOf(new SynthesizedStack());
  expect(deadLetters.MessageRetentionPeriod).toBeGreaterThan(queue.MessageRetentionPeriod);
  expect(deadLetters.MessageRetentionPeriod).toBe(14 * 24 * 3600);
});

test('a message goes to the dead-letter queue after the configured number of deliveries', () => {
  expect(queuesOf(new SynthesizedStack()).queue.RedrivePolicy?.maxReceiveCount).toBe(8);
  const other = new SynthesizedStack({ ...plainConfiguration, cloud: { transfer: { maxReceiveCount: 3 } } });
  expect(queuesOf(other).queue.RedrivePolicy?.maxReceiveCount).toBe(3);
});

test('all queues are encrypted', () => {
  const { queues } = queuesOf(new SynthesizedStack());
  expect(queues.map(({ SqsManagedSseEnabled }) => SqsManagedSseEnabled)).toEqual([true, true, true]);
});

test('all queues are reached by TLS only', () => {
  const policies = new SynthesizedStack().template.findResources('AWS::SQS::QueuePolicy', {
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
  expect(Object.keys(policies)).toHaveLength(3);
});
