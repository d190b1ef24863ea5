import { expect, test } from 'vitest';
import { answerBatch } from '../../core/cloud/queue/answer-batch.ts';
import {
  answerDelivery,
  type DeadLetterReason,
  type Delivery,
  type DeliveryQueue,
} from '../../core/cloud/queue/deliveries.ts';
import { type ErrorCode, MirrorError } from '../../core/errors.ts';

const limits = { maxReceiveCount: 8, backOff: { firstMs: 1000, lastMs: 60_000 } };
const id = '01234567-89abcdef-01234567-89abcdef-01234567';
const body = JSON.stringify({ v: 1, mirror: 'main', kind: 'instance', id });

/** A queue that remembers what it was asked for. */
function recordingQueue() {
  const asked: string[] = [];
  const reasons: DeadLetterReason[] = [];
  const queue: DeliveryQueue = {
    postpone: async ({ receiptHandle }) => void asked.push(`postpone ${receiptHandle}`),
    sendAnew: async ({ receiptHandle }) => void asked.push(`send anew ${receiptHandle}`),
    deadLetter: async ({ receiptHandle }, reason) => {
      asked.push(`dead letter ${receiptHandle}`);
      reasons.push(reason);
    },
  };
  return { asked, reasons, queue };
}

function failWith(code: ErrorCode): () => Promise<void> {
  return () => Promise.reject(new MirrorError(code, 'why'));
}

test.each<[string, () => Promise<void>, number, string, string[]]>([
  ['that succeeds asks nothing of the queue', async () => undefined, 1, 'done', []],
  ['that fails for now is postponed', failWith('unreachable'), 1, 'return', ['postpone a']],
  ['that fails for good becomes a dead letter', failWith('refused'), 1, 'dead-letter', ['dead letter a']],
  ['that fails for the last time becomes a dead letter', failWith('unreachable'), 8, 'dead-letter', ['dead letter a']],
  ['of a halted mirror is sent anew at last', failWith('unauthorized'), 8, 'renew', ['send anew a']],
])('a delivery %s', async (_what, work, receiveCount, verdict, asked) => {
  const recording = recordingQueue();
  const answered = await answerDelivery({ body, receiptHandle: 'a', receiveCount }, work, recording.queue, limits);
  expect(answered.verdict.kind).toBe(verdict);
  expect(recording.asked).toEqual(asked);
});

test('an error that is none of ours comes back, and its words reach neither queue nor reason', async () => {
  const { queue, reasons } = recordingQueue();
  const work = () => Promise.reject(new Error('DOE^JANE'));
  const answered = await answerDelivery({ body, receiptHandle: 'a', receiveCount: 8 }, work, queue, limits);
  expect(answered.verdict.kind).toBe('dead-letter');
  expect(JSON.stringify([reasons, answered.error?.message])).not.toContain('DOE');
});

test('a delivery that cannot be answered is not acknowledged', async () => {
  const delivery = { body, receiptHandle: 'a', receiveCount: 1 };
  const unanswered: unknown[] = [];
  const answer = () => Promise.reject(new MirrorError('unreachable', 'SQS is away'));
  const returned = await answerBatch([delivery], 8, answer, (_delivery, error) => unanswered.push(error));
  expect(returned).toEqual([delivery]);
  expect(unanswered).toMatchObject([{ code: 'unreachable' }]);
});

test('of a batch only what is to come back is returned', async () => {
  const deliveries = ['a', 'b', 'c', 'd'].map((receiptHandle) => ({ body, receiptHandle, receiveCount: 1 }));
  const { queue } = recordingQueue();
  const returned = await answerBatch(
    deliveries,
    limits.maxReceiveCount,
    (delivery) =>
      answerDelivery(
        delivery,
        'bd'.includes(delivery.receiptHandle) ? failWith('busy') : async () => undefined,
        queue,
        limits,
      ),
    () => undefined,
  );
  expect(returned.map(({ receiptHandle }) => receiptHandle).toSorted()).toEqual(['b', 'd']);
});

test('fresh deliveries are worked on together, suspects after them and alone', async () => {
  const deliveries = [7, 1, 8, 2, 6].map((receiveCount) => ({ body, receiptHandle: `${receiveCount}`, receiveCount }));
  const running = new Set<Delivery>();
  const company: [number, number][] = [];
  await answerBatch(
    deliveries,
    8,
    async (delivery) => {
      running.add(delivery);
      await new Promise(setImmediate);
      company.push([delivery.receiveCount, running.size]);
      await new Promise(setImmediate);
      running.delete(delivery);
      return { message: undefined, verdict: { kind: 'done' }, error: undefined };
    },
    () => undefined,
  );
  expect(company).toEqual([
    [1, 3],
    [2, 3],
    [6, 3],
    [7, 1],
    [8, 1],
  ]);
});
