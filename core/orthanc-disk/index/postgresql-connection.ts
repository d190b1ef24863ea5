/** How to reach a PostgreSQL database: for the `pg` client and for PostgreSQL's own programs. */
import { readFileSync } from 'node:fs';
import type { ClientConfig } from 'pg';
import { MirrorError } from '../../errors.ts';
import { fileError } from '../files/file-error.ts';
import type { ProgramCall } from '../program-output.ts';

/**
 * A connection by libpq's own names: `host`, `port`, `user`, `password`, `dbname`, `sslmode` …
 * (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS). Holds a secret: never print it.
 */
export interface PostgresqlConnection {
  readonly keywords: Readonly<Partial<Record<string, string>>>;
  /** Option `Schema` of the plugin since 10.0. */
  readonly schema?: string | undefined;
}

/** What cannot be read, without quoting it: it may hold a password. */
function unreadable(what: string): MirrorError {
  return new MirrorError(
    'configuration',
    `the address of the PostgreSQL database ${what}; write postgres://user@host:port/database, or host=… dbname=…`,
  );
}

/** Reads an address as libpq does, in either of its two forms. Throws `configuration`. */
export function parsePostgresqlAddress(text: string, schema?: string): PostgresqlConnection {
  const keywords = /^postgres(?:ql)?:\/\//.test(text) ? parseUri(text) : parseKeywords(text);
  if (keywords.sslpassword !== undefined) {
    throw unreadable('holds a pass phrase of a key, which cannot be given to pg_dump unseen: use a key without one');
  }
  if (keywords.service !== undefined) throw unreadable('names a service file');
  if (keywords.host?.includes(',') === true) throw unreadable('names several hosts');
  return { keywords, schema };
}

function parseUri(text: string): Record<string, string> {
  const parts =
    /^\w+:\/\/(?:([^:@/]*)(?::([^@/]*))?@)?(\[[^\]]*\]|[^:@/?,]*)(?::(\d*))?(?:\/([^?]*))?(?:\?(.*))?$/.exec(text);
  if (parts === null) throw unreadable('is no valid URI');
  const [, user, password, host, port, dbname, parameters = ''] = parts;
  const named = Object.entries({ user, password, host: host?.replace(/^\[(.*)\]$/, '$1'), port, dbname });
  const query = parameters
    .split('&')
    .filter((parameter) => parameter !== '')
    .map((parameter) => [parameter.split('=', 1)[0] ?? '', parameter.slice(parameter.indexOf('=') + 1)] as const);
  const given = [...named, ...query].flatMap(([name, value]) =>
    value ? [[decoded(name), decoded(value)] as const] : [],
  );
  const keywords = Object.fromEntries(given);
  // An older spelling, of JDBC, that libpq takes too.
  const { ssl, ...rest } = keywords;
  return ssl === 'true' ? { sslmode: 'require', ...rest } : rest;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw unreadable('has a wrong percent-encoding');
  }
}

/** `name = value` separated by white space; a value may be quoted by `'`, and `\` makes the next character plain. */
function parseKeywords(text: string): Record<string, string> {
  const pair = /\s*([a-z_]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?=\s|$)/sy;
  const keywords: Record<string, string> = {};
  while (text.slice(pair.lastIndex).trim() !== '') {
    const found = pair.exec(text);
    if (found === null) throw unreadable('is neither a URI nor a list of keywords');
    const [, name = '', quoted, bare = ''] = found;
    keywords[name] = (quoted ?? bare).replace(/\\(.)/gs, '$1');
  }
  return keywords;
}

/** The settings of a `pg` client. A host that begins with `/` is the folder of a socket. */
export function clientConfig({ keywords, schema }: PostgresqlConnection): ClientConfig {
  const { host, port, user, password, dbname, options } = keywords;
  const settings = [options, schema === undefined ? undefined : `-c search_path=${schema}`];
  const given: ClientConfig = { application_name: 'orthanc-mirror', ssl: tlsOf(keywords) };
  if (host !== undefined) given.host = host;
  if (port !== undefined) given.port = Number(port);
  if (user !== undefined) given.user = user;
  if (password !== undefined) given.password = password;
  if (dbname !== undefined) given.database = dbname;
  if (settings.some((setting) => setting !== undefined)) given.options = settings.filter(Boolean).join(' ');
  return given;
}

/** As libpq does by `sslmode`, but that nothing is tried that may fail: only what is required is encrypted. */
function tlsOf({ sslmode, sslrootcert, sslcert, sslkey }: PostgresqlConnection['keywords']): ClientConfig['ssl'] {
  if (sslmode === undefined || ['disable', 'allow', 'prefer'].includes(sslmode)) return false;
  const files = { ca: sslrootcert, cert: sslcert, key: sslkey };
  const contents = Object.entries(files).flatMap(([name, path]) =>
    path === undefined || path === 'system' ? [] : [[name, readText(path)] as const],
  );
  const material = Object.fromEntries(contents);
  if (sslmode === 'verify-full') return material;
  // An authority that is named is asked for by `require` too; the name of the server is not looked at.
  if (sslmode === 'verify-ca' || 'ca' in material) return { ...material, checkServerIdentity: () => undefined };
  return { ...material, rejectUnauthorized: false };
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw fileError(error, path, 'configuration');
  }
}

/**
 * A call of one of PostgreSQL's programs for the database: the password goes by the environment, which only the same
 * user and root can read, never by an argument. The program reads no file of settings but those of libpq.
 */
export function postgresqlCall(
  program: 'pg_dump' | 'pg_restore',
  connection: PostgresqlConnection,
  options: readonly string[],
  signal: AbortSignal | undefined,
): ProgramCall {
  const { password, ...rest } = connection.keywords;
  const database = Object.entries(rest)
    .map(([name, value = '']) => `${name}='${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`)
    .join(' ');
  return {
    program,
    args: [...options, '--no-password', `--dbname=${database}`],
    environment: password === undefined ? {} : { PGPASSWORD: password },
    inherits: (name) => name.startsWith('PG') || name === 'HOME',
    signal,
    failed: (printed) => programError(program, printed, connectionName(connection)),
    missing: 'install the PostgreSQL client of at least the version of the server (package postgresql-client)',
  };
}

/** How the database is called in messages: without user and password. */
export function connectionName({ keywords }: PostgresqlConnection): string {
  const { host = 'localhost', port = '5432', dbname = '' } = keywords;
  return `postgres://${host}:${port}/${dbname}`;
}

/** What the programs print, and what it means. Nothing else of it is told: it may quote a row. */
const meanings: readonly (readonly [RegExp, ConstructorParameters<typeof MirrorError>[0], string])[] = [
  [/authentication failed|no password supplied|no pg_hba\.conf entry/, 'unauthorized', 'refuses user or password'],
  [
    /could not translate host|could not connect|connection to server .* failed|server closed the connection|terminating connection/,
    'unreachable',
    'cannot be reached, or ended the connection',
  ],
  [
    /server version mismatch|unsupported version .* in file header/,
    'configuration',
    'is newer than the installed client: install the client of the newer version',
  ],
  [
    /permission denied|must be (?:owner|superuser)|must be able to SET ROLE/,
    'forbidden',
    'does not permit this user what is needed',
  ],
  [/already exists/, 'configuration', 'is not empty; restore to an empty database'],
  [
    /does not appear to be a valid archive|unexpected end of file|could not read from input file/,
    'source-corrupt',
    'was given a dump that is damaged; use another backup',
  ],
  [/No space left|could not extend file|disk full/i, 'full', 'has no space left on its disk'],
];

function programError(program: string, printed: string, name: string): MirrorError {
  const found = meanings.find(([pattern]) => pattern.test(printed));
  if (found !== undefined) return new MirrorError(found[1], `${name} ${found[2]} (${program})`);
  const what = `${name}: ${program} failed; look into the log of the database server for the reason`;
  return new MirrorError('server-error', what, { disposition: 'halt' });
}
