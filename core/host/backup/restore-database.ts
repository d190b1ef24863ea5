/** Restoring a dump into a database of the back-end that it comes from. */
import { MirrorError } from '../../errors.ts';
import type { IndexLocation } from '../../orthanc-disk/orthanc-host.ts';
import type { BackupManifest } from './manifest.ts';
import { refuseUsedMysql, restoreMysqlDump } from './restore-mysql.ts';
import { refuseUsedPostgresql, restorePostgresqlDump } from './restore-postgresql.ts';

/** A database that a dump can be restored into. */
export type DatabaseLocation = Extract<IndexLocation, { readonly kind: 'postgresql' | 'mysql' }>;

/** Throws `configuration` if the backup is of another back-end, or the database is not empty or in use. */
export async function refuseUnfitDatabase(
  database: DatabaseLocation,
  backup: string,
  { index: { kind } }: BackupManifest,
): Promise<void> {
  if (kind !== database.kind) {
    throw new MirrorError('configuration', `the index of this backup is of ${kind}, not of ${database.kind}`);
  }
  if (database.kind === 'postgresql') await refuseUsedPostgresql(database.connection);
  else await refuseUsedMysql(database.connection, backup);
}

/** Throws what the client program reports, and what `dump` throws. */
export async function restoreDatabase(
  database: DatabaseLocation,
  dump: AsyncIterable<Uint8Array>,
  backup: string,
  signal?: AbortSignal,
): Promise<void> {
  if (database.kind === 'postgresql') await restorePostgresqlDump(database.connection, dump, signal);
  else await restoreMysqlDump(database.connection, dump, backup, signal);
}
