/**
 * Runs every command of the README, and every fenced one of `docs/`. The comment before a block says what it needs;
 * addresses, paths and identifiers of the pages stand for those of the test.
 */
import { spawn } from 'node:child_process';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { generateInstance, writeFolder } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { freePort } from '../../local/free-port.ts';
import { orthancPlace, prove } from '../../local/prove.ts';
import { startS3 } from '../../local/s3/start-s3.ts';
import { runCommand } from '../support/command.ts';
import { checkout, commands, runBlock, staged } from './support/readme-blocks.ts';
import { damageOneFile, instances, loseOneFile, type Server, setStage } from './support/readme-stage.ts';
import { folderForTest, instanceIds, serverForTest, storeAll } from './support/scene.ts';

async function expectSameBytes(...servers: readonly Server[]): Promise<void> {
  const places = servers.map(({ url }, index) => orthancPlace(String(index), url));
  expect(await prove(places)).toMatchObject({ equal: true });
}

test('every block of commands says what it needs, and has a test', () => {
  expect(commands.map(({ note, text }) => (note === '' ? text.trim() : note))).toEqual([
    'npm run demo',
    'npm test',
    'sh scripts/setup.sh',
    // These two in test/packaging.
    'needs: dist',
    'needs: debian package',
    'needs: source',
    'needs: source target',
    'needs: source target watch',
    'needs: source s3',
    'needs: source password',
    'needs: archive new-server',
    'needs: archive study',
    'needs: archive damaged-server',
    'needs: archive to open',
    'needs: source target archive',
    'needs: source archive damaged-archive',
    // docs/archive-format.md, command-line.md, host-backups.md, import.md, operate.md, restore.md
    'needs: archive by-hand',
    'needs: source target file',
    'needs: source target file status',
    'needs: host',
    'needs: host audit',
    'needs: files new-server',
    'npx cdk synth --quiet',
    'not run: needs an AWS account',
    'needs: archive to export',
  ]);
});

test('looks, mirrors, checks and verifies, restores to a new server, and one study of a moment to a folder', async () => {
  const { words, folder, source, target, newServer } = await setStage();
  expect(await runBlock('needs: source', words)).toContain('would copy 5');
  expect(await runBlock('needs: source target', words)).toContain('copied 5');

  const found = await runBlock('needs: source target archive', words);
  expect(found.match(/5 equal, 0 missing/g)).toHaveLength(2);
  expect(found).toContain('sound 10, damaged 0');

  const restored = await runBlock('needs: archive new-server', words);
  expect(restored).toContain('restored 5');
  expect(restored).toContain('read back: sound 5, damaged 0');
  await expectSameBytes(source, target, newServer);

  const ofStudy = await runBlock('needs: archive study', words);
  expect(ofStudy).toContain('restored 5');
  expect(ofStudy).toContain('added 5, removed 0');
  const inFolder = await readdir(join(folder, 'restored'), { recursive: true });
  expect(inFolder.filter((name) => name.endsWith('.dcm'))).toHaveLength(5);
});

test('repairs a server that lost a file and an archive that was damaged, and restores by hand', async () => {
  const { words, source, target, newServer, archive } = await setStage();
  await runBlock('needs: source target', words);
  await loseOneFile(target);
  expect(await runBlock('needs: archive damaged-server', words)).toContain('repaired 1, rejected 0, failed 0');
  await damageOneFile(archive);
  expect(await runBlock('needs: source archive damaged-archive', words)).toContain(
    'sound 4, damaged 1, lost 0, repaired 1',
  );
  await runBlock('needs: archive by-hand', words);
  await expectSameBytes(source, target, newServer);
});

test('restores by hand what the source holds, not what it replaced or removed', async () => {
  const { words, source, newServer } = await setStage();
  const [changed, removed] = instances;
  if (changed === undefined || removed === undefined) throw new Error('there are not enough instances');
  await runBlock('needs: source target', words);
  await withoutInstances(source, changed.id, removed.id);
  await storeAll(source, [generateInstance(placeOfNth('readme', 0), 8192)]);
  const gone = ['--deletion-grace-hours', '0', '--max-deletion-percent', '100'];
  const archive = words.get('/var/backups/orthanc') ?? '';
  for (let comparison = 1; comparison <= 2; comparison += 1) {
    expect(await runCommand(['run', source.url, '--archive', archive, ...gone])).toMatchObject({ exitCode: 0 });
  }
  // Of two records of one number the one that holds something counts.
  const [, second = ''] = (await readdir(join(archive, 'history', changed.id))).toSorted();
  expect(second).toMatch(/^000002-current-/);
  await writeFile(join(archive, 'history', changed.id, '000002-removed.json'), '{"at":"2026-11-21T03:02:01.123Z"}\n');
  await runBlock('needs: archive by-hand', words);
  await expectSameBytes(source, newServer);
});

test('by hand, each file that does not arrive is told, and the end is an error', async () => {
  const { words, archive, newServer } = await setStage();
  await runBlock('needs: source target', words);
  const junk = join('00000000-00000000-00000000-00000000-00000001', `${'0'.repeat(32)}.dcm`);
  await mkdir(join(archive, 'instances', dirname(junk)));
  await writeFile(join(archive, 'instances', junk), 'no image');
  const refused = await failureOf(runBlock('needs: archive by-hand', words));
  expect(refused.stderr.match(/^failed: .*$/gm)).toEqual([`failed: ${junk}`]);
  expect(await instanceIds(newServer)).toHaveLength(5);

  await newServer.kill();
  const away = await failureOf(runBlock('needs: archive by-hand', words));
  expect(away.stderr.match(/^failed: .*$/gm)).toHaveLength(6);
});

async function withoutInstances({ url }: Server, ...ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const response = await fetch(new URL(`instances/${id}`, url), { method: 'DELETE' });
    expect(response.status).toBe(200);
  }
}

/** What a block of commands said that ended with an error. */
async function failureOf(run: Promise<string>): Promise<{ readonly code: number; readonly stderr: string }> {
  const error: unknown = await run.then(
    () => expect.fail('it ended without an error'),
    (thrown: unknown) => thrown,
  );
  return z.object({ code: z.int().positive(), stderr: z.string() }).parse(error);
}

test('imports a folder of files, and reports on each', async () => {
  const { words, folder, source, newServer } = await setStage();
  await writeFolder(join(folder, 'dicom'), instances);
  await writeFile(join(folder, 'dicom', 'notes.txt'), 'no image\n');
  expect(await runBlock('needs: files new-server', words)).toMatch(/stored 5 .* not DICOM 1, refused 0, failed 0/);
  expect((await readFile(join(folder, 'import.jsonl'), 'utf8')).match(/"path":/g)).toHaveLength(6);
  await expectSameBytes(source, newServer);
});

test('backs up a host, restores it so that Orthanc starts on it, audits it and advises', async () => {
  const { words, folder, source } = await setStage();
  const said = await runBlock('needs: host', words);
  expect(said).toContain('5 copied, 0 missing, 0 damaged');
  expect(said).toContain('all bytes read, 0 flaws');
  await expectSameBytes(source, await serverForTest({ folder: join(folder, 'back') }));

  const judged = await runBlock('needs: host audit', words);
  expect(judged).toContain('5 rows, 5 good');
  expect(judged).toContain('way: nothing');
});

test('watches until it is stopped', async () => {
  const { words, target } = await setStage();
  const command = spawn('sh', ['-euc', `exec ${staged('needs: source target watch', words)}`], {
    cwd: checkout,
    stdio: 'ignore',
    detached: true,
  });
  const ended = new Promise<number | null>((resolve) => command.on('exit', resolve));
  await expect.poll(() => instanceIds(target), { timeout: 60_000 }).toHaveLength(5);
  if (command.pid === undefined) throw new Error('the command did not start');
  process.kill(-command.pid, 'SIGINT');
  await ended;
});

test('opens an archive in the browser, and exports a study of it', async () => {
  const { words, folder } = await setStage();
  await runBlock('needs: source target', words);
  const port = await freePort();
  const log = join(folder, 'access.jsonl');
  const command = spawn('sh', ['-euc', `exec ${staged('needs: archive to open', words)}`], {
    cwd: checkout,
    env: { ...process.env, ORTHANC_MIRROR_LISTEN: `127.0.0.1:${port}`, ORTHANC_MIRROR_ACCESS_LOG: log },
    stdio: 'ignore',
    detached: true,
  });
  const ended = new Promise<number | null>((resolve) => command.on('exit', resolve));
  const instanceCount = async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/instances`);
    return z.array(z.string()).parse(await answer.json()).length;
  };
  await expect.poll(() => instanceCount().catch(() => 0), { timeout: 60_000 }).toBe(5);
  if (command.pid === undefined) throw new Error('the command did not start');
  process.kill(-command.pid, 'SIGINT');
  await ended;
  expect(await runBlock('needs: archive to export', words)).toContain('exported 5 instances of 1 studies');
  expect((await stat(join(folder, 'images.zip'))).size).toBeGreaterThan(5 * 4096);
});

test('archives to S3', async () => {
  const { words, folder } = await setStage();
  const s3 = await startS3({ folder: join(folder, 's3') });
  onTestFinished(() => s3.close());
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const client = new S3Client({ endpoint: s3.endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
  onTestFinished(() => client.destroy());
  await client.send(new CreateBucketCommand({ Bucket: 'my-bucket' }));
  const withS3 = new Map([...words, ['https://s3.example.org', s3.endpoint]]);
  const environment = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' };
  expect(await runBlock('needs: source s3', withS3, environment)).toContain('copied 5');
});

test('takes the password from a file, and everything from a configuration file', async () => {
  const { words, folder, target } = await setStage();
  const config = { AuthenticationEnabled: true, RegisteredUsers: { mirror: 'secret' } };
  const locked = await serverForTest({ config });
  await storeFirstWithPassword(locked.url);
  const withPassword = new Map([...words, ['http://localhost:8042', locked.url]]);
  expect(await runBlock('needs: source password', withPassword)).toContain('copied 1');

  await writeFile(join(folder, 'mirror.jsonc'), staged('file: mirror.jsonc', withPassword));
  await runBlock('needs: source target file', withPassword);
  expect(await instanceIds(target)).toHaveLength(1);
  const status = await runBlock('needs: source target file status', withPassword);
  expect(status).toMatch(/source +1$/m);
  expect(status).toMatch(/^main: All well$/m);
});

async function storeFirstWithPassword(serverUrl: string): Promise<void> {
  const authorization = `Basic ${Buffer.from('mirror:secret').toString('base64')}`;
  const body = instances[0]?.bytes;
  if (body === undefined) throw new Error('no instance was generated');
  const response = await fetch(new URL('instances', serverUrl), { method: 'POST', headers: { authorization }, body });
  expect(response.status).toBe(200);
}

test('sets up, synthesizes and demonstrates', async () => {
  // The demo leaves its archive below TMPDIR.
  const environment = {
    TMPDIR: await folderForTest(),
    PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}`,
  };
  await runBlock('sh scripts/setup.sh', new Map(), environment);
  await runBlock('npx cdk synth --quiet', new Map(), environment);
  expect(await runBlock('npm run demo', new Map(), environment)).toContain('hold the same bytes');
});
