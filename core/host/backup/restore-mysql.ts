/** Restoring a dump into a MySQL or MariaDB database. */
import { MirrorError } from '../../errors.ts';
import { type MysqlConnection, mysqlCall } from '../../orthanc-disk/index/mysql-connection.ts';
import { MysqlSession } from '../../orthanc-disk/index/mysql-session.ts';
import { feedProgram } from '../../orthanc-disk/program-output.ts';
import { withoutDefiners } from './without-definers.ts';

/**
 * MySQL cannot create tables in a transaction, so a restore may leave a part of them. This table tells which backup is
 * being restored; the dump replaces every table, so that it can be restored over its own part.
 */
const marker = 'orthanc_mirror_restore';

/** Throws `configuration` if the database holds tables, unless they are left of a restore of the same backup. */
export async function refuseUsedMysql(connection: MysqlConnection, backup: string): Promise<void> {
  const session = await MysqlSession.open(connection);
  try {
    const tables = await textsOf(
      session,
      'SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()',
    );
    if (tables.includes(marker)) {
      const [unfinished] = await textsOf(session, `SELECT backup FROM ${marker}`);
      if (unfinished === backup) return;
      throw new MirrorError('configuration', `${session.name} holds an unfinished restore of another backup; empty it`);
    }
    if (tables.length > 0) {
      throw new MirrorError('configuration', `${session.name} is not empty; restore to an empty database`);
    }
  } finally {
    await session.close();
  }
}

async function textsOf(session: MysqlSession, query: string): Promise<readonly string[]> {
  return (await Array.fromAsync(session.rows(query))).flat();
}

/**
 * The client knows commands of its own, which a dump could hold as well as SQL: `system` and `\\!` run programs, `source`
 * and `tee` read and write files. `--binary-mode` switches all of them off for what comes from a pipe, and where it is
 * known (MariaDB since 10.11.8, 10.5.25 …) `--sandbox` once more. A client that does not know `--binary-mode` fails.
 */
export const nothingButSql = ['--binary-mode', '--loose-sandbox'];

/** @param backup its name; kept in the database until everything is there */
export async function restoreMysqlDump(
  connection: MysqlConnection,
  dump: AsyncIterable<Uint8Array>,
  backup: string,
  signal?: AbortSignal,
): Promise<void> {
  const session = await MysqlSession.open(connection, signal);
  try {
    await session.execute(`CREATE TABLE IF NOT EXISTS ${marker} (backup VARCHAR(100) PRIMARY KEY)`);
    await session.execute(`INSERT IGNORE INTO ${marker} VALUES ('${backup}')`);
    const load = mysqlCall('client', connection, ['--batch', '--max-allowed-packet=1G', ...nothingButSql], signal);
    await feedProgram(load, withoutDefiners(dump));
    await session.execute(`DROP TABLE ${marker}`);
  } finally {
    await session.close();
  }
}
