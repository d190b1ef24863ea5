/** How the index of a host is taken. */
import { MirrorError } from '../../errors.ts';
import type { OrthancHost } from '../../orthanc-disk/orthanc-host.ts';
import type { CaptureIndex } from './capture.ts';
import { captureMysql } from './capture-mysql.ts';
import { capturePostgresql } from './capture-postgresql.ts';
import { captureHot, captureStopped } from './capture-sqlite.ts';
import type { PauseCommands } from './server-pause.ts';

/** Throws `configuration` for what cannot be backed up by this program. */
export function captureIndexOf(
  host: OrthancHost,
  workFolder: string,
  commands: PauseCommands | undefined,
): CaptureIndex {
  const { index, storage } = host;
  if (storage.kind === 'object-storage') {
    throw new MirrorError(
      'configuration',
      `the files lie in a bucket (${storage.section}): protect them there by versioning and replication, and mirror ` +
        'the server by "orthanc-mirror run"',
    );
  }
  if (storage.kind === 'database' && storage.backend !== index.kind) {
    throw new MirrorError(
      'configuration',
      `the files lie in a database of ${storage.backend}, the index is of ${index.kind}: no dump holds both; mirror the ` +
        'server by "orthanc-mirror run"',
    );
  }
  switch (index.kind) {
    case 'sqlite':
      return commands === undefined
        ? captureHot(index.path, workFolder)
        : captureStopped(index.path, workFolder, commands);
    case 'postgresql':
      return capturePostgresql(index.connection);
    case 'mysql':
      return captureMysql(index.connection, workFolder);
    case 'odbc':
      throw new MirrorError(
        'configuration',
        'an index of back-end ODBC cannot be backed up as a host; mirror the server by "orthanc-mirror run"',
      );
  }
}
