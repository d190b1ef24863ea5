/** What an archive holds, as a user asks for it. */
import { expect, test } from 'vitest';
import {
  addInstance,
  addSidecar,
  instanceId,
  studyId,
  studySidecar,
  watchedArchive,
} from '../support/archived-studies.ts';
import { runCommand } from '../support/command.ts';

async function listedArchive() {
  const archive = await watchedArchive();
  for (const n of [0, 1, 2]) {
    await addInstance(archive, n, `instance ${n}`, '2026-03-01T10:00:00Z');
    const patientTags = { PatientID: `P${n}`, PatientName: `DOE^N${n}` };
    await addSidecar(archive, studySidecar(n, [instanceId(n)], { patientTags }), '2026-03-01T10:00:00Z');
  }
  await addInstance(archive, 0, 'changed', '2026-03-02T10:00:00Z');
  return archive;
}

async function jsonLines(command: string, archive: { readonly path: string }, ...args: readonly string[]) {
  const { stdout, exitCode } = await runCommand([command, '--archive', archive.path, '--json', ...args]);
  expect(exitCode).toBe(0);
  const lines: Record<string, unknown>[] = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
  return lines;
}

test('ls lists studies, and the instances of one of them', async () => {
  const archive = await listedArchive();
  expect((await jsonLines('ls', archive)).map(({ study }) => study)).toEqual([0, 1, 2].map(studyId).toSorted());
  expect(await jsonLines('ls', archive, '1.2.1')).toEqual([
    expect.objectContaining({ type: 'instance', id: instanceId(1), sizeBytes: 'instance 1'.length }),
  ]);
  expect(await jsonLines('ls', archive, '--at', '2026-02-01')).toEqual([]);
  const text = await runCommand(['ls', '--archive', archive.path]);
  expect(text.stdout).toMatch(/2026-01-01 +P0 +DOE\^N0 +CT +1 +44 B +A0/);
  const none = await runCommand(['ls', '--archive', archive.path, '9.9']);
  expect(none).toMatchObject({ exitCode: 3, stdout: '', stderr: expect.stringContaining('no such study') });
});

test.each([
  [['--patient', 'P1'], [1]],
  [
    ['--study', '1.2.0', '1.2.2'],
    [0, 2],
  ],
  [['--accession', 'A2'], [2]],
  [
    ['--modality', 'CT'],
    [0, 2],
  ],
  [['--modality', 'CT', '--until', '2026-01-01'], [0]],
  [
    ['--since', '20260102'],
    [1, 2],
  ],
  [['--patient', 'nobody'], []],
  [['--name', 'doe^n1'], [1]],
  [
    ['--name', 'Doe*', '--modality', 'CT'],
    [0, 2],
  ],
  [['--name', 'doe'], []],
])('find %j', async (args, expected) => {
  const found = await jsonLines('find', await listedArchive(), ...args);
  expect(found.map(({ study }) => study)).toEqual(expected.map(studyId).toSorted());
});

test('snapshots and diff tell what changed', async () => {
  const archive = await listedArchive();
  expect(await jsonLines('snapshots', archive)).toMatchObject([
    { day: '2026-03-01', added: 3, changed: 0, sidecars: 3 },
    { day: '2026-03-02', added: 0, changed: 1, sidecars: 0 },
  ]);
  const changes = await runCommand(['diff', '2026-03-01', '2026-03-02', '--archive', archive.path]);
  expect(changes.stdout).toMatch(new RegExp(`^\\* instance {2}${instanceId(0)} {2}[0-9a-f]{32}$`, 'm'));
  expect(changes.stdout).toContain('added 0, removed 0, changed 1; sidecars added or changed 0');
});

test.each([
  [['ls'], "option '--archive <place>' not specified"],
  [['restore', '--archive', '/nowhere'], "option '--to <place>' not specified"],
  [['restore', '--archive', '/nowhere', '--to', '/tmp/x', '--at', 'yesterday'], 'time is written'],
  [['find', '--archive', '/nowhere', '--since', '31.12.2025'], 'study date is written'],
  [['diff', 'x', 'y', '--archive', '/nowhere'], 'time is written'],
])('%j is refused with exit code 2', async (args, message) => {
  expect(await runCommand(args)).toMatchObject({ exitCode: 2, stderr: expect.stringContaining(message) });
});
