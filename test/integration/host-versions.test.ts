import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { type OrthancProgram, orthancOfVersion, orthancVersions } from '../../local/orthanc-versions.ts';
import { runCommand } from '../support/command.ts';
import { olderOrthanc } from '../support/older-orthanc.ts';
import { fill } from '../support/orthanc-load.ts';
import { proveReadable } from '../support/server-proof.ts';

const advice = z.object({
  way: z.string(),
  actionNeeded: z.boolean(),
  found: z.object({ schema: z.number(), sqliteAdditions: z.array(z.string()).optional() }),
});
const older = olderOrthanc();
const programs = [older, ...orthancVersions()];

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'host-versions-'));
});
afterEach(() => rmSync(root, { recursive: true }));

async function adviceOn(index: string, to: string): Promise<z.infer<typeof advice>> {
  const result = await runCommand(['advise', '--index', index, '--to', to, '--json']);
  const parsed = advice.parse(JSON.parse(result.stdout));
  expect(result.exitCode).toBe(parsed.actionNeeded ? 4 : 0);
  return parsed;
}

/** Makes a storage by a version, with so many instances, and ends the server in order. */
async function makeStorage(program: OrthancProgram, count: number): Promise<string> {
  const folder = join(root, `made-${program.version}`);
  const server = await startOrthanc({ ...program, folder });
  await fill(server.url, program.version, count);
  await server.stop();
  return folder;
}

const indexIn = (folder: string) => join(folder, 'storage', 'index');

async function canStore(server: OrthancServer): Promise<boolean> {
  return fill(server.url, 'later', 1).then(
    () => true,
    () => false,
  );
}

describe('advise on the index of a real server', () => {
  it.each(programs)('of $version knows its schema and says what every other version does with it', async (made) => {
    const original = await makeStorage(made, 3);
    for (const to of programs) {
      const folder = join(root, `for-${to.version}`);
      cpSync(original, folder, { recursive: true });
      const { way, found } = await adviceOn(indexIn(folder), to.version);
      expect(found.schema).toBe(6);
      const server = await startOrthanc({ ...to, folder });
      try {
        const works = (await proveReadable(server.url)).length === 3 && (await canStore(server));
        const pair = { made: made.version, to: to.version };
        expect({ ...pair, works }).toEqual({ ...pair, works: way === 'nothing' });
      } finally {
        await server.stop();
      }
    }
  });
});

describe('a backup of the oldest version', () => {
  it.each(orthancVersions())('is restored and started by $version, as advise said', async (to) => {
    const old = await startOrthanc(older);
    const restored = join(root, 'restored');
    const archive = join(root, 'archive');
    const passphrase = ['--passphrase-file', join(root, 'passphrase')];
    writeFileSync(join(root, 'passphrase'), 'correct horse battery staple');
    try {
      await fill(old.url, 'old', 12);
      const backup = ['backup', '--config', old.configPath, '--archive', archive, ...passphrase];
      expect(await runCommand(backup)).toMatchObject({ exitCode: 0 });
    } finally {
      await old.stop();
    }
    const restore = ['backup', 'restore', '--archive', archive, '--to', restored, ...passphrase];
    expect(await runCommand(restore)).toMatchObject({ exitCode: 0 });
    expect(await adviceOn(indexIn(restored), to.version)).toMatchObject({ way: 'nothing' });
    const server = await startOrthanc({ ...to, folder: restored });
    try {
      expect(await proveReadable(server.url)).toHaveLength(12);
      expect(await canStore(server)).toBe(true);
    } finally {
      await server.stop();
    }
  });
});

describe('a database of version 5', () => {
  it('is refused by the newest version, upgraded by its --upgrade, and then used, as advise says', async () => {
    const newest = programs.at(-1) ?? older;
    const folder = await makeStorage(older, 5);
    makeVersion5(indexIn(folder));
    expect(await adviceOn(indexIn(folder), newest.version)).toMatchObject({ way: 'upgrade', actionNeeded: true });
    await expect(startOrthanc({ ...newest, folder })).rejects.toThrow(/ended at start/);
    execFileSync(newest.bin, ['--upgrade', join(folder, 'orthanc.json')], { stdio: 'ignore', timeout: 30_000 });
    expect(await adviceOn(indexIn(folder), newest.version)).toMatchObject({ way: 'nothing', actionNeeded: false });
    const server = await startOrthanc({ ...newest, folder });
    try {
      expect(await proveReadable(server.url)).toHaveLength(5);
    } finally {
      await server.stop();
    }
  });

  it('is never upgraded by 1.10.1, but by 1.9.1, as advise says', async () => {
    const used = orthancOfVersion('1.10.1');
    const folder = await makeStorage(used, 1);
    makeVersion5(indexIn(folder));
    const { bin } = used;
    const hanging = () =>
      execFileSync(bin, ['--upgrade', join(folder, 'orthanc.json')], {
        stdio: 'ignore',
        timeout: 5000,
        killSignal: 'SIGKILL',
      });
    expect(hanging).toThrow(/ETIMEDOUT/);
    const { stdout } = await runCommand(['advise', '--index', indexIn(folder), '--to', '1.10.1']);
    expect(stdout).toMatch(/run Orthanc 1\.9\.1 once with --upgrade/);
    execFileSync(older.bin, ['--upgrade', join(folder, 'orthanc.json')], { stdio: 'ignore', timeout: 30_000 });
    expect(await adviceOn(indexIn(folder), '1.10.1')).toMatchObject({ way: 'nothing' });
    const server = await startOrthanc({ ...used, folder });
    try {
      expect(await proveReadable(server.url)).toHaveLength(1);
    } finally {
      await server.stop();
    }
  });
});

/** Takes an index of version 6 back: version 5 differs only in how identifiers are normalized, and has no sizes. */
function makeVersion5(path: string): void {
  const database = new DatabaseSync(path);
  database.exec(`UPDATE GlobalProperties SET value = '5' WHERE property = 1;
    DELETE FROM GlobalProperties WHERE property = 6;
    DROP TRIGGER AttachedFileIncrementSize; DROP TRIGGER AttachedFileDecrementSize; DROP TABLE GlobalIntegers;`);
  database.close();
}
