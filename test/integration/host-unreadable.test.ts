import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { runAsNobody } from '../support/as-nobody.ts';
import { fill } from '../support/orthanc-load.ts';

let root: string;
let server: OrthancServer;
/** A file of the storage. */
let file: string;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'host-unreadable-'));
  server = await startOrthanc({ folder: join(root, 'orthanc') });
  await fill(server.url, 'instances', 6);
  file = storageFiles()[0] ?? '';
  writeFileSync(pauseLogPath(), '');
  writeFileSync(join(root, 'passphrase'), 'correct horse battery staple\n');
  // Everything may be read by another user, but what a test takes away.
  for (const folder of [root, join(root, 'orthanc')]) chmodSync(folder, 0o777);
  chmodSync(pauseLogPath(), 0o666);
});
afterEach(async () => {
  await server.stop();
  rmSync(root, { recursive: true });
});

function storageFiles(): string[] {
  const entries = readdirSync(server.storageFolder, { recursive: true, withFileTypes: true });
  return entries
    .filter(({ name }) => /^[0-9a-f-]{36}$/.test(name))
    .map(({ parentPath, name }) => join(parentPath, name));
}

const pauseLogPath = () => join(root, 'pause.log');
const passphrase = () => ['--passphrase-file', join(root, 'passphrase')];
const pauses = () => readFileSync(pauseLogPath(), 'utf8').split('\n').slice(0, -1);

const run = (...args: readonly string[]) => runAsNobody('bin/orthanc-mirror', args);

function backUp(...options: readonly string[]) {
  const places = ['--config', server.configPath, '--archive', join(root, 'archive'), ...passphrase()];
  const pause = ['--stop', `echo stop >>${pauseLogPath()}`, '--start', `echo start >>${pauseLogPath()}`];
  return run('backup', ...places, ...pause, ...options);
}

/** A file that may still be written is not copied before the server is stopped. */
function makeYoung(path: string): void {
  const soon = new Date(Date.now() + 3_600_000);
  utimesSync(path, soon, soon);
}

const mayNot = (path: string) => new RegExp(`${path} may not be accessed by this user`);

describe('a file that this user may not read', () => {
  it('ends a backup with its name before the server is stopped', () => {
    chmodSync(file, 0);
    const past = new Date(Date.now() - 3_600_000);
    utimesSync(file, past, past);
    expect(backUp()).toMatchObject({ status: 7, stderr: expect.stringMatching(mayNot(file)) });
    expect(pauses()).toEqual([]);
  });

  it('ends a backup with its name while the server is stopped, and the server is started again', () => {
    chmodSync(file, 0);
    makeYoung(file);
    expect(backUp()).toMatchObject({ status: 7, stderr: expect.stringMatching(mayNot(file)) });
    expect(pauses()).toEqual(['stop', 'start']);
  });

  it('is named by an audit, which judges all others', () => {
    chmodSync(file, 0);
    const result = run('audit', '--config', server.configPath, '--margin', '0');
    expect(result.stdout).toMatch(new RegExp(`unreadable.*${basename(file)}`));
    expect(result.stdout).toMatch(/5 good, .*1 unreadable/);
    expect(result.status).toBe(4);
  });
});

describe('an index that this user may not read', () => {
  it('ends a backup with its name, and the server is started again', () => {
    const index = join(server.storageFolder, 'index');
    chmodSync(index, 0);
    expect(backUp()).toMatchObject({ status: 7, stderr: expect.stringMatching(mayNot(index)) });
    expect(pauses()).toEqual(['stop', 'start']);
  });
});

describe('a folder of the storage that this user may not read', () => {
  it('ends backup and audit with its name', () => {
    const folder = dirname(file);
    chmodSync(folder, 0);
    expect(backUp()).toMatchObject({ status: 2, stderr: expect.stringMatching(mayNot(folder)) });
    expect(run('audit', '--config', server.configPath)).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(mayNot(folder)),
    });
  });
});

describe('a folder in the place of a file', () => {
  it('is named by a backup, which keeps everything else, and the server is started again', () => {
    rmSync(file);
    mkdirSync(file);
    const result = backUp('--json');
    expect(result.status, result.stderr).toBe(3);
    expect(JSON.parse(result.stdout.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({
      files: 5,
      refused: [{ uuid: basename(file), reason: expect.stringMatching(/is a folder/) }],
    });
    expect(pauses()).toEqual(['stop', 'start']);
    expect(existsSync(file)).toBe(true);
  });
});
