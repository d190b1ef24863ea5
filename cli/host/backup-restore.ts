/** The work of `backup restore`. */
import { dirname } from 'node:path';
import { MirrorError } from '../../core/errors.ts';
import { readPassphrase } from '../../core/host/backup/configuration-secrets.ts';
import { type BackupManifest, type NamedBackup, readBackup } from '../../core/host/backup/manifest.ts';
import type { DatabaseLocation } from '../../core/host/backup/restore-database.ts';
import { type RestoreResult, restoreHost } from '../../core/host/backup/restore-host.ts';
import { originalPlaces, placesBelow, type RestorePlaces } from '../../core/host/backup/restore-places.ts';
import { indexLocation } from '../../core/host/index/open-index.ts';
import type { CommandContext } from '../command-context.ts';
import type { BackupCommandOptions } from '../commands/backup.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatBytes, formatCount } from '../format.ts';
import { existingHostKeys, openBackupArchive } from './backup-place.ts';

export async function runBackupRestore(options: BackupCommandOptions, context: CommandContext): Promise<void> {
  const { terminal } = context;
  const objects = openBackupArchive(options);
  try {
    const keys = await existingHostKeys(objects, options);
    const backup = await readBackup(objects, keys, options.backup);
    const places = placesOf(options, backup);
    const passphrase = options.passphraseFile === undefined ? undefined : await readPassphrase(options.passphraseFile);
    let [files, bytes] = [0, 0];
    const result = await restoreHost(backup, objects, keys, places, {
      passphrase,
      database: databaseOf(options),
      signal: context.interruption,
      onRestored: (sizeBytes) => {
        files += 1;
        bytes += sizeBytes;
        terminal.showStatus(`${formatCount(files)} files, ${formatBytes(bytes)} restored`);
      },
    });
    report(backup, result, places, options, context);
  } finally {
    await objects.close();
  }
}

function placesOf({ to, originalPaths }: BackupCommandOptions, backup: NamedBackup): RestorePlaces {
  if (originalPaths) return originalPlaces(backup);
  if (to === undefined) throw new MirrorError('configuration', 'say where to: --to FOLDER, or --original-paths');
  return placesBelow(to, backup);
}

function databaseOf({ database }: BackupCommandOptions): DatabaseLocation | undefined {
  if (database === undefined) return undefined;
  const location = indexLocation(database);
  if (location.kind === 'postgresql' || location.kind === 'mysql') return location;
  throw new MirrorError('configuration', '--database must be postgres://… or mysql://…');
}

function report(
  backup: NamedBackup,
  result: RestoreResult,
  places: RestorePlaces,
  options: BackupCommandOptions,
  context: CommandContext,
): void {
  const { terminal } = context;
  const { files, writtenFiles, missing, configurationFiles } = result;
  const { instances } = backup.manifest.index;
  if (options.json) {
    terminal.printJson({
      type: 'summary',
      backup: backup.id,
      instances,
      files,
      written: writtenFiles,
      missing,
      configurationFiles,
    });
  } else {
    terminal.print(
      `restored backup ${backup.id}: ${formatCount(instances ?? 0)} instances, ${formatCount(files)} files ` +
        `(${formatCount(writtenFiles)} written now), ${formatCount(missing)} missing in the backup`,
    );
  }
  for (const line of nextSteps(backup, places, configurationFiles, options)) terminal.say(line);
  context.finish(missing > 0 ? exitCodes.rejected : exitCodes.ok);
}

/** The section of Orthanc's configuration for each database. */
const sections = { postgresql: 'PostgreSQL', mysql: 'MySQL' } as const;

/** How a dump that lies in a file gets into a database. */
function loadCommands(kind: BackupManifest['index']['kind'], dump: string): readonly string[] {
  switch (kind) {
    case 'sqlite':
      return [];
    case 'postgresql':
      return [`  createdb orthanc && pg_restore --no-owner --exit-on-error --single-transaction -d orthanc ${dump}`];
    case 'mysql':
      return [
        `  mysql -e "CREATE DATABASE orthanc" && mysql orthanc < ${dump}   # as the user of Orthanc, or an administrator`,
      ];
  }
}

/** What to do with the restored files. */
function nextSteps(
  { manifest }: NamedBackup,
  places: RestorePlaces,
  configurationFiles: readonly string[],
  { originalPaths, database }: BackupCommandOptions,
): readonly string[] {
  const { kind } = manifest.index;
  const [first] = configurationFiles;
  const configuration = first === undefined ? '/etc/orthanc' : dirname(first);
  return [
    'next:',
    ...(first === undefined && manifest.configuration !== undefined
      ? ['  the configuration is in the backup too: restore it by --passphrase-file FILE']
      : []),
    ...(database === undefined ? loadCommands(kind, places.index) : []),
    ...(originalPaths ? [] : settings(places, kind === 'sqlite')),
    ...(kind === 'sqlite' ? [] : [`  let section "${sections[kind]}" name the restored database`]),
    `  chown -R orthanc: ${places.storage}   # if the server runs as the user orthanc`,
    `  Orthanc ${configuration}`,
    `  npx orthanc-mirror audit --config ${configuration}`,
  ];
}

function settings({ storage, index }: RestorePlaces, hasIndexFile: boolean): readonly string[] {
  const lines = [`"StorageDirectory": ${JSON.stringify(storage)}`];
  if (hasIndexFile) lines.push(`"IndexDirectory": ${JSON.stringify(dirname(index))}`);
  return [`  put into the configuration: ${lines.join(', ')}`];
}
