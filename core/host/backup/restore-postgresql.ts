/** Restoring a dump into a PostgreSQL database, all or nothing. */
import pg from 'pg';
import { MirrorError } from '../../errors.ts';
import {
  clientConfig,
  connectionName,
  type PostgresqlConnection,
  postgresqlCall,
} from '../../orthanc-disk/index/postgresql-connection.ts';
import { postgresqlError } from '../../orthanc-disk/index/postgresql-index.ts';
import { feedProgram } from '../../orthanc-disk/program-output.ts';

/** Throws `configuration` if the database holds tables, or somebody else is connected to it. */
export async function refuseUsedPostgresql(connection: PostgresqlConnection): Promise<void> {
  const name = connectionName(connection);
  const client = new pg.Client(clientConfig(connection));
  client.on('error', () => undefined);
  try {
    await client.connect();
    if (await holds(client, "SELECT FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')")) {
      throw new MirrorError('configuration', `${name} is not empty; restore to an empty database`);
    }
    const others = 'SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()';
    if (await holds(client, others)) {
      throw new MirrorError('configuration', `${name} is in use; stop what is connected to it`);
    }
  } catch (error) {
    throw postgresqlError(error, name);
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function holds(client: pg.Client, query: string): Promise<boolean> {
  return (await client.query(`${query} LIMIT 1`)).rows.length > 0;
}

/**
 * In one transaction: a restore that is interrupted leaves the database empty. The program sends the statements of the
 * dump to the server and knows no commands of its own, so that a dump can do what the role may do, and nothing here.
 */
export async function restorePostgresqlDump(
  connection: PostgresqlConnection,
  dump: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<void> {
  const options = ['--no-owner', '--no-privileges', '--exit-on-error', '--single-transaction'];
  await feedProgram(postgresqlCall('pg_restore', connection, options, signal), dump);
}
