/** A private MariaDB server for a test: its own folder, its own port, gone at the end. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { endWithProcess } from '../../local/end-with-process.ts';
import { freePort } from '../../local/free-port.ts';

const serverProgram = '/usr/sbin/mariadbd';

/** The index plugin of the distribution's Orthanc. */
export const mysqlIndexPlugin = '/usr/share/orthanc/plugins/libOrthancMySQLIndex.so';

/** Not to be seen anywhere but in Orthanc's configuration; a space and quotes, because passwords hold such. */
export const mysqlPassword = `se cret'"\\7`;

export interface MysqlServer {
  readonly port: number;
  /** Address of a database for a user, with the password. */
  url(database: string, user?: string): string;
  /** Creates a database that a user (Orthanc's, if none is named) may do everything in, and nothing elsewhere. */
  createDatabase(name: string, user?: string): void;
  /** What the administrator gets for a statement, as the client prints it. */
  query(database: string, sql: string): string;
  stop(): Promise<void>;
}

/** MariaDB warns of running as root: the programs are run as the user mysql then. */
const asMysql = process.getuid?.() === 0 ? ['setpriv', '--reuid=mysql', '--regid=mysql', '--clear-groups'] : [];

function run(program: string, ...args: readonly string[]): string {
  const [first = '', ...rest] = [...asMysql, program, ...args];
  return execFileSync(first, rest, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], cwd: tmpdir() });
}

export async function startMysql(): Promise<MysqlServer> {
  if (![serverProgram, mysqlIndexPlugin].every((path) => existsSync(path))) {
    throw new Error(
      'MariaDB or its plugin is not installed: apt-get install mariadb-server mariadb-client orthanc-mysql',
    );
  }
  const folder = mkdtempSync(join(tmpdir(), 'mysql-'));
  if (asMysql.length > 0) execFileSync('chown', ['mysql:', folder]);
  const data = join(folder, 'data');
  run('mariadb-install-db', '--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal');
  const [port, socket] = [await freePort(), join(folder, 'socket')];
  const places = [`--datadir=${data}`, `--socket=${socket}`, `--port=${port}`, '--bind-address=127.0.0.1'];
  // The smallest that serves, and no care for power cuts.
  const settings = ['--innodb-flush-log-at-trx-commit=0', '--innodb-buffer-pool-size=32M', '--skip-name-resolve'];
  const [command = '', ...args] = [...asMysql, serverProgram, '--no-defaults', ...places, ...settings];
  const child = spawn(command, args, { stdio: 'ignore', cwd: folder });
  const takeBack = endWithProcess(() => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  const server = serverAt(port, socket, child, folder, takeBack);
  await ready(server, child);
  return server;
}

function serverAt(
  port: number,
  socket: string,
  child: ChildProcess,
  folder: string,
  takeBack: () => void,
): MysqlServer {
  const query = (database: string, sql: string): string =>
    run('mariadb', '--no-defaults', `--socket=${socket}`, '--user=root', '--skip-column-names', '-e', sql, database);
  return {
    port,
    url: (database, user = 'orthanc') =>
      `mysql://${user}:${encodeURIComponent(mysqlPassword)}@127.0.0.1:${port}/${database}`,
    query,
    createDatabase: (name, user = 'orthanc') => {
      const quoted = `'${mysqlPassword.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
      const grant = `GRANT ALL PRIVILEGES ON ${name}.* TO ${user}@'127.0.0.1' IDENTIFIED BY ${quoted}`;
      query('mysql', `CREATE DATABASE ${name}; ${grant}`);
    },
    stop: async () => {
      const exited = child.exitCode === null ? once(child, 'exit') : undefined;
      // At once: nothing of it is needed again.
      child.kill('SIGKILL');
      await exited;
      takeBack();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function ready(server: MysqlServer, child: ChildProcess): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      server.query('mysql', 'SELECT 1');
      return;
    } catch (error) {
      if (attempt === 200 || child.exitCode !== null) throw error;
      await wait(50);
    }
  }
}

/** The section of Orthanc's configuration for a database of the server. */
export function mysqlSection(
  server: MysqlServer,
  database: string,
  user = 'orthanc',
): Readonly<Record<string, unknown>> {
  return {
    EnableIndex: true,
    EnableStorage: false,
    Host: '127.0.0.1',
    Port: server.port,
    Database: database,
    Username: user,
    Password: mysqlPassword,
    Lock: false,
    EnableSsl: false,
  };
}
