/** The npm package, installed without a registry, on the Node of this checkout and on an older one. */
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { identifiersOf, placeOfNth } from '../../local/dicom/identifiers.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { folderForTest } from '../e2e/support/scene.ts';
import { needs } from '../support/needs.ts';
import { artefactsForFile } from './support/artefacts.ts';
import { expectRoundTrip, filledServer } from './support/round-trip.ts';
import { type Ended, run } from './support/run-program.ts';

const artefacts = artefactsForFile('npm');
const modules = fileURLToPath(new URL('../../node_modules', import.meta.url));
const machineNode = '/usr/bin';
const machineVersion = existsSync(join(machineNode, 'node'))
  ? (await run(join(machineNode, 'node'), ['--version'])).stdout
  : '';
const hasOlderNode = needs(/^v(18|20|22)\./.test(machineVersion), `a Node older than 24 as ${machineNode}/node`);

/** Installs as a user does, in a folder of the user's own. @returns what runs the program on the Node of a folder */
async function installed(
  ...packages: readonly string[]
): Promise<(nodeFolder: string) => (...args: readonly string[]) => Promise<Ended>> {
  const prefix = await folderForTest();
  // Offline: nothing else is fetched.
  const { exitCode, stderr } = await run('npm', ['install', '--global', '--offline', '--prefix', prefix, ...packages]);
  expect(exitCode, stderr).toBe(0);
  return (nodeFolder) =>
    (...args) =>
      run(join(prefix, 'bin/orthanc-mirror'), args, {
        ...process.env,
        PATH: [nodeFolder, '/usr/bin', '/bin'].join(delimiter),
      });
}

test('is small, and installs and runs on Node 24 without a registry', async () => {
  const orthancMirror = (await installed(artefacts.path('.tgz')))(dirname(process.execPath));
  expect((await stat(artefacts.path('.tgz'))).size).toBeLessThan(3_000_000);
  expect((await orthancMirror('--version')).stdout).toBe(`${packageJson.version}\n`);
  await expectRoundTrip(await folderForTest(), orthancMirror);
});

test('makes pictures, in a thread and with codecs that are packed', async () => {
  const orthancMirror = (await installed(artefacts.path('.tgz')))(dirname(process.execPath));
  const [folder, source] = await Promise.all([folderForTest(), filledServer()]);
  const [archive, medium] = [join(folder, 'archive'), join(folder, 'medium')];
  await orthancMirror('run', source.url, '--archive', archive);
  const { patientId } = identifiersOf(placeOfNth('packaging', 0));
  const { exitCode, stderr } = await orthancMirror(
    'export',
    '--archive',
    archive,
    '--patient',
    patientId,
    '--to',
    medium,
  );
  expect(exitCode, stderr).toBe(0);
  const names = await readdir(medium, { recursive: true });
  expect(names.filter((name) => name.endsWith('.JPG')).length).toBeGreaterThan(0);
});

test('names a program in the timer that it prints which is there', async () => {
  const orthancMirror = (await installed(artefacts.path('.tgz')))(dirname(process.execPath));
  const { stdout } = await orthancMirror('backup', '--config', '/etc/orthanc', '--archive', '/srv/a', '--schedule');
  const [, program = ''] = /^ExecStart="?([^" ]+)/m.exec(stdout) ?? [];
  expect(existsSync(program), stdout).toBe(true);
});

test.runIf(hasOlderNode)(
  'says what an older Node lacks, and runs on the Node that is installed beside it',
  async () => {
    const alone = (await installed(artefacts.path('.tgz')))(machineNode);
    const refused = await alone('--version');
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toContain(`needs Node.js 24 or newer, and finds ${machineVersion.trim()}`);
    expect(refused.stderr).toContain(`npm install --global node-linux-${process.arch}@24`);

    const node = join(modules, `node-linux-${process.arch}`);
    const orthancMirror = (await installed(artefacts.path('.tgz'), node))(machineNode);
    await expectRoundTrip(await folderForTest(), orthancMirror);
  },
);
