/** A private PostgreSQL server for a test: its own folder, its own port, gone at the end. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { endWithProcess } from '../../local/end-with-process.ts';
import { freePort } from '../../local/free-port.ts';
import type { OrthancProgram } from '../../local/orthanc-versions.ts';

const installed = '/usr/lib/postgresql';

/** Where Debian puts the programs of the newest installed version. Throws with what to install. */
function programs(): string {
  const versions = existsSync(installed) ? readdirSync(installed).map(Number) : [];
  if (versions.length === 0)
    throw new Error('PostgreSQL is not installed: apt-get install postgresql orthanc-postgresql');
  return join(installed, String(Math.max(...versions)), 'bin');
}

/** The index plugin of the distribution's Orthanc. */
export const postgresqlIndexPlugin = '/usr/share/orthanc/plugins/libOrthancPostgreSQLIndex.so';

/** The index plugin of an Orthanc that `scripts/install-orthanc.sh` put beside the distribution's. */
export function postgresqlIndexPluginOf({ bin, version }: OrthancProgram): string {
  const plugin = join(dirname(bin), 'usr/share/orthanc/plugins/libOrthancPostgreSQLIndex.so');
  if (existsSync(plugin)) return plugin;
  throw new Error(`Orthanc ${version} has no PostgreSQL plugin: run scripts/setup.sh --test`);
}

export interface PostgresqlServer {
  readonly port: number;
  /** Address of a database; the user is the superuser. */
  url(database: string): string;
  createDatabase(name: string): Promise<void>;
  query(database: string, sql: string): Promise<readonly unknown[]>;
  stop(): Promise<void>;
}

/** PostgreSQL refuses to run as root: the programs are run as the user postgres then. */
const asPostgres =
  process.getuid?.() === 0 ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups'] : [];

export async function startPostgresql(): Promise<PostgresqlServer> {
  const folder = mkdtempSync(join(tmpdir(), 'postgresql-'));
  const bin = programs();
  if (asPostgres.length > 0) execFileSync('chown', ['postgres:', folder]);
  const port = await freePort();
  const data = join(folder, 'data');
  const initdb = [join(bin, 'initdb'), '--username=orthanc', '--auth=trust', '--no-sync', '--encoding=UTF8', data];
  const [first = '', ...rest] = [...asPostgres, ...initdb];
  execFileSync(first, rest, { stdio: 'ignore', cwd: folder });
  const settings = [`port=${port}`, 'listen_addresses=127.0.0.1', `unix_socket_directories=${folder}`, 'fsync=off'];
  const postgres = [join(bin, 'postgres'), '-D', data, ...settings.flatMap((setting) => ['-c', setting])];
  const [command = '', ...args] = [...asPostgres, ...postgres];
  const child = spawn(command, args, { stdio: 'ignore', cwd: folder });
  const takeBack = endWithProcess(() => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  const server = serverAt(port, child, folder, takeBack);
  await ready(server);
  return server;
}

function serverAt(port: number, child: ChildProcess, folder: string, takeBack: () => void): PostgresqlServer {
  const url = (database: string) => `postgres://orthanc@127.0.0.1:${port}/${database}`;
  const query = async (database: string, sql: string): Promise<readonly unknown[]> => {
    const client = new pg.Client({ connectionString: url(database) });
    await client.connect();
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  };
  return {
    port,
    url,
    query,
    createDatabase: async (name) => {
      await query('postgres', `CREATE DATABASE ${name}`);
    },
    stop: async () => {
      const exited = child.exitCode === null ? once(child, 'exit') : undefined;
      // Immediate shutdown: nothing of it is needed again.
      child.kill('SIGQUIT');
      await exited;
      takeBack();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function ready(server: PostgresqlServer): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await server.query('postgres', 'SELECT 1');
      return;
    } catch (error) {
      if (attempt === 200) throw error;
      await wait(50);
    }
  }
}

/** The section of Orthanc's configuration for a database of the server. */
export function postgresqlSection(server: PostgresqlServer, database: string): Readonly<Record<string, unknown>> {
  return {
    EnableIndex: true,
    EnableStorage: false,
    Host: '127.0.0.1',
    Port: server.port,
    Database: database,
    Username: 'orthanc',
    Password: 'not-used-by-trust',
    Lock: false,
    EnableSsl: false,
    IndexConnectionsCount: 2,
  };
}
