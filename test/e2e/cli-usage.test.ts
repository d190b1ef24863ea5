import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { runCommand } from '../support/command.ts';

const run = promisify(execFile);
const checkout = new URL('../..', import.meta.url).pathname;

test('--help lists the commands on stdout', async () => {
  const { exitCode, stdout, stderr } = await runCommand(['--help']);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  expect(stdout).toContain('Usage: orthanc-mirror');
});

test('--version prints the version of the package', async () => {
  expect(await runCommand(['--version'])).toMatchObject({ exitCode: 0, stdout: `${packageJson.version}\n` });
});

test.each([
  ['an unknown option', ['--frobnicate']],
  ['an unknown command', ['frobnicate']],
])('%s is refused with exit code 2 and nothing on stdout', async (_, args) => {
  const { exitCode, stdout, stderr } = await runCommand(args);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  expect(stderr).toContain('frobnicate');
});

test.each([
  ['--max-deletion-percent', 'abc'],
  ['--max-deletion-percent', '101'],
  ['--max-deletion-percent', ''],
  ['--deletion-grace-hours', '-1'],
  ['--max-deletions', '1.5'],
])('run %s %j is refused with exit code 2, by the name of the option', async (option, value) => {
  const { exitCode, stdout, stderr } = await runCommand(['run', 'http://nowhere', 'http://no', `${option}=${value}`]);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  expect(stderr).toContain(option);
});

test.each([
  ['npx', ['orthanc-mirror', '--version']],
  ['npx --no-install', ['--no-install', 'orthanc-mirror', '--version']],
])('%s runs it from a checkout', async (_, args) => {
  const { stdout } = await run('npx', args, { cwd: checkout });
  expect(stdout).toBe(`${packageJson.version}\n`);
});

test('a symbolic link to the executable runs it from anywhere', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-link-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await symlink(join(checkout, 'bin/orthanc-mirror'), join(folder, 'first'));
  await symlink('first', join(folder, 'second'));
  const { stdout } = await run(join(folder, 'second'), ['--version'], { cwd: folder });
  expect(stdout).toBe(`${packageJson.version}\n`);
});
