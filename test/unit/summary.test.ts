/** What the numbers at the end of a run say. */
import { describe, expect, test } from 'vitest';
import type { Destination, DestinationOutcome, OutcomeKind } from '../../core/copy/outcome.ts';
import { MirrorError } from '../../core/errors.ts';
import { countOf, SummaryCounter } from '../../core/mirror/summary.ts';
import { MemoryStore } from '../support/memory-store.ts';

const target: Destination = { role: 'target', store: new MemoryStore('target') };
const archive: Destination = { role: 'archive', store: new MemoryStore('archive') };
const cold = new MirrorError('cold', 'in a cold storage class');
const away = new MirrorError('unreachable', 'away');

function outcomesOf(atTarget: OutcomeKind, atArchive: OutcomeKind): readonly DestinationOutcome[] {
  return [
    { destination: target, kind: atTarget },
    { destination: archive, kind: atArchive },
  ];
}

interface Result {
  readonly outcomes: readonly DestinationOutcome[];
  readonly sizeBytes?: number | undefined;
}

function counted(...results: readonly Result[]): SummaryCounter {
  const counter = new SummaryCounter(['target', 'archive']);
  for (const result of results) counter.add({ sizeBytes: undefined, ...result });
  return counter;
}

describe('the summary', () => {
  test('counts each instance once, by the worst that became of it, and at each destination what became of it there', () => {
    const summary = counted({ outcomes: outcomesOf('copied', 'failed'), sizeBytes: 10 }).summary();
    expect(countOf(summary.instances)).toBe(1);
    expect(summary.instances).toMatchObject({ copied: 0, failed: 1 });
    expect(summary.destinations.get('target')).toMatchObject({ copied: 1, failed: 0 });
    expect(summary.destinations.get('archive')).toMatchObject({ copied: 0, failed: 1 });
  });

  test('says zero of what did not happen, at destinations of which nothing is known as well', () => {
    const summary = counted().summary();
    expect([summary.cold, summary.coldBytes, summary.bytesCopied, summary.notAtSource]).toEqual([0, 0, 0, 0]);
    expect([...summary.destinations.values()].map(countOf)).toEqual([0, 0]);
    expect(countOf(summary.instances)).toBe(0);
  });

  test('counts the bytes of an instance once, wherever it was copied, and none of one that was there', () => {
    const summary = counted(
      { outcomes: outcomesOf('copied', 'copied'), sizeBytes: 10 },
      { outcomes: outcomesOf('already-equal', 'copied'), sizeBytes: 200 },
      { outcomes: outcomesOf('already-equal', 'already-equal'), sizeBytes: 4000 },
      { outcomes: outcomesOf('copied', 'copied'), sizeBytes: undefined },
    ).summary();
    expect(summary).toMatchObject({ bytesCopied: 210, instances: { copied: 3, 'already-equal': 1 } });
  });

  test('takes back all that it counted of an instance that is tried again', () => {
    const failed = { outcomes: [{ destination: target, kind: 'failed', error: cold }], sizeBytes: 7 } as const;
    const copied = { outcomes: outcomesOf('copied', 'copied'), sizeBytes: 10 };
    const counter = counted(failed, copied);
    counter.remove(failed);
    counter.remove(copied);
    expect(counter.summary()).toEqual(counted().summary());
  });

  test('tells what only a cold storage class kept back, with its bytes', () => {
    const failing = (...errors: readonly MirrorError[]) => ({
      outcomes: errors.map((error, n) => ({ destination: n === 0 ? target : archive, kind: 'failed' as const, error })),
      sizeBytes: 7,
    });
    const summary = counted(failing(cold), failing(cold, cold), failing(cold, away), failing(away)).summary();
    expect(summary).toMatchObject({ cold: 2, coldBytes: 14, instances: { failed: 4 } });
    expect(counted({ outcomes: outcomesOf('copied', 'copied'), sizeBytes: 7 }).summary().cold).toBe(0);
  });

  test('counts as failed what a server lost after it had told that it holds it', () => {
    const counter = counted({ outcomes: outcomesOf('copied', 'already-equal') });
    const told = new Map<Destination, OutcomeKind>([
      [target, 'copied'],
      [archive, 'already-equal'],
    ]);
    counter.correct({ destination: target, told });
    const summary = counter.summary();
    expect(summary.instances).toMatchObject({ copied: 0, failed: 1 });
    expect(summary.destinations.get('target')).toMatchObject({ copied: 0, failed: 1 });
    expect(summary.destinations.get('archive')).toMatchObject({ 'already-equal': 1, failed: 0 });
  });

  test('leaves alone what was never counted at that destination', () => {
    const counter = counted({ outcomes: outcomesOf('copied', 'copied') });
    counter.correct({ destination: target, told: new Map([[archive, 'copied']]) });
    expect(counter.summary().instances).toMatchObject({ copied: 1, failed: 0 });
  });

  test('counts what only destinations hold by itself, and does not change what it told', () => {
    const counter = counted();
    const before = counter.summary();
    counter.addNotAtSource();
    counter.add({ outcomes: outcomesOf('copied', 'copied'), sizeBytes: undefined });
    expect(counter.summary()).toMatchObject({ notAtSource: 1, instances: { copied: 1 } });
    expect(before).toMatchObject({ notAtSource: 0, instances: { copied: 0 } });
    expect([...before.destinations.values()].map(countOf)).toEqual([0, 0]);
  });

  test('refuses a destination that it was not told of', () => {
    const other: Destination = { role: 'target', store: new MemoryStore('other') };
    expect(() => counted({ outcomes: [{ destination: other, kind: 'copied' }] })).toThrow(/unknown destination other/);
  });
});
