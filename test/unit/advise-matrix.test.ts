import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { advise } from '../../core/host/advise/advise.ts';
import { adviseDocument } from '../../core/host/advise/advise-document.ts';
import { postgresqlRevisionOf, scriptsDown } from '../../core/host/advise/plugin-revisions.ts';
import { type FoundServer, unknownServer } from '../../core/orthanc-disk/found-server.ts';
import { openSqliteIndex } from '../../core/orthanc-disk/index/sqlite-index.ts';
import { compareVersions, parseVersion, version } from '../../core/orthanc-disk/orthanc-version.ts';
import type { SchemaVersion } from '../../core/orthanc-disk/schema-matrix.ts';
import { makeIndexFile } from '../support/index-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'advise-matrix-'));
afterAll(() => rmSync(folder, { recursive: true }));

const source = { url: 'http://old:8042', storageFolder: undefined };
const nowhere = { plugin: undefined, backend: undefined };

let indexes = 0;

async function found(schema: SchemaVersion): Promise<FoundServer> {
  indexes += 1;
  const path = join(folder, `index-${schema}-${indexes}`);
  makeIndexFile(path, schema);
  const index = await openSqliteIndex(path);
  try {
    return { ...unknownServer, ...(await index.describe()) };
  } finally {
    await index.close();
  }
}

// The table of the Orthanc Book, written down a second time: u = upgrade, x = as it is, - = replicate.
const documented: readonly (readonly [orthanc: string, row: string])[] = [
  ['mainline', '--uuux'],
  ['1.13.0', '--uuux'],
  ['1.12.11', '--uuux'],
  ['1.10.1', '--uuux'],
  ['0.9.5', '--uuux'],
  ['0.9.4', '--uux-'],
  ['0.8.5', '--uux-'],
  ['0.8.4', '--ux--'],
  ['0.7.3', '--ux--'],
  ['0.7.2', '--x---'],
  ['0.4.0', '--x---'],
  ['0.3.1', '-x----'],
  ['0.3.0', '------'],
];
const schemas: readonly SchemaVersion[] = ['unversioned', 2, 3, 4, 5, 6];
const ways: Readonly<Record<string, string>> = { nothing: 'x', upgrade: 'u', replicate: '-' };

describe('advise on an index file', () => {
  it.each(schemas)('of schema version %s gives the column of the documented matrix', async (schema) => {
    const server = { ...(await found(schema)), sqliteAdditions: [] };
    const column = documented.map(([orthanc]) => {
      const wanted = parseVersion(orthanc);
      if (wanted === undefined) throw new Error(`no version: ${orthanc}`);
      return ways[advise(server, { orthanc: wanted, ...nowhere }, source).way];
    });
    expect(column).toEqual(documented.map(([, row]) => row[schemas.indexOf(schema)]));
  });

  it('says that the upgrade to version 6 reads every file again, how long it takes and what stops it', async () => {
    const server: FoundServer = { ...(await found(5)), instances: 1_000_000, storedBytes: 500e9 };
    const advice = advise(server, { orthanc: version('1.13.0'), ...nowhere }, source);
    expect(advice.steps.join('\n')).toContain('Orthanc --upgrade');
    expect(advice.remarks.join('\n')).toMatch(/reads every DICOM file again/);
    expect(advice.remarks.join('\n')).toMatch(/missing or unreadable file/);
    const hour = 3_600_000;
    expect(advice.estimate?.shortestMs).toBeGreaterThan(0.5 * hour);
    expect(advice.estimate?.longestMs).toBeLessThan(12 * hour);
    expect(advice.actionNeeded).toBe(true);
  });

  it.each([
    ['1.9.1', '1.9.1'],
    ['1.10.1', '1.9.1'],
    ['1.12.7', '1.13.0'],
    ['1.13.0', '1.13.0'],
  ])('for %s upgrades with %s, because --upgrade of some releases never ends', async (wanted, upgrader) => {
    const advice = advise(await found(5), { orthanc: version(wanted), ...nowhere }, source);
    expect(advice.steps).toContain(`run Orthanc ${upgrader} once with --upgrade; it upgrades and then exits:`);
  });

  it('replicates with the exact command', async () => {
    const advice = advise(await found('unversioned'), { orthanc: version('1.13.0'), ...nowhere }, source);
    expect(advice.way).toBe('replicate');
    expect(advice.steps.join('\n')).toContain('npx orthanc-mirror run http://old:8042 http://new-server:8042');
  });

  it('warns that an Orthanc before 1.11.3 cannot write to an index with the columns of 1.12.8', async () => {
    const server = await found(6);
    expect(server.sqliteAdditions).toContain('revisions-and-custom-data');
    expect(advise(server, { orthanc: version('1.10.1'), ...nowhere }, source).way).toBe('replicate');
    expect(advise(server, { orthanc: version('1.11.3'), ...nowhere }, source).way).toBe('nothing');
  });

  it('replicates whenever the back-end is to change', async () => {
    const wanted = { orthanc: version('1.13.0'), plugin: undefined, backend: 'postgresql' } as const;
    const advice = advise(await found(6), wanted, source);
    expect(advice.way).toBe('replicate');
    expect(advice.remarks.join()).toContain('TakeOwnership');
  });
});

describe('advise on a PostgreSQL index', () => {
  const postgresql = (revision: number): FoundServer => ({
    ...unknownServer,
    backend: 'postgresql',
    schema: 6,
    revision,
    revisionIsExact: true,
    instances: 150_000_000,
  });
  it.each([
    ['3.3', 0],
    ['4.0', 0],
    ['5.1', 1],
    ['6.0', 2],
    ['6.2', 2],
    ['7.0', 3],
    ['7.1', 3],
    ['7.2', 4],
    ['8.0', 5],
    ['9.0', 6],
    ['10.0', 10],
    ['10.3', 10],
  ])('knows that release %s of the plugin keeps revision %i', (release, revision) => {
    expect(postgresqlRevisionOf(version(release)).revision).toBe(revision);
  });

  it.each([
    [0, '10.0', 'plugin-upgrade'],
    [10, '10.3', 'nothing'],
    [10, '9.0', 'downgrade-scripts'],
    [10, '5.1', 'downgrade-scripts'],
    [10, '4.0', 'replicate'],
    [1, '4.0', 'replicate'],
  ])('of revision %i, with release %s wanted, says: %s', (revision, plugin, way) => {
    const wanted = { orthanc: version('1.13.0'), plugin: version(plugin), backend: undefined };
    expect(advise(postgresql(revision), wanted, source).way).toBe(way);
  });

  it('names the scripts in the order in which to run them', () => {
    expect(scriptsDown(10, 4)).toEqual(['Rev10ToRev6.sql', 'Rev6ToRev5.sql', 'Rev5ToRev4.sql']);
    expect(scriptsDown(2, 0)).toBeUndefined();
  });

  it('refuses a plugin that does not run in the wanted Orthanc', () => {
    const wanted = { orthanc: version('1.12.4'), plugin: version('7.0'), backend: undefined };
    expect(advise(postgresql(2), wanted, source)).toMatchObject({ way: 'replicate' });
  });
});

describe('advise on a running version', () => {
  const server: FoundServer = { ...unknownServer, schema: 6, orthanc: version('1.10.1') };
  it('names what changes and what is vulnerable, and asks for action', () => {
    const advice = advise(server, { orthanc: version('1.13.0'), ...nowhere }, source);
    expect(advice.way).toBe('nothing');
    expect(advice.behaviourChanges.map(({ since }) => since.toString())).toEqual([
      '1,11,0',
      '1,12,0',
      '1,12,5',
      '1,13,0',
    ]);
    expect(advice.vulnerabilities.map(({ names }) => names).join()).toMatch(/CVE-2026-5437/);
    expect(advice.actionNeeded).toBe(true);
  });
  it('has nothing to say about the newest version', () => {
    const newest = { ...server, orthanc: version('1.13.0') };
    expect(advise(newest, { orthanc: version('1.13.0'), ...nowhere }, source).actionNeeded).toBe(false);
  });
});

describe('versions', () => {
  it('are ordered by their numbers', () => {
    expect(compareVersions(version('1.9.1'), version('1.10.1'))).toBeLessThan(0);
    expect(compareVersions(version('1.12'), version('1.12.0'))).toBe(0);
    expect(compareVersions(version('mainline'), version('99.0'))).toBeGreaterThan(0);
    expect(parseVersion('mainline-abc')).toBe('mainline');
    expect(parseVersion('new')).toBeUndefined();
  });
});

it('docs/advise.md is what the tables say', () => {
  expect(readFileSync(new URL('../../docs/advise.md', import.meta.url), 'utf8')).toBe(adviseDocument());
});
