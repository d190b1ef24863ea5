/** Opens an index by its location: a file of SQLite or a PostgreSQL database. */
import { MirrorError } from '../../errors.ts';
import type { IndexLocation } from '../orthanc-host.ts';
import type { IndexReader } from './index-reader.ts';
import { openPostgresqlIndex } from './postgresql-index.ts';
import { openSqliteIndex, type SqliteIndexOptions } from './sqlite-index.ts';

/** @param text a path, or `postgres://user:password@host/database`. */
export function indexLocation(text: string): IndexLocation {
  if (/^postgres(ql)?:\/\//.test(text)) return { kind: 'postgresql', connection: { uri: text } };
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    throw new MirrorError('configuration', 'the index must be a file or postgres://…; no other database can be read');
  }
  return { kind: 'sqlite', path: text };
}

/** Throws what {@link openSqliteIndex} and {@link openPostgresqlIndex} throw, `configuration` for other back-ends. */
export async function openIndex(location: IndexLocation, options: SqliteIndexOptions = {}): Promise<IndexReader> {
  switch (location.kind) {
    case 'sqlite':
      return openSqliteIndex(location.path, options);
    case 'postgresql':
      return openPostgresqlIndex(location.connection);
    default:
      throw new MirrorError('configuration', `an index of back-end ${location.kind} cannot be read; only dumped`);
  }
}
