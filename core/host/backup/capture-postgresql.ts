/** Taking a PostgreSQL index: a snapshot that pg_dump and our own reading share. */
import { type PostgresqlConnection, postgresqlCall } from '../../orthanc-disk/index/postgresql-connection.ts';
import { openPostgresqlIndex } from '../../orthanc-disk/index/postgresql-index.ts';
import { programOutput } from '../../orthanc-disk/program-output.ts';
import type { CaptureIndex } from './capture.ts';

/** Opens a snapshot; the dump is made of it when the content is read. The server goes on meanwhile. */
export function capturePostgresql(connection: PostgresqlConnection): CaptureIndex {
  return async (atThatMoment, options) => {
    const reader = await openPostgresqlIndex(connection);
    try {
      const seen = await atThatMoment(reader);
      return {
        captured: {
          method: 'dump',
          kind: 'postgresql',
          path: undefined,
          reader,
          stoppedMs: undefined,
          startError: undefined,
          content: () => dump(connection, reader.snapshot, options.signal),
          release: () => reader.close(),
        },
        seen,
      };
    } catch (error) {
      await reader.close();
      throw error;
    }
  };
}

/**
 * The dump in PostgreSQL's custom format, uncompressed: equal parts of two dumps are then kept once, and the archive's
 * disk or bucket may compress. Owners and grants are those of whoever restores it.
 */
function dump(connection: PostgresqlConnection, snapshot: string, signal?: AbortSignal): AsyncIterable<Uint8Array> {
  const schema = connection.schema === undefined ? [] : [`--schema=${connection.schema}`];
  const options = ['--format=custom', '--compress=0', '--no-owner', '--no-privileges', `--snapshot=${snapshot}`];
  return programOutput(postgresqlCall('pg_dump', connection, [...options, ...schema], signal));
}
