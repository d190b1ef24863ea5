/** What the transfer function counts of a message. */
import { beforeEach, expect, test, vi } from 'vitest';
import { type ErrorCode, MirrorError } from '../../core/errors.ts';
import { sampleId } from '../support/memory-store.ts';

const counted = vi.hoisted(() => [] as (readonly [string, number, object])[]);
vi.mock('../../lambdas/metrics-emitter.ts', () => ({
  count: (...what: readonly [string, number, object]) => void counted.push(what),
}));
vi.mock('../../lambdas/telemetry.ts', () => ({
  log: () => undefined,
  logFinding: () => undefined,
  errorFields: () => ({}),
  settledFields: () => ({}),
}));
const { transferObserver } = await import('../../lambdas/transfer-telemetry.ts');

beforeEach(() => {
  counted.length = 0;
});

const delivery = { messageId: 'one', body: '', receiptHandle: '', receiveCount: 1 };
const message = { v: 1, mirror: 'main', kind: 'instance', id: sampleId(1) } as const;

test.each<[string, ErrorCode | undefined, number]>([
  ['was cut off by the end of the invocation', 'deadline', 1],
  ['failed', 'unreachable', 0],
  ['is done', undefined, 0],
])('a message that %s counts as settled, and as cut off or not', (_, code, cutOff) => {
  const error = code && new MirrorError(code, 'why');
  const verdict = error === undefined ? ({ kind: 'done' } as const) : ({ kind: 'return', waitMs: 1 } as const);
  transferObserver.onSettled('main', delivery, { message, verdict, error });
  expect(counted).toEqual([
    [error === undefined ? 'Settled' : 'Retried', 1, { mirror: 'main' }],
    ['TransferDeadlineHits', cutOff, { mirror: 'main' }],
  ]);
});
