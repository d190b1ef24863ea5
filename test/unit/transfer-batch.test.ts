/** What the transfer function does with a batch, beside copying. */
import { setImmediate } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { validateConfiguration } from '../../core/config/load.ts';
import { MirrorError } from '../../core/errors.ts';
import type { Deployment } from '../../lambdas/deployment.ts';
import type { LambdaDelivery } from '../../lambdas/sqs-event.ts';
import { transferBatch } from '../../lambdas/transfer-batch.ts';
import { sampleId } from '../support/memory-store.ts';

const counted = vi.hoisted(() => [] as (readonly [string, number, object])[]);
vi.mock('../../lambdas/metrics-emitter.ts', () => ({
  count: (...what: readonly [string, number, object]) => void counted.push(what),
}));
const logged = vi.hoisted(() => [] as (readonly [string, string, Readonly<Record<string, unknown>>])[]);
vi.mock('../../lambdas/telemetry.ts', () => ({
  log: (...what: readonly [string, string, Readonly<Record<string, unknown>>]) => void logged.push(what),
  logFinding: () => undefined,
  errorFields: (error: MirrorError) => ({ code: error.code }),
}));

const configuration = validateConfiguration(
  { mirrors: { main: { source: { url: 'https://source.example.org/' }, archive: {} } } },
  'the test',
);

function delivery(n: number, receiveCount = 1, mirror = 'main'): LambdaDelivery {
  const body = JSON.stringify({ v: 1, mirror, kind: 'instance', id: sampleId(n) });
  return { messageId: `message ${n}`, receiptHandle: `${n}`, receiveCount, body };
}

/** A deployment whose mirrors are opened by `mirror`, and a queue that remembers what it was asked for. */
function setUp(mirror: Deployment['mirror'], queueFails = false) {
  counted.length = 0;
  logged.length = 0;
  const asked: string[] = [];
  const note = (what: string) => async (one: { readonly receiptHandle: string }) => {
    if (queueFails) throw new MirrorError('unreachable', 'the queue is away');
    asked.push(`${what} ${one.receiptHandle}`);
  };
  const nothing = () => Promise.reject(new Error('nobody asks for that'));
  const deployment: Deployment = {
    configuration,
    secrets: nothing as unknown as Deployment['secrets'],
    queueDepths: nothing,
    queueLeft: nothing,
    sendTexts: nothing,
    queue: () => {
      throw new Error('nothing is forwarded');
    },
    largeBytes: 1,
    deliveries: () => ({ postpone: note('postpone'), sendAnew: note('renew'), deadLetter: note('dead letter') }),
    deliveryLimits: { maxReceiveCount: 5, backOff: { firstMs: 1000, lastMs: 60_000 } },
    inboxBucket: undefined,
    mirror,
  };
  const batch = (...deliveries: readonly LambdaDelivery[]) =>
    transferBatch({ queue: { mirror: 'main', lane: 'new' }, deliveries }, deployment, new AbortController().signal);
  return { asked, batch };
}

const failing = (error: MirrorError) => () => Promise.reject(error);
const deadline = new MirrorError('deadline', 'no time left');

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

test('what the end of the invocation cut off is counted for its mirror, and what was not is counted as none', async () => {
  const { batch } = setUp(failing(deadline));
  await batch(delivery(1));
  expect(counted).toContainEqual(['TransferDeadlineHits', 1, { mirror: 'main' }]);
  const other = setUp(failing(new MirrorError('refused', 'it is refused')));
  await other.batch(delivery(1));
  expect(counted).toContainEqual(['TransferDeadlineHits', 0, { mirror: 'main' }]);
});

test('each message is settled by itself, counted once and logged once', async () => {
  const { asked, batch } = setUp(failing(new MirrorError('unknown-mirror', 'it is not configured')));
  const returned = await batch(delivery(1), delivery(2));
  expect([returned, asked.toSorted()]).toEqual([[], ['dead letter 1', 'dead letter 2']]);
  expect(counted.filter(([metric]) => metric === 'DeadLettered')).toEqual([
    ['DeadLettered', 1, { mirror: 'main' }],
    ['DeadLettered', 1, { mirror: 'main' }],
  ]);
  expect(logged.map(([level, what, { messageId }]) => [level, what, messageId]).toSorted()).toEqual([
    ['warn', 'message settled', 'message 1'],
    ['warn', 'message settled', 'message 2'],
  ]);
});

test('a message that names another mirror than its queue becomes a dead letter, and counts for no mirror', async () => {
  const { asked, batch } = setUp(failing(deadline));
  await batch(delivery(1, 1, 'constructor'));
  expect(asked).toEqual(['dead letter 1']);
  expect(counted).toContainEqual(['DeadLettered', 1, {}]);
});

test('a message of which the queue learns nothing comes back', async () => {
  const { batch } = setUp(failing(deadline), true);
  const one = delivery(1);
  expect(await batch(one)).toEqual([one]);
  expect(logged).toMatchObject([
    ['error', 'message could not be settled', { messageId: 'message 1', code: 'unreachable' }],
  ]);
});
