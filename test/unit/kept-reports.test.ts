/** What an archive keeps of the commands that wrote to it or read it back. */
import { expect, test } from 'vitest';
import { keepComparison, keepResult, lastComparison, lastResults } from '../../core/archive-life/last-results.ts';
import { writeVerifyReport } from '../../core/archive-life/verify/verify-report.ts';
import { MirrorError } from '../../core/errors.ts';
import { md5Of } from '../../core/identifiers.ts';
import { MemoryObjects } from '../support/memory-objects.ts';
import { sampleId } from '../support/memory-store.ts';

const run = { command: 'run', at: '2026-11-21T00:00:00.000Z', version: '0.1.0', exitCode: 5 } as const;
const verify = { ...run, command: 'verify', exitCode: 0 } as const;

test('the last result of each command is kept, where documents may be replaced', async () => {
  const objects = new MemoryObjects();
  expect(await lastResults(objects)).toEqual([]);
  for (const result of [verify, run, { ...run, exitCode: 0 }]) await keepResult(objects, result);
  expect(await lastResults(objects)).toEqual([{ ...run, exitCode: 0 }, verify]);
  expect([...objects.stored.keys()].sort()).toEqual(['state/last/run.json', 'state/last/verify.json']);
});

test('of two that end at the same time one is kept, and both end well', async () => {
  const objects = new MemoryObjects();
  await Promise.all([keepResult(objects, run), keepResult(objects, { ...run, exitCode: 0 })]);
  expect(await lastResults(objects)).toHaveLength(1);
});

test('the last complete comparison is kept', async () => {
  const objects = new MemoryObjects();
  expect(await lastComparison(objects)).toBeUndefined();
  for (const day of [1, 2]) await keepComparison(objects, new Date(Date.UTC(2026, 10, day)));
  expect(await lastComparison(objects)).toBe('2026-11-02T00:00:00.000Z');
  expect(await lastResults(objects)).toEqual([]);
});

test('a damaged one counts as none, but an archive that does not answer is told', async () => {
  const objects = new MemoryObjects();
  await keepResult(objects, run);
  await objects.putOnce('state/last/verify.json', Buffer.from('damaged'), { sizeBytes: 7 });
  expect(await lastResults(objects)).toEqual([run]);
  objects.get = () => Promise.reject(new MirrorError('unreachable', 'it is away'));
  await expect(lastResults(objects)).rejects.toMatchObject({ code: 'unreachable' });
});

test('a report of a verification says of each problem what it is, by ids, hashes and codes', async () => {
  const objects = new MemoryObjects();
  const id = sampleId(1);
  const [md5, actualMd5] = [md5Of(Buffer.from('right')), md5Of(Buffer.from('wrong'))];
  const error = new MirrorError('source-corrupt', 'what was said');
  const key = await writeVerifyReport(
    objects,
    [
      { destination: 'archive', verified: { id, md5, sizeBytes: 5, kind: 'damaged', error, actualMd5 } },
      { destination: 'target', verified: { id, md5, sizeBytes: 5, kind: 'unverified', error } },
      { destination: 'target', verified: { id, md5, sizeBytes: 5, kind: 'vanished' } },
    ],
    new Date('2026-11-21T01:02:03Z'),
  );
  expect(key).toMatch(/^reports\/verify\/.+\.json$/);
  const report: unknown = JSON.parse(Buffer.from(objects.stored.get(key)?.bytes ?? []).toString());
  expect(report).toEqual({
    version: 1,
    at: '2026-11-21T01:02:03.000Z',
    problems: [
      { destination: 'archive', id, kind: 'damaged', md5, actualMd5, code: 'source-corrupt' },
      { destination: 'target', id, kind: 'unverified', md5, code: 'source-corrupt' },
      { destination: 'target', id, kind: 'vanished', md5 },
    ],
  });
});
