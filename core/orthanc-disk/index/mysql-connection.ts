/** How to reach a MySQL or MariaDB database: for the client programs of either. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { environmentVariable } from '../../environment.ts';
import { MirrorError } from '../../errors.ts';
import type { ProgramCall } from '../program-output.ts';

/** Holds a secret: never print it. */
export interface MysqlConnection {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** Used for `localhost` only, as the client library does that Orthanc's plugin is linked to. */
  readonly socketPath: string | undefined;
  /** `undefined`: no TLS is asked for. */
  readonly tls: MysqlTls | undefined;
}

export interface MysqlTls {
  readonly verifiesServer: boolean;
  /** File of the authorities that are trusted; absent: those of the system. */
  readonly authorities: string | undefined;
}

/** MariaDB's names and MySQL's: the first that is installed is used, because MariaDB warns of its old names. */
const programNames = {
  client: ['mariadb', 'mysql'],
  dump: ['mariadb-dump', 'mysqldump'],
} as const;

/** What to do if neither is there. */
const clientMissing = 'install the client of the database (package mariadb-client or mysql-client)';

/** The name of an installed program, else MySQL's name for it. */
function programOf(which: keyof typeof programNames): string {
  const folders = (environmentVariable('PATH') ?? '').split(delimiter);
  const [mariadb, mysql] = programNames[which];
  return folders.some((folder) => isProgram(join(folder, mariadb))) ? mariadb : mysql;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * What the client programs need: arguments without the password, and the password in the environment. The environment
 * of a process is readable by the same user and root only, like a file of mode 0600, and does not outlive a kill.
 * Settings in files (`~/.my.cnf`) are left aside: a password there would replace the one of Orthanc.
 */
export function mysqlProgramConnection(connection: MysqlConnection): {
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
} {
  const { user, password, tls } = connection;
  const charset = '--default-character-set=utf8mb4';
  return {
    // Must come first.
    args: [
      '--no-defaults',
      ...address(connection),
      ...(user === '' ? [] : [`--user=${user}`]),
      charset,
      ...tlsArguments(tls),
    ],
    environment: password === '' ? {} : { MYSQL_PWD: password },
  };
}

/**
 * A call of a program for the database, with further options. The server gets no file of this machine. Its errors are those of {@link mysqlError}. */
export function mysqlCall(
  which: keyof typeof programNames,
  connection: MysqlConnection,
  options: readonly string[],
  signal: AbortSignal | undefined,
): ProgramCall {
  const { args, environment } = mysqlProgramConnection(connection);
  return {
    program: programOf(which),
    args: [...args, ...(which === 'client' ? ['--local-infile=0'] : []), ...options, connection.database],
    environment,
    inherits: (name) => name === 'MYSQL_PWD',
    signal,
    failed: (printed) => mysqlError(printed, mysqlConnectionName(connection)),
    missing: clientMissing,
  };
}

/** A port would make MariaDB's programs (since 10.6) leave the socket of `localhost` aside. */
function address({ host, port, socketPath }: MysqlConnection): readonly string[] {
  if (host !== 'localhost' && host !== '') return [`--host=${host}`, `--port=${port}`];
  return socketPath === undefined || socketPath === '' ? ['--host=localhost'] : [`--socket=${socketPath}`];
}

/** Each program ignores what only the other knows: that is what `loose` asks for. */
function tlsArguments(tls: MysqlTls | undefined): readonly string[] {
  if (tls === undefined) return [];
  const { verifiesServer, authorities } = tls;
  const mode = verifiesServer ? 'VERIFY_IDENTITY' : 'REQUIRED';
  return [
    '--loose-ssl',
    `--loose-ssl-mode=${mode}`,
    ...(verifiesServer ? ['--loose-ssl-verify-server-cert'] : []),
    ...(authorities === undefined ? [] : [`--ssl-ca=${authorities}`]),
  ];
}

/** Reads `mysql://user:password@host:port/database?socket=PATH`. Throws `configuration`. */
export function parseMysqlUrl(text: string): MysqlConnection {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const database = decodeURIComponent(url?.pathname.slice(1) ?? '');
  if (url === undefined || database === '') {
    throw new MirrorError('configuration', 'a MySQL database is named mysql://user@host:port/database');
  }
  return {
    host: url.hostname,
    port: url.port === '' ? 3306 : Number(url.port),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database,
    socketPath: url.searchParams.get('socket') ?? undefined,
    tls: undefined,
  };
}

/** How the database is called in messages: without user and password. */
export function mysqlConnectionName({ host, port, database }: MysqlConnection): string {
  return `mysql://${host}:${port}/${database}`;
}

/**
 * The error for what a client program printed last, e.g. `ERROR 1045 (28000): Access denied for …`. Numbers:
 * https://dev.mysql.com/doc/mysql-errors/8.0/en/
 */
export function mysqlError(printed: string, name: string): MirrorError {
  const number = Number(/\b(?:ERROR|error:?) (\d{4})\b/i.exec(printed)?.[1]);
  switch (number) {
    case 1045:
    case 1698:
      return new MirrorError('unauthorized', `${name} refuses user or password`);
    case 1044:
    case 1142:
    case 1227:
    case 1370:
      return new MirrorError('forbidden', `${name}: this user lacks a right that is needed (error ${number})`);
    case 1049:
      return new MirrorError('configuration', `${name}: there is no such database`);
    case 1205:
      return new MirrorError('busy', `${name}: a table stays locked by somebody else; try again`);
    case 1419:
      return new MirrorError(
        'forbidden',
        `${name}: this user may not create triggers while the binary log is on; set log_bin_trust_function_creators`,
      );
    default:
      if (number >= 2000 && number < 2100) {
        return new MirrorError('unreachable', `${name} cannot be reached (error ${number})`);
      }
      return new MirrorError(
        'server-error',
        `${name} reports ${Number.isNaN(number) ? 'an error' : `error ${number}`}`,
        {
          disposition: 'halt',
        },
      );
  }
}
