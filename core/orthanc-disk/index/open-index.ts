/** Opens an index by its location: a file of SQLite, or a database of PostgreSQL or MySQL. */
import { MirrorError } from '../../errors.ts';
import type { IndexLocation } from '../orthanc-host.ts';
import type { IndexReader } from './index-reader.ts';
import { parseMysqlUrl } from './mysql-connection.ts';
import { openMysqlIndex } from './mysql-index.ts';
import { parsePostgresqlAddress } from './postgresql-connection.ts';
import { openPostgresqlIndex } from './postgresql-index.ts';
import { openSqliteIndex, type SqliteIndexOptions } from './sqlite-index.ts';

/** @param text a path, or `postgres://user:password@host/database`, or the same with `mysql`. */
export function indexLocation(text: string): IndexLocation {
  if (/^postgres(ql)?:\/\//.test(text)) return { kind: 'postgresql', connection: parsePostgresqlAddress(text) };
  if (/^(mysql|mariadb):\/\//.test(text)) return { kind: 'mysql', connection: parseMysqlUrl(text) };
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    throw new MirrorError('configuration', 'the index must be a file, postgres://… or mysql://…');
  }
  return { kind: 'sqlite', path: text };
}

/** Throws what {@link openSqliteIndex}, {@link openPostgresqlIndex} and {@link openMysqlIndex} throw, `configuration` for other back-ends. */
export async function openIndex(location: IndexLocation, options: SqliteIndexOptions = {}): Promise<IndexReader> {
  switch (location.kind) {
    case 'sqlite':
      return openSqliteIndex(location.path, options);
    case 'postgresql':
      return openPostgresqlIndex(location.connection);
    case 'mysql':
      return openMysqlIndex(location.connection, options.signal);
    case 'odbc':
      throw new MirrorError('configuration', 'an index of back-end ODBC cannot be read');
  }
}
