/** `backup`: host backups: taking, listing, checking, restoring, removing. */
import { type Command, Option } from 'commander';
import { type BackupCommandOptions, backupOptionValues } from '../backup/options.ts';
import type { CommandContext } from '../command-context.ts';
import { durationOption } from '../duration.ts';
import {
  endpointOption,
  jsonOption,
  optionsOf,
  orthancConfigOption,
  otherStorageOption,
  switchOption,
  valueOption,
  wholeNumber,
} from '../options.ts';
import { reportOption } from '../session.ts';

type Work = (options: BackupCommandOptions, context: CommandContext) => Promise<void>;

export function registerBackup(program: Command, context: CommandContext): void {
  const act = (load: () => Promise<Work>) => async (values: unknown) =>
    (await load())(optionsOf(backupOptionValues, values), context);
  // Options behind the name of a subcommand are the subcommand's.
  const backup = program.command('backup').enablePositionalOptions();
  backup
    .summary('back up the Orthanc of this host: configuration, index and storage')
    .description(
      'Saves configuration, index and storage of the Orthanc of this host to an archive, as of one moment. Storage ' +
        'files are copied while the server is in use, and only those that the archive lacks. Without --stop and ' +
        '--start a running SQLite server is copied as with --hot; PostgreSQL and MySQL are dumped by their own programs.',
    )
    .addOption(orthancConfigOption("Orthanc's configuration, a file or a folder"))
    .addOption(valueOption('--stop <command>', 'command that stops the server, for the time of copying its index'))
    .addOption(valueOption('--start <command>', 'command that starts it again; run in every case'))
    .addOption(durationOption('--command-timeout <time>', 'how long each of them may take (default: 2m)'))
    .addOption(switchOption('--hot', 'copy the index of a running SQLite server (default)').conflicts('stop'))
    .addOption(valueOption('--tries <n>', 'how often a hot copy is tried (default: 10)').argParser(wholeNumber(1)))
    .addOption(switchOption('--allow-missing', 'back up a running server although files are missing'))
    .addOption(switchOption('--omit-configuration', 'leave the configuration out'))
    .addOption(valueOption('--work <folder>', 'where a copy of the index goes meanwhile (default: system)'))
    .addOption(otherStorageOption())
    .addOption(new Option('--schedule [calendar]', 'only print a systemd timer for this backup').preset('02:00'));
  for (const option of [...commonOptions(), ...retentionOptions()]) backup.addOption(option);
  backup.action(act(async () => (await import('../backup/backup.ts')).runBackup));

  subcommand(backup, 'list', 'list the backups of an archive').action(
    act(async () => (await import('../backup/backup-list.ts')).runBackupList),
  );
  subcommand(backup, 'check', 'check that a backup is complete')
    .addOption(backupOption())
    .addOption(switchOption('--read-data', 'read and hash everything'))
    .action(act(async () => (await import('../backup/backup-list.ts')).runBackupCheck));
  subcommand(backup, 'restore', 'restore a backup to an empty folder or host')
    .addOption(backupOption())
    .addOption(valueOption('--to <folder>', 'new folder for storage, index and configuration'))
    .addOption(switchOption('--original-paths', 'restore everything to where it was; asks first').conflicts('to'))
    .addOption(new Option('--yes', 'do not ask before restoring to the original paths'))
    .addOption(valueOption('--database <url>', 'empty database to restore a dump into: postgres://… or mysql://…'))
    .addOption(
      new Option(
        '--i-know-this-backup-is-not-authenticated',
        'restore to a folder what anybody may have forged who can write to the archive; without configuration',
      ).conflicts(['passphraseFile', 'originalPaths', 'database']),
    )
    .action(act(async () => (await import('../backup/backup-restore.ts')).runBackupRestore));
  const prune = subcommand(backup, 'prune', 'remove old backups; never instances of the archive');
  for (const option of retentionOptions()) prune.addOption(option);
  prune.addOption(switchOption('--dry-run', 'only say what would be removed'));
  prune.action(act(async () => (await import('../backup/backup-prune.ts')).runBackupPrune));
}

function subcommand(backup: Command, name: string, description: string): Command {
  const command = backup.command(name).description(description);
  for (const option of commonOptions()) command.addOption(option);
  return command;
}

function commonOptions(): readonly Option[] {
  return [
    valueOption('--archive <place>', 'archive: a folder, or s3://bucket/prefix'),
    endpointOption(),
    valueOption('--host <name>', 'name of the host in the archive (default: from machine and configuration)'),
    valueOption('--passphrase-file <file>', 'file with the passphrase that authenticates all backups of a host'),
    reportOption(),
    jsonOption(),
  ];
}

function retentionOptions(): readonly Option[] {
  return [
    keepOption('daily', 'days'),
    keepOption('weekly', 'weeks'),
    keepOption('monthly', 'months'),
    valueOption('--max-removals <n>', 'remove no backup if it would be more than n (default: 10)').argParser(
      wholeNumber(0),
    ),
  ];
}

function keepOption(name: string, periods: string): Option {
  return valueOption(`--keep-${name} <n>`, `remove old backups, but keep the last of each of n ${periods}`).argParser(
    wholeNumber(0),
  );
}

function backupOption(): Option {
  return valueOption('--backup <id>', 'name of the backup as listed (default: the newest)');
}
