import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { type CommandResult, runCommand } from '../support/command.ts';
import { fill, type Load, startLoad } from '../support/orthanc-load.ts';
import { proveReadable } from '../support/server-proof.ts';

const backupRecord = z.object({ backup: z.string(), instances: z.number(), files: z.number(), copied: z.number() });

let root: string;
let server: OrthancServer;
let load: Load | undefined;
const archive = () => join(root, 'archive');
const places = () => ['--archive', archive(), '--passphrase-file', join(root, 'passphrase')];

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'host-backup-'));
  writeFileSync(join(root, 'passphrase'), 'correct horse battery staple\n');
  server = await startOrthanc();
});
afterEach(async () => {
  await load?.stop();
  endServerOf(server.configPath);
  await server.stop();
  rmSync(root, { recursive: true });
});

function backUp(...options: readonly string[]): Promise<CommandResult> {
  return runCommand(['backup', '--config', server.configPath, ...places(), '--json', ...options]);
}

/** Restores a backup to a new folder, starts a real Orthanc on it and reads everything. @returns the ids. */
async function restoreAndProve(backup: string): Promise<string[]> {
  const folder = join(root, `restored-${backup}`);
  const result = await runCommand(['backup', 'restore', ...places(), '--backup', backup, '--to', folder]);
  expect(result).toMatchObject({ exitCode: 0 });
  const restored = await startOrthanc({ folder });
  try {
    return await proveReadable(restored.url);
  } finally {
    await restored.kill();
    await restored.stop();
    rmSync(folder, { recursive: true });
  }
}

function recordOf(result: CommandResult): z.infer<typeof backupRecord> {
  return backupRecord.parse(JSON.parse(result.stdout));
}

describe('a backup with --stop and --start of a server under load', () => {
  it('restores every instance that was confirmed before it, and the count of the manifest', async () => {
    const before = await fill(server.url, 'before', 30);
    load = startLoad(server.url, { seed: 'load', keep: 20 });
    const pid = server.pid;
    const start = `setsid --fork /usr/sbin/Orthanc ${server.configPath} >/dev/null 2>&1 && echo started >>${root}/starts`;
    // As systemd stops a service: an Orthanc that is asked to end serves on until a tenth of a second passes without a
    // change, which under load may never come.
    const ended = `for i in $(seq 40); do sleep 0.05; kill -0 ${pid} 2>/dev/null || exit 0; done`;
    const stop = `kill ${pid}; ${ended}; kill -KILL ${pid}; while kill -0 ${pid} 2>/dev/null; do sleep 0.05; done`;
    const result = await backUp('--stop', stop, '--start', start);
    expect(result).toMatchObject({ exitCode: 0 });
    expect(result.stderr).toMatch(/the server was stopped for/);
    await load.stop();
    const backup = recordOf(result);
    const ids = await restoreAndProve(backup.backup);
    expect(ids).toHaveLength(backup.instances);
    expect(ids).toEqual(expect.arrayContaining(before));
    // The server that the start command started answers; it is ended after the test.
    expect(await proveReadable(server.url)).toEqual(expect.arrayContaining([...load.stored]));
  });
});

/** Ends a server that a start command may have started and that is no child of this process. */
function endServerOf(configPath: string): void {
  const { stdout } = spawnSync('pgrep', ['-f', `^/usr/sbin/Orthanc ${configPath}$`], { encoding: 'utf8' });
  for (const pid of stdout.split('\n').filter((line) => line !== '')) process.kill(Number(pid), 'SIGKILL');
}

describe('a hot backup of a server under load', () => {
  it('is refused or restores perfectly, each of 8 times', async () => {
    await fill(server.url, 'before', 20);
    load = startLoad(server.url, { seed: 'load', keep: 10, sizeBytes: 4000, pauseMs: 40 });
    const outcomes: string[] = [];
    for (let run = 0; run < 8; run += 1) {
      const result = await backUp('--hot');
      if (result.exitCode !== 0) {
        expect(result.exitCode).toBe(5);
        expect(result.stderr).toMatch(/changed during each|are missing in each/);
        outcomes.push('refused');
        continue;
      }
      const backup = recordOf(result);
      expect(await restoreAndProve(backup.backup)).toHaveLength(backup.instances);
      outcomes.push('restored');
    }
    expect(outcomes).toHaveLength(8);
    expect(outcomes).toContain('restored');
    console.log(`8 hot backups: ${outcomes.filter((one) => one === 'restored').length} restored, the others refused`);
  }, 600_000);

  it('copies only what the archive lacks', async () => {
    await fill(server.url, 'first', 5);
    expect(recordOf(await backUp())).toMatchObject({ copied: 5 });
    await fill(server.url, 'second', 3);
    const second = recordOf(await backUp());
    expect(second).toMatchObject({ copied: 3, files: 8, instances: 8 });
    expect(await restoreAndProve(second.backup)).toHaveLength(8);
  });

  it('lies beside the instances of an archive, and is removed without touching them', async () => {
    await fill(server.url, 'first', 4);
    const first = recordOf(await backUp());
    expect(await runCommand(['run', server.url, '--archive', archive()])).toMatchObject({ exitCode: 0 });
    await fill(server.url, 'second', 2);
    const second = recordOf(await backUp('--keep-daily', '1'));
    const listed = await runCommand(['backup', 'list', ...places()]);
    expect(listed.stdout).toContain(second.backup);
    expect(listed.stdout).not.toContain(first.backup);
    expect(await runCommand(['verify', '--archive', archive()])).toMatchObject({ exitCode: 0 });
    expect(await restoreAndProve(second.backup)).toHaveLength(6);
  });
});
