/** Taking a MySQL index: a dump and our own reading that see the same files. The server goes on meanwhile. */
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { readFileChunks } from '../../orthanc-disk/files/file-bytes.ts';
import { fileError, systemCode } from '../../orthanc-disk/files/file-error.ts';
import type { IndexReader } from '../../orthanc-disk/index/index-reader.ts';
import { type MysqlConnection, mysqlCall } from '../../orthanc-disk/index/mysql-connection.ts';
import { openMysqlIndex } from '../../orthanc-disk/index/mysql-index.ts';
import { MysqlSession } from '../../orthanc-disk/index/mysql-session.ts';
import { programOutput } from '../../orthanc-disk/program-output.ts';
import type { CaptureIndex } from './capture.ts';

/** Dumps at once to the work folder: the server gives up a reader that is slower than a minute, as an archive may be. */
export function captureMysql(connection: MysqlConnection, workFolder: string): CaptureIndex {
  return async (atThatMoment, { signal }) => {
    const folder = await mkdtemp(join(workFolder, 'dump-'));
    const path = join(folder, 'index.sql');
    const { reader, rest } = await openAtOneMoment(connection, signal);
    const release = async () => {
      await reader.close();
      await rest.return(undefined);
      await rm(folder, { recursive: true, force: true });
    };
    try {
      // The files are looked at while the dump goes on: the sooner, the fewer are deleted meanwhile.
      const [seen] = await Promise.all([atThatMoment(reader), writeDump(rest, path)]);
      return {
        captured: {
          method: 'dump',
          kind: 'mysql',
          path: undefined,
          reader,
          stoppedMs: undefined,
          startError: undefined,
          content: () => readFileChunks(path, signal),
          release,
        },
        seen,
      };
    } catch (error) {
      await release();
      throw error;
    }
  };
}

/**
 * Two snapshots cannot be shared in MySQL, so no row of AttachedFiles may change between their beginnings. One table is
 * locked, not all: somebody who waits for nothing else cannot take part in a deadlock.
 */
async function openAtOneMoment(
  connection: MysqlConnection,
  signal: AbortSignal | undefined,
): Promise<{ readonly reader: IndexReader; readonly rest: AsyncGenerator<Uint8Array> }> {
  const lock = await MysqlSession.open(connection, signal);
  try {
    // Without autocommit InnoDB locks the table too, which holds back cascades from other tables.
    await lock.execute('SET SESSION lock_wait_timeout = 30, SESSION innodb_lock_wait_timeout = 30, autocommit = 0');
    await lock.execute('LOCK TABLES AttachedFiles READ');
    const reader = await openMysqlIndex(connection, signal);
    const output = dump(connection, signal);
    try {
      return { reader, rest: await begun(output) };
    } catch (error) {
      await reader.close();
      throw error;
    }
  } finally {
    await lock.close();
  }
}

/** Waits for the first table: the dump's snapshot is open then. @returns the whole dump. */
async function begun(output: AsyncGenerator<Uint8Array>): Promise<AsyncGenerator<Uint8Array>> {
  const first: Uint8Array[] = [];
  while (!Buffer.concat(first).includes('CREATE TABLE')) {
    const { done, value } = await output.next();
    if (done === true) break;
    first.push(value);
  }
  return (async function* () {
    try {
      yield* first;
      yield* output;
    } finally {
      await output.return(undefined);
    }
  })();
}

/**
 * Structure, rows, triggers and procedures. A whole row on each line and no date in the dump: equal parts of two dumps
 * are then kept once.
 */
function dump(connection: MysqlConnection, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  const options = ['--single-transaction', '--quick', '--routines', '--triggers', '--hex-blob', '--skip-dump-date'];
  // Table spaces, and the identity of transactions of a replicated MySQL, belong to the server and need rights there.
  const without = ['--no-tablespaces', '--loose-set-gtid-purged=OFF', '--max-allowed-packet=1G'];
  return programOutput(mysqlCall('dump', connection, [...options, ...without], signal));
}

async function writeDump(source: AsyncIterable<Uint8Array>, path: string): Promise<void> {
  try {
    await pipeline(source, createWriteStream(path, { mode: 0o600 }));
  } catch (error) {
    throw systemCode(error) === undefined ? error : fileError(error, path, 'server-error');
  }
}
