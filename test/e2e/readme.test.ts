/**
 * Runs every command of the README. The comment before a block says what it needs; addresses and paths of the README
 * stand for those of the test.
 */
import { execFile, spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { generateInstances } from '../../local/dicom/generate.ts';
import { orthancPlace, prove } from '../../local/prove.ts';
import { startS3 } from '../../local/s3/start-s3.ts';
import { folderForTest, instanceIds, serverForTest, storeAll } from './support/scene.ts';

const checkout = new URL('../..', import.meta.url).pathname;
const readme = await readFile(join(checkout, 'README.md'), 'utf8');
const instances = [...generateInstances('readme', 5, 4096)];

interface Block {
  readonly language: string;
  readonly text: string;
  /** The comment right before the block. */
  readonly note: string;
}

const blocks: readonly Block[] = [...readme.matchAll(/(?:<!-- (.*?) -->\n)?```(\w+)\n(.*?)```/gs)].map(
  ([, note = '', language = '', text = '']) => ({ note, language, text }),
);
const commands = blocks.filter(({ language }) => language === 'sh');

/** What the README calls its servers and files, and what that is in the test. */
type Stage = ReadonlyMap<string, string>;

function blockNeeding(needs: string): string {
  const found = commands.filter(({ note }) => note === `needs: ${needs}`);
  if (found[0] === undefined || found.length > 1) throw new Error(`the README has not one block that needs ${needs}`);
  return found[0].text;
}

function staged(text: string, stage: Stage): string {
  return [...stage].reduce((before, [word, meaning]) => before.replaceAll(word, meaning), text);
}

/** Runs a block in the checkout, as a reader would; throws with what it said if it fails. */
async function runBlock(text: string, stage: Stage = new Map(), environment: NodeJS.ProcessEnv = {}): Promise<string> {
  const env = { ...process.env, ...environment };
  const { stdout } = await promisify(execFile)('sh', ['-euc', staged(text, stage)], { cwd: checkout, env });
  return stdout;
}

async function setStage(): Promise<{ stage: Stage; source: Server; target: Server; folder: string }> {
  const [source, target, folder] = await Promise.all([serverForTest(), serverForTest(), folderForTest()]);
  await storeAll(source, instances);
  const stage = new Map([
    ['http://localhost:8042', source.url],
    ['http://standby:8042', target.url],
    ['/var/backups/orthanc', join(folder, 'archive')],
    ['/etc/orthanc-mirror/password', join(folder, 'password')],
    ['mirror.jsonc', join(folder, 'mirror.jsonc')],
  ]);
  await writeFile(join(folder, 'password'), 'secret\n');
  return { stage, source, target, folder };
}
type Server = Awaited<ReturnType<typeof serverForTest>>;

test('every block of commands says what it needs, and has a test', () => {
  expect(commands.map(({ note, text }) => (note === '' ? text.trim() : note))).toEqual([
    'npm run demo',
    'npm test',
    'sh scripts/setup.sh',
    'needs: source',
    'needs: source target',
    'needs: source target watch',
    'needs: source s3',
    'needs: source password',
    'needs: source target file',
    'needs: restore',
    'needs: target archive',
    'npx cdk synth --quiet',
    'not run: needs an AWS account',
  ]);
});

test('looks, then mirrors to a server and an archive, and restores the archive, by hand too', async () => {
  const { stage, source, target } = await setStage();
  expect(await runBlock(blockNeeding('source'), stage)).toContain('would copy 5');
  expect(await runBlock(blockNeeding('source target'), stage)).toContain('copied 5');

  const [restored, byHand] = await Promise.all([serverForTest(), serverForTest()]);
  const to = ({ url }: Server) => new Map([...stage, ['http://standby:8042', url]]);
  expect(await runBlock(blockNeeding('restore'), to(restored))).toContain('read back: sound 5');
  await runBlock(blockNeeding('target archive'), to(byHand));
  const places = [source, target, restored, byHand].map(({ url }, index) => orthancPlace(String(index), url));
  expect(await prove(places)).toMatchObject({ equal: true });
});

test('watches until it is stopped', async () => {
  const { stage, target } = await setStage();
  const command = spawn('sh', ['-euc', `exec ${staged(blockNeeding('source target watch'), stage)}`], {
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

test('archives to S3', async () => {
  const { stage, folder } = await setStage();
  const s3 = await startS3({ folder: join(folder, 's3') });
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const client = new S3Client({ endpoint: s3.endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
  try {
    await client.send(new CreateBucketCommand({ Bucket: 'my-bucket' }));
    const withS3 = new Map([...stage, ['https://s3.example.org', s3.endpoint]]);
    const environment = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' };
    expect(await runBlock(blockNeeding('source s3'), withS3, environment)).toContain('copied 5');
  } finally {
    client.destroy();
    await s3.close();
  }
});

test('takes the password from a file, and everything from a configuration file', async () => {
  const { stage, folder, target } = await setStage();
  const config = { AuthenticationEnabled: true, RegisteredUsers: { mirror: 'secret' } };
  const locked = await serverForTest({ config });
  await storeAllWithPassword(locked.url);
  const withPassword = new Map([...stage, ['http://localhost:8042', locked.url]]);
  expect(await runBlock(blockNeeding('source password'), withPassword)).toContain('copied 1');

  const file = blocks.find(({ note }) => note === 'file: mirror.jsonc');
  await writeFile(join(folder, 'mirror.jsonc'), staged(file?.text ?? '', withPassword));
  await runBlock(blockNeeding('source target file'), withPassword);
  expect(await instanceIds(target)).toHaveLength(1);
});

async function storeAllWithPassword(serverUrl: string): Promise<void> {
  const authorization = `Basic ${Buffer.from('mirror:secret').toString('base64')}`;
  const [first] = instances;
  if (first === undefined) throw new Error('no instance was generated');
  const response = await fetch(new URL('instances', serverUrl), {
    method: 'POST',
    headers: { authorization },
    body: first.bytes,
  });
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
  expect(await runBlock('npm run --silent demo', new Map(), environment)).toContain('hold the same bytes');
});
