/** What becomes of messages before a store is asked for anything: no Lambda and no server is needed to say it. */
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Answered, Delivery } from '../../core/cloud/queue/deliveries.ts';
import { type BatchObserver, transferBatch } from '../../core/cloud/transfer/transfer-batch.ts';
import type { TransferDeployment } from '../../core/cloud/transfer/transfer-message.ts';
import { type ErrorCode, MirrorError } from '../../core/errors.ts';
import { sampleId } from '../support/memory-store.ts';

const maxReceiveCount = 5;
const pauseMs = 60_000;
const queue = { mirror: 'main', lane: 'new' } as const;

function delivery(n: number, receiveCount = 1, mirror = 'main'): Delivery {
  const body = JSON.stringify({ v: 1, mirror, kind: 'instance', id: sampleId(n) });
  return { body, receiptHandle: `${n}`, receiveCount };
}

/** A queue of `main` that remembers what it is asked for, and mirrors that are opened by `mirror`. */
function setUp(mirror: TransferDeployment['mirror'], queueIsAway = false) {
  const asked: string[] = [];
  const told: { readonly mirror: string; readonly answered: Answered }[] = [];
  const unanswered: { readonly delivery: Delivery; readonly error: unknown }[] = [];
  const note = async (what: string): Promise<void> => {
    if (queueIsAway) throw new MirrorError('unreachable', 'the queue is away');
    asked.push(what);
  };
  const deployment: TransferDeployment = {
    mirror,
    queue: () => ({ send: async () => undefined }),
    deliveries: () => ({
      postpone: (_, waitMs) => note(waitMs >= pauseMs / 2 ? 'postpone for long' : 'postpone'),
      sendAnew: () => note('send anew'),
      deadLetter: (_, { code }) => note(`dead letter ${code}`),
    }),
    deliveryLimits: { maxReceiveCount, backOff: { firstMs: 1000, lastMs: 2000 } },
    largeBytes: 1,
    pauseMs,
  };
  const observer: BatchObserver<Delivery> = {
    onInstance: () => undefined,
    onSidecar: () => undefined,
    onRestored: () => undefined,
    onSidecarRestored: () => undefined,
    onFinding: () => undefined,
    onAnswered: (of, _, answered) => void told.push({ mirror: of, answered }),
    onUnanswered: (one, error) => void unanswered.push({ delivery: one, error }),
  };
  const { signal } = new AbortController();
  const batch = (...deliveries: readonly Delivery[]) =>
    transferBatch({ queue, deliveries }, deployment, { signal, observer });
  return { asked, told, unanswered, batch };
}

const failing = (code: ErrorCode) => () => Promise.reject(new MirrorError(code, 'why'));

test('a message that names another mirror than its queue is a dead letter, told of the queue that it lay in', async () => {
  const { asked, told, batch } = setUp(failing('unreachable'));
  expect(await batch(delivery(1, 1, 'neighbour'))).toEqual([]);
  expect(asked).toEqual(['dead letter malformed-message']);
  expect(told).toMatchObject([{ mirror: 'main', answered: { message: { mirror: 'neighbour', id: sampleId(1) } } }]);
});

test.each<[string, ErrorCode, number, string, number]>([
  ['waits, when its mirror cannot be opened now', 'unreachable', 1, 'postpone for long', 1],
  ['waits however often that was', 'unreachable', maxReceiveCount, 'send anew', 0],
  ['waits for a secret that is wrong', 'unauthorized', maxReceiveCount, 'send anew', 0],
  ['is a dead letter, when there is no such mirror', 'unknown-mirror', 1, 'dead letter unknown-mirror', 0],
])('a message %s', async (_what, code, receiveCount, what, returned) => {
  const { asked, batch } = setUp(failing(code));
  expect([(await batch(delivery(1, receiveCount))).length, asked]).toEqual([returned, [what]]);
});

test('messages are worked on at once, but one that is in its last tries alone and last', async () => {
  const order: string[] = [];
  let open = 0;
  const { batch } = setUp(async () => {
    open += 1;
    order.push(`begins beside ${open - 1}`);
    await setImmediate();
    open -= 1;
    throw new MirrorError('refused', 'it is refused');
  });
  await batch(delivery(1, 4), delivery(2, 1), delivery(3, 3), delivery(4, 5));
  expect(order).toEqual(['begins beside 0', 'begins beside 1', 'begins beside 0', 'begins beside 0']);
});

test('each message is answered by itself, and told once', async () => {
  const { asked, told, batch } = setUp(failing('unknown-mirror'));
  expect(await batch(delivery(1), delivery(2))).toEqual([]);
  expect(asked).toEqual(['dead letter unknown-mirror', 'dead letter unknown-mirror']);
  expect(told.map(({ answered }) => answered.message?.id ?? '').toSorted()).toEqual(
    [sampleId(1), sampleId(2)].toSorted(),
  );
});

test('a message of which the queue learns nothing comes back', async () => {
  const { told, unanswered, batch } = setUp(failing('deadline'), true);
  const one = delivery(1);
  expect(await batch(one)).toEqual([one]);
  expect(told).toEqual([]);
  expect(unanswered).toMatchObject([{ delivery: one, error: { code: 'unreachable' } }]);
});
