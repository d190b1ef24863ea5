import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { type CommandResult, runCommand, startCommand } from '../support/command.ts';
import { needs } from '../support/needs.ts';
import { fill } from '../support/orthanc-load.ts';
import { randomOf } from '../support/seeded-random.ts';
import { proveReadable } from '../support/server-proof.ts';
import { canMount, mountSmallDisk } from '../support/small-disk.ts';

let root: string;
let server: OrthancServer;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'host-faults-'));
  writeFileSync(join(root, 'passphrase'), 'correct horse battery staple\n');
  server = await startOrthanc();
});
afterEach(async () => {
  await server.stop();
  rmSync(root, { recursive: true });
});

const archive = () => join(root, 'archive');
const passphrase = () => ['--passphrase-file', join(root, 'passphrase')];

function backupArguments(target = archive()): readonly string[] {
  return ['backup', '--config', server.configPath, '--archive', target, '--omit-configuration', ...passphrase()];
}

/** Commands that write down that they ran; the server itself goes on. */
function pauseArguments(start = 'true'): readonly string[] {
  const log = join(root, 'pause.log');
  return ['--stop', `echo stop >>${log}`, '--start', `echo start >>${log}; ${start}`];
}

function pauseLog(): string[] {
  const path = join(root, 'pause.log');
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : [];
}

function checkAll(): Promise<CommandResult> {
  return runCommand(['backup', 'check', '--archive', archive(), '--read-data', ...passphrase()]);
}

/** Runs a command and kills it after a while, unless it ended before. */
async function killAfter(delayMs: number, args: readonly string[]): Promise<void> {
  const running = startCommand(args);
  await Promise.race([wait(delayMs), running.result]);
  running.process.kill('SIGKILL');
  await running.result;
}

describe('kill -9 at 20 random moments', () => {
  const random = randomOf('kills of a backup');

  it('of a backup leaves the previous backup valid, and the next run completes', async () => {
    await fill(server.url, 'first', 10);
    expect(await runCommand(backupArguments())).toMatchObject({ exitCode: 0 });
    for (let run = 0; run < 20; run += 1) {
      await fill(server.url, 'more', 10 + 5 * (run + 1), 20_000, 10 + 5 * run);
      // A work folder of this test's own: other tests have theirs in the system's.
      const args = [...backupArguments(), ...pauseArguments(), '--work', root];
      await killAfter(random.between(150, 1200), args);
      expect(await checkAll()).toMatchObject({ exitCode: 0 });
      expect(pauseLog().filter((line) => line === 'start')).toHaveLength(
        pauseLog().filter((line) => line === 'stop').length,
      );
    }
    const last = await runCommand([...backupArguments(), '--json', '--work', root]);
    expect(last).toMatchObject({ exitCode: 0 });
    expect(JSON.parse(last.stdout)).toMatchObject({ instances: 110, files: 110, missing: [], damaged: [] });
    expect(await checkAll()).toMatchObject({ exitCode: 0 });
    expect(workFolders()).toEqual([]);
  }, 300_000);

  it('of a restore leaves nothing half-written, and the next run completes', async () => {
    const ids = await fill(server.url, 'first', 120);
    expect(await runCommand(backupArguments())).toMatchObject({ exitCode: 0 });
    const folder = join(root, 'restored');
    const restore = ['backup', 'restore', '--archive', archive(), '--to', folder, ...passphrase()];
    for (let run = 0; run < 20; run += 1) {
      await killAfter(random.between(250, 1000), restore);
      if (existsSync(join(folder, 'storage', 'index'))) rmSync(folder, { recursive: true });
    }
    expect(await runCommand(restore)).toMatchObject({ exitCode: 0 });
    expect(partialFiles(folder)).toEqual([]);
    const restored = await startOrthanc({ folder });
    try {
      expect(await proveReadable(restored.url)).toEqual(ids.toSorted());
    } finally {
      await restored.stop();
    }
  }, 300_000);
});

function workFolders(): string[] {
  return readdirSync(root).filter((name) => name.startsWith('.orthanc-mirror-work-'));
}

function partialFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /partial|restore\.json/.test(name),
  );
}

describe('a backup that cannot be done', () => {
  it('for a wrong path says so and touches nothing', async () => {
    for (const args of [
      ['backup', '--config', join(root, 'nowhere.json'), '--archive', archive(), ...passphrase()],
      ['audit', '--config', join(root, 'nowhere.json')],
      ['audit', '--index', join(root, 'nowhere'), '--storage', server.storageFolder],
      ['backup', 'restore', '--archive', join(root, 'nowhere'), '--to', join(root, 'to'), ...passphrase()],
    ]) {
      const result = await runCommand(args);
      expect(result.exitCode).toBe(2);
      expect(result.stderr).toMatch(/nowhere/);
      expect(result.stderr).not.toMatch(/internal error/);
    }
  });

  it('because index and files lie in different databases is refused', async () => {
    const config = join(root, 'mixed.json');
    writeFileSync(config, JSON.stringify({ StorageDirectory: server.storageFolder, MySQL: { EnableStorage: true } }));
    const result = await runCommand(['backup', '--config', config, '--archive', archive(), ...passphrase()]);
    expect(result).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(/no dump holds both/) });
  });

  it('without a passphrase for the configuration is refused', async () => {
    const result = await runCommand(['backup', '--config', server.configPath, '--archive', archive()]);
    expect(result).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(/--passphrase-file/) });
    expect(existsSync(archive())).toBe(false);
  });

  it('because the stop command fails starts the server again', async () => {
    const result = await runCommand([
      ...backupArguments(),
      '--stop',
      'exit 4',
      '--start',
      `echo start >>${root}/pause.log`,
    ]);
    expect(result).toMatchObject({ exitCode: 7, stderr: expect.stringMatching(/stop command failed with status 4/) });
    expect(pauseLog()).toEqual(['start']);
  });

  it('with a start command that fails keeps the backup and says what to do', async () => {
    await fill(server.url, 'first', 3);
    const result = await runCommand([...backupArguments(), ...pauseArguments('exit 9')]);
    expect(result).toMatchObject({ exitCode: 7, stderr: expect.stringMatching(/start the server by hand/) });
    expect(await checkAll()).toMatchObject({ exitCode: 0 });
  });

  it('when it is asked to stop starts the server again', async () => {
    await fill(server.url, 'first', 3);
    const running = startCommand([
      ...backupArguments(),
      '--stop',
      `echo stop >>${root}/pause.log; sleep 2`,
      '--start',
      `echo start >>${root}/pause.log`,
    ]);
    while (pauseLog().length === 0) await wait(20);
    running.process.kill('SIGTERM');
    const { exitCode } = await running.result;
    expect(exitCode).toBe(130);
    expect(pauseLog()).toEqual(['stop', 'start']);
  });
});

describe.runIf(needs(canMount, 'Linux and root, to mount a small disk'))('on a full disk', () => {
  it('of the archive a backup fails clearly, starts the server again, and succeeds once there is room', async () => {
    await fill(server.url, 'first', 40, 100_000);
    using disk = mountSmallDisk(1_500_000);
    const result = await runCommand([...backupArguments(disk.folder), ...pauseArguments()]);
    expect(result).toMatchObject({ exitCode: 7, stderr: expect.stringMatching(/no space/) });
    expect(pauseLog().filter((line) => line === 'start')).toHaveLength(
      pauseLog().filter((line) => line === 'stop').length,
    );
    execFileSync('mount', ['-o', 'remount,size=20m', disk.folder]);
    expect(await runCommand(backupArguments(disk.folder))).toMatchObject({ exitCode: 0 });
  });

  it('of the copy of the index the server is started again', async () => {
    await fill(server.url, 'first', 10);
    using disk = mountSmallDisk(40_000);
    const result = await runCommand([...backupArguments(), ...pauseArguments(), '--work', disk.folder]);
    expect(result).toMatchObject({ exitCode: 7, stderr: expect.stringMatching(/no space/) });
    expect(pauseLog()).toEqual(['stop', 'start']);
  });

  it('of the storage itself a backup succeeds', async () => {
    using disk = mountSmallDisk(3_000_000);
    const full = await startOrthanc({ folder: disk.folder });
    try {
      await fill(full.url, 'full', 10);
      const room = Number(
        execFileSync('df', ['--output=avail', '-B1', disk.folder], { encoding: 'utf8' }).split('\n')[1],
      );
      writeFileSync(join(disk.folder, 'ballast'), Buffer.alloc(room - 4096));
      const options = ['--config', full.configPath, '--archive', archive(), ...passphrase(), '--json'];
      const result = await runCommand(['backup', ...options]);
      expect(result).toMatchObject({ exitCode: 0 });
      expect(JSON.parse(result.stdout)).toMatchObject({ instances: 10, files: 10, missing: [] });
    } finally {
      await full.kill();
      await full.stop();
    }
  });

  it('of the target a restore fails clearly and goes on once there is room', async () => {
    await fill(server.url, 'first', 20, 100_000);
    expect(await runCommand(backupArguments())).toMatchObject({ exitCode: 0 });
    using disk = mountSmallDisk(1_000_000);
    const restore = [
      'backup',
      'restore',
      '--archive',
      archive(),
      '--to',
      join(disk.folder, 'restored'),
      ...passphrase(),
    ];
    const result = await runCommand(restore);
    expect(result).toMatchObject({ exitCode: 7, stderr: expect.stringMatching(/no space/) });
    execFileSync('mount', ['-o', 'remount,size=20m', disk.folder]);
    expect(await runCommand(restore)).toMatchObject({ exitCode: 0 });
  });
});

describe('files that are lost or damaged on the host', () => {
  it('are named by a backup, which keeps everything else', async () => {
    await fill(server.url, 'first', 6);
    await server.pause();
    const [lost = '', damaged = ''] = storageFiles();
    rmSync(lost);
    const bytes = readFileSync(damaged);
    bytes.writeUInt8(bytes.readUInt8(5000) ^ 1, 5000);
    writeFileSync(damaged, bytes);
    const refused = await runCommand([...backupArguments(), '--tries', '2']);
    expect(refused).toMatchObject({
      exitCode: 5,
      stderr: expect.stringMatching(/1 files that the index names are missing/),
    });
    const result = await runCommand([...backupArguments(), '--json', '--allow-missing']);
    expect(result.exitCode).toBe(3);
    const name = (path: string) => path.slice(-36);
    const lines = result.stdout.trimEnd().split('\n');
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({
      files: 5,
      missing: [name(lost)],
      damaged: [name(damaged)],
    });
    expect(await checkAll()).toMatchObject({ exitCode: 0 });
  });
});

function storageFiles(): string[] {
  return readdirSync(server.storageFolder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(server.storageFolder, name))
    .filter((path) => /[0-9a-f-]{36}$/.test(path) && statSync(path).isFile());
}
