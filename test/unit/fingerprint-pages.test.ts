import { expect, test } from 'vitest';
import type { z } from 'zod';
import { MirrorError } from '../../core/errors.ts';
import { type OrthancId, orthancIdOf } from '../../core/identifiers.ts';
import { listStudyFingerprints } from '../../core/sidecars/list-fingerprints.ts';
import type { StudyServer } from '../../core/sidecars/study-server.ts';
import { defaultServerLimits } from '../../core/stores/orthanc/bounds.ts';

const ids = (level: string, count: number): OrthancId[] =>
  Array.from({ length: count }, (_, n) => orthancIdOf(level, String(n))).toSorted();
const [studies, series, instances] = [ids('study', 3), ids('series', 6), ids('instance', 500)];

function rowsOf(level: string): readonly object[] {
  switch (level) {
    case 'patients':
      return [];
    case 'studies':
      return studies.map((ID) => ({ ID }));
    case 'series':
      return series.map((ID, n) => ({ ID, ParentStudy: studies[n % 3] }));
    default:
      return instances.map((ID, n) => ({ ID, ParentSeries: series[n % 6], Metadata: { 1030: `of ${ID}` } }));
  }
}

/** A server whose answers are too long with more than so many rows. */
function serverWith(mostRows: number) {
  const asked: number[] = [];
  const getJson = async <T>(path: string, schema: z.ZodType<T>): Promise<T> => {
    const [, level = '', since, limit] = /^\/(\w+)\?since=(\d+)&limit=(\d+)&/.exec(path) ?? [];
    const rows = rowsOf(level).slice(Number(since), Number(since) + Number(limit));
    asked.push(rows.length);
    if (rows.length > mostRows) throw new MirrorError('answer-malformed', 'it is too long');
    return schema.parse(rows);
  };
  const capabilities = {
    hasExtendedFind: true,
    hasLabels: true,
    hasPatientLevel: true,
    listsProtection: true,
    metadataNumbers: {},
  };
  const server = {
    client: { name: 'server', limits: defaultServerLimits, getJson },
    capabilities,
  } as unknown as StudyServer;
  const scope = { labels: true, patients: true };
  return { asked, list: () => Array.fromAsync(listStudyFingerprints(server, { scope })) };
}

test('values that are too large for a page are listed with fewer rows, each once, and the sums are the same', async () => {
  const whole = await serverWith(10_000).list();
  expect(whole.map(({ studyId }) => studyId)).toEqual(studies);
  expect(new Set(whole.map(({ fingerprint }) => fingerprint)).size).toBe(3);
  for (const mostRows of [400, 60, 7, 2]) {
    const { asked, list } = serverWith(mostRows);
    expect(await list()).toEqual(whole);
    // Of each level it finds out once how much is not too much.
    expect(asked.filter((rows) => rows > mostRows).length).toBeLessThanOrEqual(3 * 5);
  }
});

test('a value that is too large for any page ends the listing with what the server did', async () => {
  await expect(serverWith(1).list()).rejects.toMatchObject({ code: 'answer-malformed' });
});
