/** What one comparison takes note of, and what may be concluded from it. */
import { describe, expect, test, vi } from 'vitest';
import type { Destination } from '../../core/copy/outcome.ts';
import { MirrorError } from '../../core/errors.ts';
import { Comparison, type ComparisonOptions } from '../../core/mirror/comparison.ts';
import type { PlannedInstance } from '../../core/mirror/plan.ts';
import type { ComparisonProgress } from '../../core/mirror/progress.ts';
import { type Deletions, RemovalRecorder } from '../../core/mirror/record-removals.ts';
import { MemoryArchive, MemoryStore, sampleBytes, sampleId } from '../support/memory-store.ts';

const ids = [1, 2, 3].map(sampleId).sort();
const atStart: ComparisonProgress = {
  after: null,
  listed: false,
  sidecarsAfter: null,
  startedAt: '2026-11-21T00:00:00.000Z',
  reason: 'first run',
  leftOut: [],
  unlisted: [],
};
const full = new MirrorError('full', 'the archive is full');
const gone: Deletions = { kind: 'gone', ids: [sampleId(9)], kept: [] };

function setUp(from: Partial<ComparisonProgress> = {}, options: Partial<ComparisonOptions> = {}) {
  const source = new MemoryStore(
    'source',
    [1, 2, 3].map((n) => [sampleId(n), sampleBytes(n)]),
  );
  const target: Destination = { role: 'target', store: new MemoryStore('target') };
  const archive: Destination = { role: 'archive', store: new MemoryArchive('archive') };
  const recorder = new RemovalRecorder({
    document: { read: async () => undefined, write: async () => '1' },
    limits: { maxCount: 1, maxPercent: 1, graceMs: 0 },
    deletesAtTargets: false,
    now: () => new Date(),
    propagate: async () => ({ kind: 'not-gone' }),
  });
  const noted = {
    begin: vi.spyOn(recorder, 'begin').mockResolvedValue(),
    note: vi.spyOn(recorder, 'note').mockReturnValue(),
    save: vi.spyOn(recorder, 'save').mockResolvedValue(),
    complete: vi.spyOn(recorder, 'complete').mockResolvedValue(gone),
  };
  const sourceProof = { verify: vi.fn(async () => undefined), remember: vi.fn(async () => undefined) };
  const both = [target, archive];
  const given = { source, destinations: both, served: both, gone: recorder, sourceProof, ...options };
  return {
    comparison: new Comparison({ ...atStart, ...from }, given),
    target,
    archive,
    both,
    noted,
    sourceProof,
    source,
  };
}

async function takeAll(comparison: Comparison): Promise<readonly PlannedInstance[]> {
  const planned = await Array.fromAsync(comparison.plan({}));
  for (const one of planned) comparison.take(one);
  return planned;
}

describe('a comparison of all destinations', () => {
  test('notes every instance in order, saves, and concludes', async () => {
    const { comparison, both, noted, sourceProof } = setUp();
    await comparison.begin();
    expect(noted.begin).toHaveBeenCalledExactlyOnceWith({ resume: false });
    const planned = await takeAll(comparison);
    expect(planned.map(({ id }) => id)).toEqual(ids);
    expect(noted.note.mock.calls).toEqual(planned.map((one) => [one]));
    expect(comparison.progress).toEqual({ ...atStart, after: ids[2] });
    await comparison.save();
    expect(noted.save).toHaveBeenCalledOnce();
    expect(await comparison.conclude(both, {})).toBe(gone);
    expect(noted.complete).toHaveBeenCalledExactlyOnceWith({ signal: undefined, dryRun: false });
    expect(sourceProof.remember).toHaveBeenCalledOnce();
  });

  test('goes on behind what was taken before, in the same evidence', async () => {
    const { comparison, noted } = setUp({ after: ids[0] ?? null });
    await comparison.begin();
    expect(noted.begin).toHaveBeenCalledExactlyOnceWith({ resume: true });
    expect((await takeAll(comparison)).map(({ id }) => id)).toEqual(ids.slice(1));
  });

  test('that was listed to its end lists nothing again', async () => {
    const onListed = vi.fn();
    const { comparison, source } = setUp({ listed: true }, { onListed });
    expect(await takeAll(comparison)).toEqual([]);
    expect([source.calls.inventory, onListed.mock.calls]).toEqual([0, [[undefined]]]);
  });

  test('tells of each instance as soon as it is listed, and of the end', async () => {
    const onListed = vi.fn();
    const { comparison } = setUp({}, { onListed });
    const planned = await takeAll(comparison);
    expect(onListed.mock.calls).toEqual([...planned, undefined].map((one) => [one]));
  });

  test('only says what would be done in a dry run', async () => {
    const { comparison, both, noted, sourceProof } = setUp({}, { dryRun: true });
    const { signal } = new AbortController();
    await comparison.conclude(both, { signal });
    expect(sourceProof.remember).toHaveBeenCalledExactlyOnceWith({ signal });
    expect(noted.complete).toHaveBeenCalledExactlyOnceWith({ signal, dryRun: true });
  });

  test('says nothing of deletions when one of them cannot be used any more', async () => {
    const { comparison, target, archive, noted, sourceProof } = setUp();
    await takeAll(comparison);
    expect(await comparison.conclude([target], {})).toBeUndefined();
    expect(sourceProof.remember).not.toHaveBeenCalled();
    expect(await comparison.conclude([archive], {})).toBeUndefined();
    expect(sourceProof.remember).toHaveBeenCalledOnce();
    expect(noted.complete).not.toHaveBeenCalled();
  });
});

describe('a comparison that a destination missed a part of', () => {
  const cases: readonly (readonly [string, (parts: ReturnType<typeof setUp>) => ReturnType<typeof setUp>])[] = [
    ['because it cannot be used', ({ target, both }) => setUp({}, { destinations: both, served: [target] })],
    ['because it cannot be listed', () => setUp({ unlisted: ['archive'] })],
    ['before', () => setUp({ leftOut: ['archive'] })],
  ];
  test.each(cases)('%s notes nothing and concludes nothing', async (_, again) => {
    const { comparison, both, noted } = again(setUp());
    await comparison.begin();
    expect(await takeAll(comparison)).toHaveLength(3);
    await comparison.save();
    expect(await comparison.conclude(both, {})).toBeUndefined();
    for (const call of Object.values(noted)) expect(call).not.toHaveBeenCalled();
    expect(comparison.progress).toMatchObject({ after: ids[2], leftOut: ['archive'] });
  });

  test('compares the others only', () => {
    const { comparison, target } = setUp({ unlisted: ['archive'], leftOut: ['archive'] });
    expect(comparison.compared).toEqual([target]);
    expect(comparison.progress.leftOut).toEqual(['archive']);
    const both = setUp();
    expect([both.comparison.compared, both.comparison.progress.leftOut]).toEqual([both.both, []]);
  });
});

describe('an archive that cannot keep what is noted', () => {
  test.each(['begin', 'save'] as const)('is told of once, when it is to %s, and nothing is concluded', async (call) => {
    const onUnrecorded = vi.fn();
    const { comparison, both, noted } = setUp({}, { onUnrecorded });
    noted[call].mockRejectedValue(full);
    await comparison.begin();
    await takeAll(comparison);
    await comparison.save();
    await comparison.save();
    expect(await comparison.conclude(both, {})).toBeUndefined();
    expect(onUnrecorded.mock.calls).toEqual([[full]]);
    expect(noted.note).toHaveBeenCalledTimes(call === 'begin' ? 0 : 3);
    expect(noted.complete).not.toHaveBeenCalled();
    expect(comparison.progress.after).toBe(ids[2]);
  });

  test('ends the comparison where nobody wants to be told, and so does a defect', async () => {
    const { comparison, both, noted } = setUp();
    noted.complete.mockRejectedValue(full);
    await expect(comparison.conclude(both, {})).rejects.toBe(full);
    const told = setUp({}, { onUnrecorded: () => undefined });
    told.noted.complete.mockRejectedValue(new TypeError('a defect'));
    await expect(told.comparison.conclude(told.both, {})).rejects.toThrow('a defect');
  });
});

test('without anything that takes note, a comparison lists all the same', async () => {
  const { comparison, both } = setUp({}, { gone: undefined, sourceProof: undefined });
  await comparison.begin();
  expect(await takeAll(comparison)).toHaveLength(3);
  await comparison.save();
  expect(await comparison.conclude(both, {})).toBeUndefined();
});
