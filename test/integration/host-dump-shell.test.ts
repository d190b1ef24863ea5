/** Dumps that attempt more than SQL, given to the genuine client programs. */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { isMirrorError } from '../../core/errors.ts';
import { nothingButSql, restoreMysqlDump } from '../../core/host/backup/restore-mysql.ts';
import { restorePostgresqlDump } from '../../core/host/backup/restore-postgresql.ts';
import { mysqlCall, parseMysqlUrl } from '../../core/orthanc-disk/index/mysql-connection.ts';
import { parsePostgresqlAddress } from '../../core/orthanc-disk/index/postgresql-connection.ts';
import { feedProgram } from '../../core/orthanc-disk/program-output.ts';
import { type MysqlServer, startMysql } from '../support/mysql.ts';
import { type PostgresqlServer, startPostgresql } from '../support/postgresql.ts';

let root: string;
/** What a shell would leave. */
let canary: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'host-dump-'));
  chmodSync(root, 0o777);
  canary = join(root, 'canary');
});
afterEach(() => rmSync(root, { recursive: true }));

async function* chunks(...parts: readonly (string | Buffer)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}

/** @returns the error of a restore, or `undefined` if it succeeded. */
async function errorOf(work: Promise<void>): Promise<unknown> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (!isMirrorError(error)) throw error;
    return error;
  }
}

describe('a dump of MySQL', () => {
  let mysql: MysqlServer;
  let databases = 0;
  beforeAll(async () => {
    mysql = await startMysql();
  });
  afterAll(() => mysql.stop());

  function restore(...dump: readonly string[]): { readonly name: string; readonly restored: Promise<unknown> } {
    databases += 1;
    const name = `dump${databases}`;
    mysql.createDatabase(name);
    const connection = parseMysqlUrl(mysql.url(name));
    return { name, restored: errorOf(restoreMysqlDump(connection, chunks(...dump), '20260101T000000.000Z-00000000')) };
  }

  it.each([
    ['\\! touch CANARY', (run: string) => `\\! ${run}\n`],
    ['system touch CANARY', (run: string) => `system ${run}\n`],
    ['behind a statement', (run: string) => `SELECT 1; \\! ${run}\n`],
    ['behind a comment', (run: string) => `-- comment\n/* two\nlines */ \\! ${run}\n`],
    ['with another delimiter', (run: string) => `DELIMITER //\nSELECT 1//\nsystem ${run}\n\\! ${run}\n//\n`],
    ['as pager', (run: string) => `\\P sh -c '${run}'\npager sh -c '${run}'\nSELECT 1;\n`],
    ['as log file', (run: string) => `\\T ${run.slice(6)}\ntee ${run.slice(6)}\nSELECT 1;\n`],
    ['in upper case', (run: string) => `SYSTEM ${run}\nSELECT 1;\nSyStEm ${run};\n`],
    ['in a file', (_: string, file: string) => `source ${file}\n\\. ${file}\n`],
  ])('runs nothing by a command of the client: %s', async (_, dump) => {
    const file = join(root, 'sourced.sql');
    writeFileSync(file, `\\! touch ${canary}\n`);
    await restore(dump(`touch ${canary}`, file)).restored;
    expect(existsSync(canary)).toBe(false);
  });

  it.each(['--binary-mode', '--loose-sandbox'])('runs nothing by %s alone, and both are given', async (option) => {
    expect(nothingButSql).toContain(option);
    const name = `alone${option.length}`;
    mysql.createDatabase(name);
    const call = mysqlCall('client', parseMysqlUrl(mysql.url(name)), ['--batch', option], undefined);
    await errorOf(feedProgram(call, chunks(`\\! touch ${canary}\nsystem touch ${canary}\n`)));
    expect(existsSync(canary)).toBe(false);
  });

  it('gets no file of this machine', async () => {
    const secret = join(root, 'secret');
    writeFileSync(secret, 'root only\n');
    const { name, restored } = restore(
      'CREATE TABLE stolen (line TEXT);\n',
      `LOAD DATA LOCAL INFILE '${secret}' INTO TABLE stolen;\n`,
    );
    expect(await restored).toBeDefined();
    expect(mysql.query(name, 'SELECT * FROM stolen')).not.toContain('root only');
  });

  it('keeps rows that look like commands', async () => {
    const { name, restored } = restore(
      'CREATE TABLE kept (value TEXT);\n',
      "INSERT INTO kept VALUES ('one\\n\\\\! touch two\n\\\\! touch three\nsystem touch four\n');\n",
      'DELIMITER ;;\nCREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END;;\nDELIMITER ;\n',
    );
    expect(await restored).toBeUndefined();
    expect(mysql.query(name, 'SELECT HEX(value) FROM kept').trim()).toBe(
      Buffer.from('one\n\\! touch two\n\\! touch three\nsystem touch four\n').toString('hex').toUpperCase(),
    );
  });
});

describe('a dump of PostgreSQL', () => {
  let postgresql: PostgresqlServer;
  beforeAll(async () => {
    postgresql = await startPostgresql();
    await postgresql.query('postgres', 'CREATE ROLE restorer LOGIN');
  });
  afterAll(() => postgresql.stop());

  const filler = 'x'.repeat(200);

  /** A genuine dump in which one comment was exchanged for statements of the same length. */
  async function dumpWith(name: string, statements: string): Promise<Buffer> {
    await postgresql.createDatabase(name);
    await postgresql.query(name, `CREATE TABLE kept(value TEXT); COMMENT ON TABLE kept IS '${filler}'`);
    const dump = execFileSync('pg_dump', ['--format=custom', '--compress=0', postgresql.url(name)]);
    const at = dump.indexOf(filler);
    const replacement = Buffer.from(`'; ${statements} --`.padEnd(filler.length));
    return Buffer.concat([dump.subarray(0, at), replacement, dump.subarray(at + filler.length)]);
  }

  it.each([
    ['shell', (run: string) => `\n\\! ${run}\n`, 'server-error'],
    ['output', (run: string) => `SELECT 1 \\g |${run}`, 'server-error'],
    ['program', (run: string) => `COPY kept FROM PROGRAM '${run}';`, 'forbidden'],
    ['file', () => "COPY kept FROM '/etc/passwd';", 'forbidden'],
  ])('runs nothing and reads nothing as a role without special rights: %s', async (name, statements, code) => {
    const dump = await dumpWith(`from_${name}`, statements(`touch ${canary}`));
    await postgresql.query('postgres', `CREATE DATABASE to_${name} OWNER restorer`);
    const url = postgresql.url(`to_${name}`).replace('orthanc@', 'restorer@');
    expect(await errorOf(restorePostgresqlDump(parsePostgresqlAddress(url), chunks(dump)))).toMatchObject({ code });
    expect(existsSync(canary)).toBe(false);
    // All or nothing.
    const tables = "SELECT FROM pg_tables WHERE schemaname = 'public'";
    expect(await postgresql.query(`to_${name}`, tables)).toEqual([]);
  });

  it('that is not changed is restored', async () => {
    const dump = await dumpWith('from_good', '');
    await postgresql.query('postgres', 'CREATE DATABASE to_good OWNER restorer');
    const url = postgresql.url('to_good').replace('orthanc@', 'restorer@');
    expect(await errorOf(restorePostgresqlDump(parsePostgresqlAddress(url), chunks(dump)))).toBeUndefined();
    expect(await postgresql.query('to_good', 'SELECT * FROM kept')).toEqual([]);
  });
});
