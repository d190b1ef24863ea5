/** Restoring nothing is no success: whoever mistyped an id must not believe that it was restored. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { generateInstances, writeFolder } from '../../local/dicom/generate.ts';
import { runInProcess } from '../support/in-process-command.ts';

let folder = '';
let archive = '';
let to = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-empty-'));
  [archive, to] = [join(folder, 'archive'), join(folder, 'restored')];
  await writeFolder(join(folder, 'files'), generateInstances('empty selection', 2, 4096));
  expect(await runInProcess('import', join(folder, 'files'), '--archive', archive)).toMatchObject({ exitCode: 0 });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test.each([
  ['--patient', 'NOSUCH'],
  ['--study', '1.2.3'],
  ['--series', '1.2.3'],
  ['--since', '2999-01-01'],
])('restore %s %s says that nothing matches, with exit code 2', async (option, value) => {
  const { exitCode, stdout, stderr } = await runInProcess('restore', '--archive', archive, '--to', to, option, value);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  expect(stderr).toMatch(/nothing in .* matches/);
});

test('restore of a time before the archive began says when it begins, with exit code 2', async () => {
  const { exitCode, stdout, stderr } = await runInProcess(
    'restore',
    '--archive',
    archive,
    '--to',
    to,
    '--at',
    '2001-01-01',
  );
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  expect(stderr).toMatch(/begins 20\d\d-.*held nothing/);
});

test.each([['ls'], ['export', '--to', 'medium']])(
  '%s of a study that is not there has exit code 3',
  async (...command) => {
    const study = command[0] === 'ls' ? ['1.2.3'] : ['--study', '1.2.3'];
    const { exitCode, stderr } = await runInProcess(...command, ...study, '--archive', archive);
    expect({ exitCode, says: stderr.includes('no such study') }).toEqual({ exitCode: 3, says: true });
  },
);

test('find says that no study matches', async () => {
  const { exitCode, stderr } = await runInProcess('find', '--archive', archive, '--patient', 'NOSUCH');
  expect({ exitCode, says: stderr.includes('no study matches') }).toEqual({ exitCode: 0, says: true });
});

test('a whole archive is restored', async () => {
  const { exitCode } = await runInProcess('restore', '--archive', archive, '--to', to);
  expect(exitCode).toBe(0);
  expect((await readdir(to, { recursive: true })).filter((name) => name.endsWith('.dcm'))).toHaveLength(2);
});
