/** What becomes of messages before a store is asked for anything: no Lambda and no server is needed to say it. */
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Settled } from '../../core/cloud/queue/deliveries.ts';
import { type BatchObserver, transferBatch } from '../../core/cloud/transfer/transfer-batch.ts';
import type { TransferDeployment } from '../../core/cloud/transfer/transfer-message.ts';
import { type ErrorCode, MirrorError } from '../../core/errors.ts';
import { sampleId } from '../support/memory-store.ts';

const maxReceiveCount = 8;
const pauseMs = 60_000;
const queue = { mirror: 'main', lane: 'new' } as const;

const unused: TransferDeployment = {
  mirror: () => Promise.reject(new Error('no mirror is opened')),
  queue: () => ({ send: async () => undefined }),
  deliveries: () => ({
    postpone: async () => undefined,
    sendAnew: async () => undefined,
    deadLetter: async () => undefined,
  }),
  deliveryLimits: { maxReceiveCount, backOff: { firstMs: 1000, lastMs: 2000 } },
  largeBytes: 1,
  pauseMs,
};
const silent: BatchObserver<{ body: string; receiptHandle: string; receiveCount: number }> = {
  onInstance: () => undefined,
  onSidecar: () => undefined,
  onRestored: () => undefined,
  onSidecarRestored: () => undefined,
  onFinding: () => undefined,
  onSettled: () => undefined,
  onUnsettled: () => undefined,
};

/** Works on one message of the queue of `main` whose mirrors cannot be opened. @returns what the queue and the observer are told */
async function settle(message: { readonly mirror: string }, code: ErrorCode, receiveCount = 1) {
  const asked: string[] = [];
  const told: { readonly mirror: string; readonly settled: Settled }[] = [];
  const deployment: TransferDeployment = {
    ...unused,
    mirror: () => Promise.reject(new MirrorError(code, 'why')),
    deliveries: () => ({
      postpone: async (_, waitMs) => void asked.push(`postpone ${waitMs >= pauseMs ? 'for long' : ''}`.trim()),
      sendAnew: async () => void asked.push('send anew'),
      deadLetter: async (_, { code: why }) => void asked.push(`dead letter ${why}`),
    }),
  };
  const observer: typeof silent = {
    ...silent,
    onSettled: (mirror, _, settled) => void told.push({ mirror, settled }),
  };
  const body = JSON.stringify({ v: 1, kind: 'instance', id: sampleId(1), ...message });
  const deliveries = [{ body, receiptHandle: 'a', receiveCount }];
  const signal = new AbortController().signal;
  const returned = await transferBatch({ queue, deliveries }, deployment, { signal, observer });
  return { asked, told, returned: returned.length };
}

test('a message that names another mirror than its queue is a dead letter, told of the queue that it lay in', async () => {
  const { asked, told, returned } = await settle({ mirror: 'neighbour' }, 'unreachable');
  expect([asked, returned]).toEqual([['dead letter malformed-message'], 0]);
  expect(told).toMatchObject([{ mirror: 'main', settled: { message: { mirror: 'neighbour', id: sampleId(1) } } }]);
});

test.each<[string, ErrorCode, number, string, number]>([
  ['waits, when its mirror cannot be opened now', 'unreachable', 1, 'postpone for long', 1],
  ['waits however often that was', 'unreachable', maxReceiveCount, 'send anew', 0],
  ['waits for a secret that is wrong', 'unauthorized', maxReceiveCount, 'send anew', 0],
  ['is a dead letter, when there is no such mirror', 'unknown-mirror', 1, 'dead letter unknown-mirror', 0],
])('a message %s', async (_what, code, receiveCount, asked, returned) => {
  expect(await settle({ mirror: 'main' }, code, receiveCount)).toMatchObject({ asked: [asked], returned });
});

test('messages are worked on at once, but each that is in its last tries alone, and last', async () => {
  const others: number[] = [];
  let running = 0;
  const deployment: TransferDeployment = {
    ...unused,
    mirror: async () => {
      others.push(running);
      running += 1;
      await setImmediate();
      running -= 1;
      throw new MirrorError('refused', 'why');
    },
  };
  const deliveries = [maxReceiveCount - 1, 1, maxReceiveCount - 2, maxReceiveCount].map((receiveCount, n) => ({
    body: JSON.stringify({ v: 1, mirror: 'main', kind: 'instance', id: sampleId(n) }),
    receiptHandle: `${n}`,
    receiveCount,
  }));
  const { signal } = new AbortController();
  expect(await transferBatch({ queue, deliveries }, deployment, { signal, observer: silent })).toEqual([]);
  expect(others).toEqual([0, 1, 0, 0]);
});
