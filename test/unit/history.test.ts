/** Which version of an instance counts, now and at a moment. */
import { describe, expect, test } from 'vitest';
import { md5Of } from '../../core/identifiers.ts';
import {
  type ArchivedVersion,
  type DatedHistory,
  type DatedRecord,
  type InstanceState,
  isForeign,
  nextRecord,
  sinceWhen,
  stateAt,
  stateNow,
} from '../../core/stores/archive/history.ts';
import { sampleId } from '../support/memory-store.ts';

const id = sampleId(1);
const day = (n: number): Date => new Date(Date.UTC(2026, 0, n));
const md5 = (name: string) => md5Of(Buffer.from(name));
const version = (name: string, n: number): ArchivedVersion => ({
  id,
  md5: md5(name),
  sizeBytes: 1,
  archivedAt: day(n),
});
const current = (number: number, n: number, name: string): DatedRecord => ({
  id,
  number,
  at: day(n),
  what: 'current',
  md5: md5(name),
});
const imported = (number: number, n: number, name: string): DatedRecord => ({
  ...current(number, n, name),
  what: 'imported',
  md5: md5(name),
});
const removed = (number: number, n: number): DatedRecord => ({ id, number, at: day(n), what: 'removed' });

function historyOf(versions: readonly ArchivedVersion[], records: readonly DatedRecord[] = []): DatedHistory {
  return { id, versions, records };
}

/** The name of the version that counts, or the kind of the state where none does. */
function stateText(history: DatedHistory, at?: Date): string {
  const state: InstanceState = at === undefined ? stateNow(history) : stateAt(history, at);
  if (state.kind !== 'held') return state.kind;
  return ['first', 'second', 'third'].find((name) => md5(name) === state.version.md5) ?? 'unknown';
}

describe('the version of a moment', () => {
  const full = historyOf(
    [version('first', 1), version('second', 5)],
    [current(1, 1, 'first'), current(2, 5, 'second'), removed(3, 7), current(4, 9, 'first')],
  );

  test.each([
    ['before anything was archived', 0, 'absent'],
    ['after the first version', 4, 'first'],
    ['at the very moment of the second', 5, 'second'],
    ['after it was overwritten', 6, 'second'],
    ['after it was removed', 8, 'removed'],
    ['after it came back with bytes of before', 10, 'first'],
  ])('%s', (_, n, expected) => {
    expect(stateText(full, day(n))).toBe(expected);
  });

  test('without a moment is that of the last record, whatever its time', () => {
    expect(stateText(full)).toBe('first');
    const future = historyOf(full.versions, [...full.records, removed(5, 400), current(6, 400, 'second')]);
    expect(stateText(future)).toBe('second');
  });

  test('is that of the records, whatever the times of the objects and their order', () => {
    const scrambled = historyOf([version('first', 300), version('second', 2)], full.records.toReversed());
    for (const n of [0, 4, 5, 6, 8, 10]) expect(stateText(scrambled, day(n))).toBe(stateText(full, day(n)));
    expect(stateText(scrambled)).toBe('first');
  });

  test('of an id with one object and no record is that object, from its time on', () => {
    const single = historyOf([version('first', 3)]);
    expect(stateText(single)).toBe('first');
    expect([2, 3, 4].map((n) => stateText(single, day(n)))).toEqual(['absent', 'first', 'first']);
  });

  test('of several objects without a record is not known; the newest is told', () => {
    const foreign = historyOf([version('second', 5), version('first', 1)]);
    expect(stateNow(foreign)).toMatchObject({ kind: 'undecided', newest: { md5: md5('second') } });
    expect(stateAt(foreign, day(2))).toMatchObject({ kind: 'undecided', newest: { md5: md5('first') } });
  });

  test('is never one without a record beside others that have one', () => {
    const beside = historyOf([version('first', 1), version('third', 9)], [current(1, 1, 'first')]);
    expect(stateText(beside)).toBe('first');
  });

  test('is lost where its object is gone, and no older version takes its place', () => {
    const state = stateNow(historyOf([version('first', 1)], full.records.slice(0, 2)));
    expect(state).toMatchObject({ kind: 'lost', md5: md5('second') });
  });

  test('tells what was there before a removal', () => {
    expect(stateAt(full, day(8))).toMatchObject({ kind: 'removed', before: { md5: md5('second') } });
  });

  test('tells since when it is so: since its record, or, without one, since its object', () => {
    expect([4, 6, 8, 10].map((n) => sinceWhen(stateAt(full, day(n))))).toEqual([1, 5, 7, 9].map(day));
    expect(sinceWhen(stateAt(historyOf([version('first', 3)]), day(4)))).toEqual(day(3));
    expect(sinceWhen(stateAt(full, day(0)))).toBeUndefined();
  });
});

describe('two records of one number', () => {
  const versions = [version('first', 1), version('second', 5)];
  test.each([
    ['what the source has counts before what it lacks', [current(2, 5, 'second'), removed(2, 6)], 'second'],
    ['what the source has counts before an import', [current(1, 5, 'second'), imported(1, 6, 'first')], 'second'],
  ])('%s', (_, records, expected) => {
    const withFirst = [current(1, 1, 'first'), ...records];
    expect(stateText(historyOf(versions, withFirst))).toBe(expected);
    expect(stateText(historyOf(versions, withFirst.toReversed()))).toBe(expected);
  });
});

describe('the next record', () => {
  const versions = [version('first', 5)];

  test('has the number that follows the greatest', () => {
    const next = nextRecord(historyOf(versions, [removed(2, 9), current(1, 1, 'first')]), { what: 'removed' });
    expect(next).toEqual({ id, number: 3, what: 'removed' });
  });

  test('is refused when no number is left', () => {
    const full = historyOf(versions, [current(999_999, 1, 'first')]);
    expect(() => nextRecord(full, { what: 'removed' })).toThrow(
      expect.objectContaining({ code: 'history-full', disposition: 'reject' }),
    );
  });
});

describe('what was imported', () => {
  const versions = [version('first', 1), version('second', 5)];

  test('is the current version of an id that the source never supplied', () => {
    const history = historyOf(versions, [imported(1, 1, 'first')]);
    expect(stateText(history)).toBe('first');
    expect(isForeign(history)).toBe(true);
  });

  test('is the source’s as soon as anything of the source is recorded', () => {
    expect(isForeign(historyOf(versions, [imported(1, 1, 'first'), current(2, 6, 'first')]))).toBe(false);
    expect(isForeign(historyOf(versions, [current(1, 1, 'first')]))).toBe(false);
    expect(isForeign(historyOf([version('first', 1)]))).toBe(false);
  });

  test('does not count if its object was never written', () => {
    const cut = historyOf([version('second', 5)], [imported(1, 1, 'first')]);
    expect(stateText(cut)).toBe('second');
    expect(isForeign(cut)).toBe(false);
    expect(stateText(historyOf([], [imported(1, 1, 'first')]))).toBe('absent');
  });
});
