/** What to do with a restored host backup. */
import { dirname } from 'node:path';
import type { BackupManifest } from '../../core/host/backup/manifest.ts';
import type { RestoreResult } from '../../core/host/backup/restore-host.ts';
import { pathOfFile, pathOfFolder } from '../../core/host/backup/restore-places.ts';
import type { BackupCommandOptions } from './options.ts';

/** The section of Orthanc's configuration for each database. */
const sections = { postgresql: 'PostgreSQL', mysql: 'MySQL' } as const;

/** One line each. */
export function nextSteps(
  manifest: BackupManifest,
  { places, configurationFiles }: RestoreResult,
  { originalPaths, database }: BackupCommandOptions,
): readonly string[] {
  const { kind } = manifest.index;
  const [first] = configurationFiles;
  const configuration = first === undefined ? '/etc/orthanc' : dirname(first);
  const folders = places.storage.map(pathOfFolder);
  return [
    'next:',
    ...missingConfiguration(manifest, configurationFiles),
    ...(database === undefined ? loadCommands(kind, pathOfFile(places.index)) : []),
    ...(originalPaths ? [] : settings(manifest, folders, dirname(pathOfFile(places.index)))),
    ...(kind === 'sqlite' ? [] : [`  let section "${sections[kind]}" name the restored database`]),
    ...folders.map((folder) => `  chown -R orthanc: ${folder}   # if the server runs as the user orthanc`),
    ...configurationFiles.map((path, number) => ownerCommand(manifest, path, number)),
    `  Orthanc ${configuration}`,
    `  npx orthanc-mirror audit --config ${configuration}`,
  ];
}

function missingConfiguration({ configuration }: BackupManifest, restored: readonly string[]): readonly string[] {
  if (configuration === null) return ['  this backup was made without the configuration'];
  return restored.length > 0 ? [] : ['  the configuration was not restored: it is encrypted with the passphrase'];
}

/** How a dump that lies in a file gets into a database; the client of MySQL must not obey what the dump holds. */
function loadCommands(kind: BackupManifest['index']['kind'], dump: string): readonly string[] {
  switch (kind) {
    case 'sqlite':
      return [];
    case 'postgresql':
      return [`  createdb orthanc && pg_restore --no-owner --exit-on-error --single-transaction -d orthanc ${dump}`];
    case 'mysql':
      return [
        `  mysql -e "CREATE DATABASE orthanc" && mysql --binary-mode orthanc < ${dump}   # as the user of Orthanc, or an administrator`,
      ];
  }
}

function settings(
  { index, storage }: BackupManifest,
  folders: readonly string[],
  indexFolder: string,
): readonly string[] {
  const [main, ...others] = folders;
  const lines = [
    ...(main === undefined ? [] : [`"StorageDirectory": ${JSON.stringify(main)}`]),
    ...(index.kind === 'sqlite' ? [`"IndexDirectory": ${JSON.stringify(indexFolder)}`] : []),
  ];
  return [
    ...(lines.length > 0 ? [`  put into the configuration: ${lines.join(', ')}`] : []),
    ...others.map(
      (folder, number) => `  in section "AdvancedStorage", ${storage.folders[number + 1]} is now ${folder}`,
    ),
  ];
}

/** Restored files belong to who restores them. */
function ownerCommand({ configuration }: BackupManifest, path: string, number: number): string {
  const owner = configuration?.files[number]?.owner;
  return `  chown ${owner?.user}:${owner?.group} ${path}   # whose it was on the host, by number`;
}
