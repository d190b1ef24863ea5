import { expect, test } from 'vitest';
import { exitCodeOf, exitCodeOfError } from '../../cli/exit-codes.ts';
import { type ErrorCode, MirrorError } from '../../core/errors.ts';

const clean = { conflicting: 0, rejected: 0, failed: 0 };

test.each([
  ['everything is done and equal', clean, 0],
  ['instances were rejected', { ...clean, rejected: 1 }, 3],
  ['instances are in conflict', { ...clean, conflicting: 1 }, 3],
  ['differences were found', { ...clean, differences: 2 }, 4],
  ['no differences were found', { ...clean, differences: 0 }, 0],
  ['instances failed, which running again may repair', { ...clean, failed: 1 }, 5],
  ['instances lie in a cold storage class', { ...clean, failed: 2, cold: 2 }, 8],
  ['some are cold and others were rejected', { ...clean, failed: 2, cold: 2, rejected: 1 }, 8],
  ['some are cold and others failed', { ...clean, failed: 3, cold: 2 }, 5],
  ['some failed and some were rejected', { ...clean, failed: 1, rejected: 1 }, 5],
  [
    'a server refused us, whatever else failed',
    { ...clean, failed: 1, stoppedBy: new MirrorError('forbidden', '') },
    7,
  ],
  ['a server stayed away', { ...clean, stoppedBy: new MirrorError('unreachable', '') }, 7],
  ['a signal stopped the work', { ...clean, interrupted: true }, 130],
  ['a signal stopped the work after failures', { ...clean, failed: 1, interrupted: true }, 130],
])('when %s', (_, outcome, exitCode) => {
  expect(exitCodeOf(outcome)).toBe(exitCode);
});

test.each<[ErrorCode, number]>([
  ['configuration', 2],
  ['unknown-mirror', 2],
  ['archive-format', 2],
  ['conflict', 3],
  ['refused', 3],
  ['cold', 8],
  ['hash-mismatch', 5],
  ['busy', 5],
  ['deletion-guard', 6],
  ['unauthorized', 7],
  ['forbidden', 7],
  ['full', 7],
  ['read-only', 7],
  ['tls-untrusted', 7],
  ['not-orthanc', 7],
  ['preflight-refused', 7],
  ['unreachable', 7],
  ['interrupted', 130],
])('a command that ends with %s exits with %i', (code, exitCode) => {
  expect(exitCodeOfError(new MirrorError(code, 'reason'))).toBe(exitCode);
});

test('anything else thrown is a defect', () => {
  expect(exitCodeOfError(new TypeError('x is not a function'))).toBe(1);
  expect(exitCodeOfError('text')).toBe(1);
});
