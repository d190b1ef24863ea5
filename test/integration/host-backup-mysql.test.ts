import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { runCommand } from '../support/command.ts';
import { type MysqlServer, mysqlIndexPlugin, mysqlPassword, mysqlSection, startMysql } from '../support/mysql.ts';
import { fill, type Load, startLoad } from '../support/orthanc-load.ts';
import { proveReadable } from '../support/server-proof.ts';

const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const backupRecord = z.object({ instances: z.number(), files: z.number(), copied: z.number() });

let root: string;
let mysql: MysqlServer;
let server: OrthancServer;
let load: Load | undefined;
let tests = 0;
/** Databases of this test only. */
let database: string;
let restoredDatabase: string;
const archive = () => join(root, 'archive');
const places = () => ['--archive', archive(), '--passphrase-file', join(root, 'passphrase')];

beforeAll(async () => {
  mysql = await startMysql();
});
afterAll(() => mysql.stop());

beforeEach(async () => {
  tests += 1;
  [database, restoredDatabase] = [`orthanc${tests}`, `restored${tests}`];
  root = mkdtempSync(join(tmpdir(), 'host-mysql-'));
  writeFileSync(join(root, 'passphrase'), 'correct horse battery staple\n');
  mysql.createDatabase(database);
  server = await startOn(database);
});
afterEach(async () => {
  await load?.stop();
  load = undefined;
  await server.stop();
  rmSync(root, { recursive: true });
});

function startOn(name: string, folder?: string, user?: string): Promise<OrthancServer> {
  return startOrthanc({
    version: '1.10.1',
    plugins: [mysqlIndexPlugin],
    config: { MySQL: mysqlSection(mysql, name, user) },
    ...(folder === undefined ? {} : { folder }),
  });
}

function backUp() {
  return runCommand(['backup', '--config', server.configPath, ...places(), '--json']);
}

function restore(folder: string, url: string) {
  return runCommand(['backup', 'restore', ...places(), '--to', folder, '--database', url]);
}

/** The password in the environment, not on the command line, where every user of the machine sees it. */
function restoreByEnvironment(url: string) {
  const args = ['backup', 'restore', ...places(), '--to', join(root, 'refused'), '--database', url];
  return runCommand(args, { MYSQL_PWD: mysqlPassword });
}

async function metadataOf(url: string, id: string): Promise<string> {
  return (await fetch(`${url}/instances/${id}/metadata/1024`)).text();
}

describe('a backup of a server on MySQL under load', () => {
  it('restores into a new database what the manifest says, metadata included, and tells no password', async () => {
    const [first = ''] = await fill(server.url, 'before', 20);
    const value = 'kept: Ünïcode \\ "quoted"\tand tabs';
    await fetch(`${server.url}/instances/${first}/metadata/1024`, { method: 'PUT', body: value });
    load = startLoad(server.url, { seed: 'load', keep: 10 });
    const result = await backUp();
    expect(result, result.stderr).toMatchObject({ exitCode: 0 });
    await load.stop();
    const { instances } = backupRecord.parse(JSON.parse(result.stdout));
    expect(instances).toBeGreaterThanOrEqual(20);
    expect(await runCommand(['backup', 'check', ...places(), '--read-data'])).toMatchObject({ exitCode: 0 });

    // Another user: nothing of what is restored may need the one that it was made by.
    mysql.createDatabase(restoredDatabase, 'restorer');
    const folder = join(root, 'restored');
    const restored = await restore(folder, mysql.url(restoredDatabase, 'restorer'));
    expect(restored, restored.stderr).toMatchObject({ exitCode: 0 });
    expect(result.stdout + result.stderr + restored.stdout + restored.stderr).not.toContain(mysqlPassword);
    const copy = await startOn(restoredDatabase, folder, 'restorer');
    try {
      expect(await proveReadable(copy.url)).toHaveLength(instances);
      expect(await metadataOf(copy.url, first)).toBe(value);
      // Triggers and procedures work: they are needed to store and to delete.
      const [added = ''] = await fill(copy.url, 'after', 1);
      expect((await fetch(`${copy.url}/instances/${added}`, { method: 'DELETE' })).status).toBe(200);
      const audit = await runCommand(['audit', '--config', copy.configPath, '--margin', '0']);
      expect(audit, audit.stdout).toMatchObject({ exitCode: 0 });
    } finally {
      await copy.stop();
    }
  });
});

describe('a backup of a server on MySQL', () => {
  it('copies only the files that the archive lacks', async () => {
    await fill(server.url, 'first', 5);
    expect(backupRecord.parse(JSON.parse((await backUp()).stdout))).toMatchObject({ copied: 5 });
    await fill(server.url, 'second', 3);
    expect(backupRecord.parse(JSON.parse((await backUp()).stdout))).toMatchObject({ copied: 3, files: 8 });
  });

  it('is restored into an empty database only, and goes on with its own unfinished restore', async () => {
    await fill(server.url, 'before', 3);
    expect(await backUp()).toMatchObject({ exitCode: 0 });
    const refused = await restoreByEnvironment(`mysql://orthanc@127.0.0.1:${mysql.port}/${database}`);
    expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('is not empty') });

    mysql.createDatabase(restoredDatabase);
    mysql.query(
      restoredDatabase,
      "CREATE TABLE orthanc_mirror_restore (backup VARCHAR(100)) AS SELECT 'another' AS backup",
    );
    mysql.query(restoredDatabase, `CREATE TABLE AttachedFiles AS SELECT * FROM ${database}.AttachedFiles LIMIT 1`);
    const another = await restore(join(root, 'another'), mysql.url(restoredDatabase));
    expect(another).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('unfinished restore of another') });

    const [backup = ''] = (await readdir(join(archive(), 'host-backups'), { recursive: true }))
      .filter((name) => name.includes('/backups/'))
      .map((name) => name.replace(/.*\//, '').replace('.json', ''));
    mysql.query(restoredDatabase, `UPDATE orthanc_mirror_restore SET backup = '${backup}'`);
    const resumed = await restore(join(root, 'resumed'), mysql.url(restoredDatabase));
    expect(resumed, resumed.stderr).toMatchObject({ exitCode: 0 });
    expect(mysql.query(restoredDatabase, 'SHOW TABLES')).not.toContain('orthanc_mirror_restore');
    expect(mysql.query(restoredDatabase, 'SELECT COUNT(*) FROM AttachedFiles')).toBe(
      mysql.query(database, 'SELECT COUNT(*) FROM AttachedFiles'),
    );
  });

  it('says what is wrong: the password, the database, a server that is away or lacks TLS', async () => {
    await fill(server.url, 'before', 1);
    const config = join(root, 'wrong.json');
    const audit = async (section: Readonly<Record<string, unknown>>) => {
      const options = {
        StorageDirectory: server.storageFolder,
        MySQL: { ...mysqlSection(mysql, database), ...section },
      };
      writeFileSync(config, JSON.stringify(options));
      return runCommand(['audit', '--config', config]);
    };
    expect((await audit({ Password: 'wrong' })).stderr).toMatch(/refuses user or password/);
    expect((await audit({ Database: 'gone' })).stderr).toMatch(/lacks a right|no such database/);
    expect((await audit({ Port: 1 })).stderr).toMatch(/cannot be reached/);
    const tls = { EnableSsl: true, SslVerifyServerCertificates: false };
    expect(await audit(tls)).toMatchObject({ exitCode: 7, stderr: expect.stringContaining('does not encrypt') });
    expect((await audit({ EnableSsl: true })).exitCode).not.toBe(0);
  });

  it('says what to install if the client program is not there', async () => {
    const args = [main, 'backup', '--config', server.configPath, ...places()];
    const { status, stderr } = spawnSync(process.execPath, args, { env: { PATH: root }, encoding: 'utf8' });
    expect(stderr).toMatch(/mysql is not installed: install .*mariadb-client/);
    expect(status).toBe(2);
  });

  it('is audited: exactly the files that are gone and those that nobody knows are named; and advised on', async () => {
    await fill(server.url, 'before', 8);
    const advice = await runCommand(['advise', '--index', mysql.url(database), '--json']);
    expect(JSON.parse(advice.stdout)).toMatchObject({ found: { backend: 'mysql', schema: 6, revision: 6 } });
    const files = (await readdir(server.storageFolder, { recursive: true, withFileTypes: true })).filter((entry) =>
      entry.isFile(),
    );
    const [lost, stray] = files;
    if (lost === undefined || stray === undefined) throw new Error('the storage is empty');
    await rm(join(lost.parentPath, lost.name));
    const name = `${stray.name.slice(0, 4)}0000-0000-4000-8000-000000000000`;
    writeFileSync(join(stray.parentPath, name), 'stray');
    const result = await runCommand(['audit', '--config', server.configPath, '--margin', '0', '--json']);
    const findings = result.stdout.split('\n').filter((line) => line.includes('"difference"'));
    expect(findings).toHaveLength(2);
    expect(findings.find((line) => line.includes('"missing"'))).toContain(lost.name);
    expect(findings.find((line) => line.includes('"orphan"'))).toContain(name);
  });
});
