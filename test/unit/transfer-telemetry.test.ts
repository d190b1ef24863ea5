/** What the transfer function counts of the messages that it answered. */
import { expect, test, vi } from 'vitest';
import type { Answered } from '../../core/cloud/queue/deliveries.ts';
import { MirrorError } from '../../core/errors.ts';
import { transferObserver } from '../../lambdas/transfer-telemetry.ts';

const counted = vi.hoisted(() => [] as (readonly [string, number, object])[]);
vi.mock('../../lambdas/metrics-emitter.ts', () => ({
  count: (...what: readonly [string, number, object]) => void counted.push(what),
}));

test.each([
  ['deadline', 1],
  ['refused', 0],
] as const)(
  'one that ended for the reason %s counts as cut off by the end of the invocation %i times',
  (code, times) => {
    counted.length = 0;
    const answered: Answered = {
      message: undefined,
      verdict: { kind: 'dead-letter', code, reason: 'why' },
      error: new MirrorError(code, 'why'),
    };
    transferObserver.onAnswered('main', { messageId: 'a', receiptHandle: 'a', receiveCount: 1, body: '' }, answered);
    expect(counted).toContainEqual(['TransferDeadlineHits', times, { mirror: 'main' }]);
    expect(counted).toContainEqual(['DeadLettered', 1, { mirror: 'main' }]);
  },
);
