/** How to reach a PostgreSQL database: for the `pg` client and for PostgreSQL's own programs. */
import type { ClientConfig } from 'pg';

/** Holds a secret: never print it. `schema`: option `Schema` of the plugin since 10.0. */
export type PostgresqlConnection =
  | { readonly uri: string; readonly schema?: string | undefined }
  | {
      readonly host: string;
      readonly port: number;
      readonly user: string;
      readonly password: string;
      readonly database: string;
      readonly requiresTls: boolean;
      readonly schema?: string | undefined;
    };

/** The settings of a `pg` client. A host that begins with `/` is the folder of a socket. */
export function clientConfig(connection: PostgresqlConnection): ClientConfig {
  const options = connection.schema === undefined ? undefined : `-c search_path=${connection.schema}`;
  const shared = { application_name: 'orthanc-mirror', ...(options === undefined ? {} : { options }) };
  if ('uri' in connection) return { connectionString: connection.uri, ...shared };
  const { host, port, user, password, database, requiresTls } = connection;
  // "require" of libpq, which the plugin asks for: encrypted, whoever answers.
  const ssl = requiresTls ? { rejectUnauthorized: false } : false;
  return { host, port, user, password, database, ssl, ...shared };
}

/** What pg_dump, pg_restore and psql need: the database without its password, and the password in the environment. */
export function programConnection(connection: PostgresqlConnection): {
  readonly database: string;
  readonly environment: Readonly<Record<string, string>>;
} {
  if ('uri' in connection) return splitUri(connection.uri);
  const { host, port, user, password, database, requiresTls } = connection;
  const parts = { host, port: String(port), user, dbname: database, sslmode: requiresTls ? 'require' : 'prefer' };
  return {
    database: Object.entries(parts)
      .filter(([, value]) => value !== '')
      .map(([name, value]) => `${name}='${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`)
      .join(' '),
    environment: password === '' ? {} : { PGPASSWORD: password },
  };
}

function splitUri(uri: string): ReturnType<typeof programConnection> {
  const url = URL.canParse(uri) ? new URL(uri) : undefined;
  if (url === undefined || url.password === '') return { database: uri, environment: {} };
  const password = decodeURIComponent(url.password);
  url.password = '';
  return { database: url.href, environment: { PGPASSWORD: password } };
}

/** How the database is called in messages: without user and password. */
export function connectionName(connection: PostgresqlConnection): string {
  if (!('uri' in connection)) return `postgres://${connection.host}:${connection.port}/${connection.database}`;
  const url = URL.canParse(connection.uri) ? new URL(connection.uri) : undefined;
  return url === undefined ? 'postgres://…' : `postgres://${url.host}${url.pathname}`;
}
