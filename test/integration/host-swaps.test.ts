/** Root backs up a host whose Orthanc, and whose other users, are in the hands of an attacker. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { md5Of } from '../../core/identifiers.ts';
import { runCommand } from '../support/command.ts';
import { makeIndexFile, newUuid } from '../support/index-files.ts';
import { needs } from '../support/needs.ts';
import { nobody, startLurker, startSwapper } from '../support/swapper.ts';

const isRoot = process.platform === 'linux' && process.getuid?.() === 0;
const secret = Buffer.from('root only: 5ca1ab1e');

let root: string;
/** Belongs to the user of Orthanc, and so does everything in it. */
let home: string;
let storage: string;
/** What only root may look into. */
let precious: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'host-swaps-'));
  chmodSync(root, 0o755);
  home = join(root, 'orthanc');
  storage = join(home, 'storage');
  precious = join(root, 'precious');
  mkdirSync(storage, { recursive: true });
  mkdirSync(precious, { mode: 0o700 });
  writeFileSync(join(root, 'passphrase'), 'correct horse battery staple', { mode: 0o600 });
  writeFileSync(join(root, 'orthanc.json'), JSON.stringify({ StorageDirectory: storage }));
});
afterEach(() => rmSync(root, { recursive: true }));

const preciousFiles = () =>
  readdirSync(precious, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());

/** Fills the storage with so many files. @returns their paths. */
function fillStorage(files: number, bytesOf: () => Buffer = () => randomBytes(600)): readonly string[] {
  const rows = Array.from({ length: files }, () => ({ uuid: newUuid(), bytes: bytesOf() }));
  const past = new Date(Date.now() - 60_000);
  const paths = rows.map(({ uuid, bytes }) => {
    const path = join(storage, uuid.slice(0, 2), uuid.slice(2, 4), uuid);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
    utimesSync(path, past, past);
    return path;
  });
  const listed = rows.map(({ uuid, bytes }) => ({ uuid, sizeBytes: bytes.length, md5: md5Of(bytes) }));
  makeIndexFile(join(storage, 'index'), 6, listed);
  execFileSync('chown', ['-R', `${nobody}:${nobody}`, home]);
  return paths;
}

function backUp(...options: readonly string[]) {
  const places = ['--archive', join(root, 'archive'), '--passphrase-file', join(root, 'passphrase')];
  return runCommand(['backup', '--config', join(root, 'orthanc.json'), ...places, '--allow-missing', ...options]);
}

function archiveHolds(bytes: Buffer): boolean {
  const entries = readdirSync(join(root, 'archive'), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.some(({ parentPath, name }) => readFileSync(join(parentPath, name)).includes(bytes));
}

describe.runIf(needs(isRoot, 'Linux and root, to act for another user'))('cleaning up', () => {
  /** A folder that looks like one that a killed backup left. @returns the files in its only subfolder. */
  function leftIn(parent: string): readonly string[] {
    const folder = join(parent, '.orthanc-mirror-work-999999999-abcdef', 'files');
    mkdirSync(folder, { recursive: true });
    const files = Array.from({ length: 4000 }, (_, n) => join(folder, `file${n}`));
    for (const file of files) writeFileSync(file, '');
    execFileSync('chown', ['-R', `${nobody}:${nobody}`, dirname(folder)]);
    return files;
  }

  it('removes nothing of root, although somebody exchanges what lies beside the storage', async () => {
    fillStorage(5);
    for (let n = 3900; n < 4000; n += 1) writeFileSync(join(precious, `file${n}`), 'precious');
    const files = leftIn(home);
    await using _ = await startLurker(precious, dirname(files[0] ?? ''), files.slice(0, 20));
    expect(await backUp()).toMatchObject({ exitCode: 0 });
    expect(preciousFiles()).toHaveLength(100);
  });

  it('leaves what others put into the temporary folder, and works in no folder that others may change', async () => {
    fillStorage(5);
    const work = join(root, 'work');
    mkdirSync(work);
    chmodSync(work, 0o1777);
    const [file = ''] = leftIn(work);
    expect(await backUp('--work', work)).toMatchObject({ exitCode: 0 });
    expect(existsSync(file)).toBe(true);
    chmodSync(work, 0o777);
    const refused = await backUp('--work', work);
    expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(/may be changed by other users/) });
  });
});

describe.runIf(needs(isRoot, 'Linux and root, to act for another user'))('a storage in the hands of another', () => {
  it('that links a file to one of root has it named, and not a byte of it saved', async () => {
    writeFileSync(join(precious, 'secret'), secret);
    const [path = ''] = fillStorage(3);
    rmSync(path);
    symlinkSync(join(precious, 'secret'), path);
    const result = await backUp();
    expect(archiveHolds(secret)).toBe(false);
    expect(result).toMatchObject({ exitCode: 3, stdout: expect.stringMatching(/refused .*is a link/) });
  });

  it('that exchanges files and folders for links while they are read gets nothing of root saved', async () => {
    const paths = fillStorage(12);
    // Whatever is reached through a link has the name of a storage file.
    for (const path of paths) writeFileSync(join(precious, path.slice(-36)), secret);
    const target = join(precious, paths[0]?.slice(-36) ?? '');
    {
      await using _ = await startSwapper(target, paths.slice(0, 6));
      await using __ = await startSwapper(
        precious,
        paths.slice(6).map((path) => dirname(path)),
      );
      for (let run = 0; run < 4; run += 1) {
        const { exitCode, stderr } = await backUp();
        expect([0, 2, 3, 5], stderr).toContain(exitCode);
      }
    }
    expect(archiveHolds(secret)).toBe(false);
  });
});
