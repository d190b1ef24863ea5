/** What `backup` and its subcommands say and permit, on a host whose Orthanc does not run. */
import '../support/quick-passphrases.ts';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CommandResult } from '../support/command.ts';
import { HostArchive } from '../support/forged-host-archive.ts';
import { dangersIn } from '../support/forgery.ts';
import { HostScene } from '../support/host-scene.ts';
import { hostBackupForgeries } from '../support/hostile-host-backup.ts';
import { runInProcess } from '../support/in-process-command.ts';

let scene: HostScene;
let path: string;
beforeEach(() => {
  scene = new HostScene();
  path = scene.addFile();
  scene.writeIndex();
});
afterEach(() => scene[Symbol.asyncDispose]());

const archive = () => ['--archive', scene.archive];
const passphrase = () => ['--passphrase-file', scene.passphrasePath];

function backUp(...options: readonly string[]): Promise<CommandResult> {
  return runInProcess('backup', '--config', scene.configPath, '--host', 'pacs', ...archive(), ...options);
}

function on(command: string, ...options: readonly string[]): Promise<CommandResult> {
  return runInProcess('backup', command, ...archive(), ...options);
}

async function forge(name: string): Promise<void> {
  const forgery = hostBackupForgeries.find((one) => one.name === name);
  if (forgery === undefined) throw new Error(`there is no such forgery: ${name}`);
  mkdirSync(join(scene.root, 'victim'), { recursive: true });
  await forgery.forge(new HostArchive(scene.objectPath('host-backups/pacs'), join(scene.root, 'victim')));
}

it('prints units of systemd as they belong into its files', async () => {
  const { exitCode, stdout } = await backUp(...passphrase(), '--schedule', 'daily');
  expect(exitCode).toBe(0);
  const lines = stdout.split('\n');
  expect(lines).toContain('[Timer]');
  expect(lines).toContain('OnCalendar=daily');
  expect(lines.find((line) => line.startsWith('ExecStart='))).toContain(`--passphrase-file ${scene.passphrasePath}`);
});

describe('without a passphrase', () => {
  it('nothing is backed up, checked, restored or removed', async () => {
    expect(await backUp(...passphrase())).toMatchObject({ exitCode: 0 });
    const results = [
      await backUp(),
      await backUp('--omit-configuration'),
      await on('check'),
      await on('restore', '--to', join(scene.root, 'to')),
      await on('prune', '--keep-daily', '1'),
    ];
    for (const result of results) {
      expect(result).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--passphrase-file') });
    }
    expect(existsSync(join(scene.root, 'to'))).toBe(false);
  });

  it('a list says that it is not authenticated; with it, what is', async () => {
    await backUp(...passphrase());
    const list = await on('list');
    expect(list.stdout).toMatch(/NOT AUTHENTICATED: no passphrase was given/);
    expect(list.stderr).toMatch(/not authenticated/);
    expect((await on('list', ...passphrase())).stdout).toMatch(/ +1 +1 +0 +\S+ \S+ {2}authentic$/m);
  });

  it('of at least 12 characters there is a warning, of fewer than 8 a refusal', async () => {
    writeFileSync(scene.passphrasePath, 'ten chars!');
    expect(await backUp(...passphrase())).toMatchObject({
      exitCode: 0,
      stderr: expect.stringMatching(/warning: .*12/),
    });
    writeFileSync(scene.passphrasePath, 'seven!!');
    expect(await backUp(...passphrase())).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(/at least 8/) });
  });
});

describe('a backup that somebody forged', () => {
  beforeEach(async () => {
    await backUp(...passphrase());
    scene.addFile();
    scene.writeIndex();
    await backUp(...passphrase());
  });

  it('is not restored, but named, with the one to take instead', async () => {
    await forge('lists a file with an absolute path');
    const to = join(scene.root, 'to');
    const refused = await on('restore', '--to', to, ...passphrase());
    expect(refused).toMatchObject({ exitCode: 3, stderr: expect.stringMatching(/changed or forged.*--backup/) });
    expect(existsSync(to)).toBe(false);
    const other = /newest authentic backup is (\S+):/.exec(refused.stderr)?.[1] ?? '';
    expect(await on('restore', '--to', to, '--backup', other, ...passphrase())).toMatchObject({ exitCode: 0 });
  });

  it('is found by a check and by a list, and counts for nothing when old ones are removed', async () => {
    await forge('makes a backup of the future');
    const check = await on('check', ...passphrase());
    expect(check).toMatchObject({ exitCode: 4, stdout: expect.stringMatching(/^not-authentic manifest 29990101T/m) });
    expect((await on('list', ...passphrase())).stdout).toMatch(/^29990101T.*NOT AUTHENTICATED/m);
    const prune = await on('prune', '--keep-daily', '7', ...passphrase());
    expect(prune.stderr).toMatch(/not counted 29990101T.*not authenticated/);
    expect(prune).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^1 backups, 0 files, 0 pieces removed/),
    });
  });

  it('is restored to a folder by the option that says what it is, without its configuration', async () => {
    await forge('makes a newer backup with a passphrase of their own');
    const to = join(scene.root, 'to');
    const option = '--i-know-this-backup-is-not-authenticated';
    for (const wrong of [['--original-paths'], ['--database', 'mysql://db/o'], passphrase()]) {
      expect(await on('restore', '--to', to, option, ...wrong)).toMatchObject({ exitCode: 2 });
    }
    expect(await on('restore', option)).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--to FOLDER') });
    const restored = await on('restore', '--to', to, option, '--json');
    expect(restored).toMatchObject({ exitCode: 3, stderr: expect.stringMatching(/warning: .*not authenticated/) });
    expect(JSON.parse(restored.stdout)).toMatchObject({ authentic: false, files: 2, configurationFiles: [] });
    expect(readdirSync(to).sort()).toEqual(['index', 'storage']);
    expect(readdirSync(join(scene.root, 'victim'))).toEqual([]);
    expect(dangersIn(to)).toEqual([]);
  });

  it('cannot reach the terminal by the name of its host', async () => {
    await forge('gives a host a name that a terminal obeys');
    const list = await on('list', ...passphrase());
    expect(list.exitCode).toBe(0);
    expect(list.stdout + list.stderr).not.toContain('\u001b');
    expect(list.stdout.trim().split('\n')).toHaveLength(3);
  });
});

describe('a restore', () => {
  it('caps the rights of what it writes', async () => {
    for (const mode of ['4755', '0777']) {
      execFileSync('chmod', [mode, scene.configPath]);
      expect(await backUp(...passphrase())).toMatchObject({ exitCode: 0 });
      const to = join(scene.root, `to${mode}`);
      expect(await on('restore', '--to', to, ...passphrase())).toMatchObject({ exitCode: 0 });
      expect(statSync(join(to, 'configuration', 'orthanc.json')).mode & 0o7777).toBe(0o640);
      expect(dangersIn(to)).toEqual([]);
    }
  });

  it('follows no link below its folder', async () => {
    await backUp(...passphrase());
    const [to, elsewhere] = [join(scene.root, 'to'), join(scene.root, 'elsewhere')];
    mkdirSync(to);
    mkdirSync(elsewhere);
    symlinkSync(elsewhere, join(to, 'storage'));
    const refused = await on('restore', '--to', to, ...passphrase());
    expect(refused).toMatchObject({ exitCode: 3, stderr: expect.stringMatching(/storage is a link/) });
    expect(readdirSync(elsewhere)).toEqual([]);
  });

  it('to the original paths names them, and goes on only if somebody agrees', async () => {
    await backUp(...passphrase());
    rmSync(scene.storage, { recursive: true });
    rmSync(scene.configPath);
    const refused = await on('restore', '--original-paths', ...passphrase());
    expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(/nothing was restored: .*--yes/) });
    expect(refused.stderr).toContain(`to be written: configuration file ${scene.configPath}`);
    expect(refused.stderr).toContain(`to be written: storage files below ${scene.storage}`);
    expect(existsSync(scene.storage)).toBe(false);
    expect(await on('restore', '--original-paths', '--yes', ...passphrase())).toMatchObject({ exitCode: 0 });
    expect([path, scene.index, scene.configPath].map((one) => existsSync(one))).toEqual([true, true, true]);
    const again = await on('restore', '--original-paths', '--yes', ...passphrase());
    expect(again).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(/is not empty/) });
  });

  it('says that the backup was made without the configuration', async () => {
    await backUp(...passphrase(), '--omit-configuration');
    const restored = await on('restore', '--to', join(scene.root, 'to'), ...passphrase());
    expect(restored.stderr).toMatch(/made without the configuration/);
  });
});

describe('a database that is named with its password', () => {
  it.each([
    ['mysql://u:S3cret@127.0.0.1:1/o', 'MYSQL_PWD'],
    ['postgres://u@127.0.0.1:1/o?password=S3cret', 'PGPASSWORD'],
  ])('%s is taken with a warning that does not repeat it', async (url, variable) => {
    const result = await runInProcess('advise', '--index', url);
    expect(result).toMatchObject({ exitCode: 7, stderr: expect.stringMatching(new RegExp(`warning: .*${variable}`)) });
    expect(result.stdout + result.stderr).not.toContain('S3cret');
  });
});

describe('removing old backups', () => {
  it('says what it would remove, and removes it when it is not a dry run', async () => {
    await backUp(...passphrase());
    scene.addFile();
    scene.writeIndex();
    const options = ['--keep-daily', '1', ...passphrase()];
    const second = await backUp(...passphrase(), '--json');
    expect(second.exitCode).toBe(0);
    const dry = await on('prune', ...options, '--dry-run');
    expect(dry.stdout).toMatch(/^to remove \S+ of 2.*\n1 backups to remove, 1 to keep, 0 not counted/);
    expect((await on('list')).stdout.trim().split('\n')).toHaveLength(3);
    expect(await on('prune', ...options, '--max-removals', '0')).toMatchObject({ exitCode: 6 });
    expect(await on('prune', ...options)).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^1 backups/) });
    const third = await backUp('--json', ...options);
    expect(JSON.parse(third.stdout)).toMatchObject({ type: 'summary', files: 2, copied: 0 });
    expect(third.stderr).toMatch(/to remove .*\n.*\n1 backups, 0 files/);
    expect(readFileSync(path)).toHaveLength(2000);
  });
});
