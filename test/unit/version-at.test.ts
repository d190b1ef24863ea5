import { describe, expect, test } from 'vitest';
import { md5Of } from '../../core/identifiers.ts';
import { versionAt } from '../../core/restore/archive-view.ts';
import type { ArchivedVersion } from '../../core/stores/archive/archive.ts';
import { sampleId } from '../support/memory-store.ts';

function day(n: number): Date {
  return new Date(Date.UTC(2026, 0, n));
}

function version(name: string, n: number): ArchivedVersion {
  return { id: sampleId(1), md5: md5Of(Buffer.from(name)), sizeBytes: 1, archivedAt: day(n) };
}

const first = version('first', 1);
const second = version('second', 5);
const removed = { at: day(7), kind: 'removed' } as const;
const returned = { at: day(9), kind: 'returned' } as const;

describe('the version of a moment', () => {
  test.each([
    ['before anything was archived', 0, undefined],
    ['after the first version', 4, first],
    ['after it was overwritten', 6, second],
    ['after it was removed', 8, undefined],
    ['after it came back', 10, second],
  ])('%s', (_, n, expected) => {
    expect(versionAt([first, second], [removed, returned], day(n))).toBe(expected);
  });

  test('without a moment it is the last one', () => {
    expect(versionAt([first, second], [], undefined)).toBe(second);
    expect(versionAt([first, second], [removed], undefined)).toBeUndefined();
    expect(versionAt([first, version('third', 8)], [removed], undefined)?.archivedAt).toEqual(day(8));
  });
});
