import { expect, test } from 'vitest';
import { waitBeforeTryMs } from '../../core/cloud/queue/back-off.ts';
import { decidingError, verdictOn } from '../../core/cloud/queue/verdict.ts';
import { type ErrorCode, MirrorError } from '../../core/errors.ts';

const limits = { maxReceiveCount: 8, backOff: { firstMs: 1000, lastMs: 60_000 } };
const random = 0.5;

test.each<[string, ErrorCode, number, object]>([
  ['is done when the instance vanished', 'vanished', 1, { kind: 'done' }],
  ['comes back when the server is unreachable', 'unreachable', 1, { kind: 'return', waitMs: 500 }],
  ['comes back later each time', 'busy', 4, { kind: 'return', waitMs: 4000 }],
  ['never waits longer than the limit', 'busy', 7, { kind: 'return', waitMs: 30_000 }],
  ['becomes a dead letter on the last delivery', 'unreachable', 8, { kind: 'dead-letter', code: 'unreachable' }],
  [
    'becomes a dead letter at once when it was refused',
    'refused',
    1,
    { kind: 'dead-letter', code: 'refused', reason: 'why' },
  ],
  [
    'becomes a dead letter at once when it is malformed',
    'malformed-message',
    1,
    { kind: 'dead-letter', code: 'malformed-message' },
  ],
  ['about a document comes back while its instances are on their way', 'instances-pending', 7, { kind: 'return' }],
  ['about a document is left to the next comparison in the end', 'instances-pending', 8, { kind: 'done' }],
  ['comes back while the mirror is halted', 'unauthorized', 1, { kind: 'return', waitMs: 500 }],
  ['begins anew when the mirror is halted for long', 'full', 8, { kind: 'renew' }],
])('a message %s', (_what, code, receiveCount, verdict) => {
  expect(verdictOn(new MirrorError(code, 'why'), receiveCount, limits, random)).toMatchObject(verdict);
});

test('the reason of a given up message tells how often it was tried and why it failed', () => {
  const verdict = verdictOn(new MirrorError('unreachable', 'the target dropped the connection'), 8, limits, random);
  expect(verdict).toMatchObject({ reason: 'Given up after 8 tries: the target dropped the connection' });
});

test('a server that asks for time gets it', () => {
  const error = new MirrorError('busy', 'why', { retryAfterMs: 20_000 });
  expect(verdictOn(error, 1, limits, random)).toEqual({ kind: 'return', waitMs: 20_000 });
});

test('waits are spread over their whole length', () => {
  expect(waitBeforeTryMs(1, limits.backOff, 0)).toBe(0);
  expect(waitBeforeTryMs(1, limits.backOff, 0.999)).toBeCloseTo(999);
});

test.each<[readonly ErrorCode[], ErrorCode | undefined]>([
  [[], undefined],
  [['vanished'], 'vanished'],
  [['conflict', 'vanished'], 'conflict'],
  [['conflict', 'unreachable'], 'unreachable'],
  [['unreachable', 'unauthorized', 'refused'], 'unauthorized'],
])('of the errors %j at several destinations, %s decides', (codes, deciding) => {
  expect(decidingError(codes.map((code) => new MirrorError(code, 'why')))?.code).toBe(deciding);
});
