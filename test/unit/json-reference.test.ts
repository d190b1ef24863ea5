/** What `--json` prints is described, completely and truly, and the page tells the same. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { jsonOutput } from '../../cli/json-output.ts';
import { jsonReference } from '../../cli/json-reference.ts';
import { generateInstances, writeFolder } from '../../local/dicom/generate.ts';
import { identifiersOf, placeOfNth } from '../../local/dicom/identifiers.ts';
import { commandTree, everyCommand } from '../../scripts/package/command-tree.ts';
import { requireDescribed } from '../support/described-json.ts';
import { runInProcess } from '../support/in-process-command.ts';

const reference = await readFile(new URL('../../docs/json.md', import.meta.url), 'utf8');
const example = 'infra/example.config.jsonc';
let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-json-'));
  await writeFolder(join(folder, 'files'), [...generateInstances('described', 3, 4096)]);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('docs/json.md is what the schemas say; if not, run npm run format', () => {
  expect(reference).toBe(jsonReference());
});

test('every field is explained', () => {
  const rows = reference.split('\n').filter((line) => line.startsWith('| `'));
  expect(rows.length).toBeGreaterThan(100);
  const unexplained = rows.filter((row) => row.endsWith('|  |') && !/\| (list of )?object(, or absent)? \|/.test(row));
  expect(unexplained).toEqual([]);
});

test('every command with --json is described, and no other', () => {
  const printing = everyCommand(commandTree()).filter(({ options }) =>
    options.some(({ names }) => names.includes('--json')),
  );
  const printsTheConfiguration = ['config explain', 'config schema'];
  expect(new Set(printing.map(({ path }) => path))).toEqual(
    new Set([...Object.keys(jsonOutput), ...printsTheConfiguration]),
  );
});

test('a line that is not described is found', () => {
  const lines = jsonOutput['config check'] ?? [];
  const line = { type: 'configuration', valid: true, mirrors: [] };
  expect(() => requireDescribed(JSON.stringify(line), lines)).not.toThrow();
  expect(() => requireDescribed(JSON.stringify({ ...line, more: 1 }), lines)).toThrow('more');
  expect(() => requireDescribed(JSON.stringify({ type: 'other' }), lines)).toThrow('other');
});

/** One after the other: each finds what the one before has left. `runInProcess` holds each line to its schemas. */
test('what commands print that need no server fits their schemas', async () => {
  const [files, archive] = [join(folder, 'files'), join(folder, 'archive')];
  const inArchive = ['--archive', archive, '--json'];
  const { patientId, studyInstanceUid } = identifiersOf(placeOfNth('described', 0));
  const lines = async (exitCode: number, ...args: readonly string[]) => {
    const ended = await runInProcess(...args);
    expect(ended.exitCode, `${args.join(' ')}: ${ended.stderr}`).toBe(exitCode);
    return ended.stdout.trimEnd().split('\n').length;
  };
  expect(await lines(0, 'import', files, ...inArchive)).toBe(1);
  expect(await lines(0, 'verify', ...inArchive)).toBe(1);
  expect(await lines(0, 'snapshots', ...inArchive)).toBe(1);
  expect(await lines(0, 'ls', ...inArchive)).toBe(1);
  expect(await lines(0, 'ls', studyInstanceUid, ...inArchive)).toBeGreaterThanOrEqual(1);
  expect(await lines(0, 'find', '--patient', patientId, ...inArchive)).toBe(1);
  expect(await lines(0, 'diff', '2020-01-01', '2099-01-01', ...inArchive)).toBeGreaterThan(3);
  expect(await lines(0, 'restore', '--to', join(folder, 'dry'), '--dry-run', ...inArchive)).toBeGreaterThan(3);
  expect(await lines(0, 'restore', '--to', join(folder, 'restored'), '--verify', ...inArchive)).toBe(1);
  expect(
    await lines(0, 'export', '--patient', patientId, '--files-only', '--to', join(folder, 'medium'), ...inArchive),
  ).toBe(1);
  expect(await lines(0, 'pause', ...inArchive)).toBe(1);
  expect(await lines(0, 'status', '--count-archive', ...inArchive)).toBe(1);
  expect(await lines(0, 'resume', ...inArchive)).toBe(1);
  expect(await lines(0, 'estimate', '--instances', '1000000', '--json')).toBe(1);
  expect(await lines(0, 'config', 'check', example, '--json')).toBe(1);
  expect(await lines(2, 'restore', '--to', join(folder, 'none'), '--patient', 'NOBODY', ...inArchive)).toBe(1);
});
