/** What the transfer function counts of the messages that it answered. */
import { Metrics } from '@aws-lambda-powertools/metrics';
import { expect, test, vi } from 'vitest';
import type { Answered } from '../../core/cloud/queue/deliveries.ts';
import { MirrorError } from '../../core/errors.ts';
import { emitMetrics } from '../../lambdas/metrics-emitter.ts';
import { transferObserver } from '../../lambdas/transfer-telemetry.ts';

/** What is emitted of all that was counted, by metric. */
function emitted(): ReadonlyMap<string, number> {
  const values = new Map<string, number>();
  const add = vi.spyOn(Metrics.prototype, 'addMetric').mockImplementation(function note(this: Metrics, name, _, value) {
    values.set(name, value);
    return this;
  });
  const publish = vi.spyOn(Metrics.prototype, 'publishStoredMetrics').mockReturnThis();
  emitMetrics('transfer').after?.(undefined as never);
  add.mockRestore();
  publish.mockRestore();
  return values;
}

test.each([
  ['deadline', 1],
  ['refused', 0],
] as const)(
  'one that ended for the reason %s counts as cut off by the end of the invocation %i times',
  (code, times) => {
    emitted();
    const answered: Answered = {
      message: undefined,
      verdict: { kind: 'dead-letter', code, reason: 'why' },
      error: new MirrorError(code, 'why'),
    };
    transferObserver.onAnswered('main', { messageId: 'a', receiptHandle: 'a', receiveCount: 1, body: '' }, answered);
    const values = emitted();
    expect(values.get('TransferDeadlineHits')).toBe(times);
    expect(values.get('DeadLettered')).toBe(1);
  },
);
