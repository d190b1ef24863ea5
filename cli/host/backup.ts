/** The work of `backup`: reads the configuration of the Orthanc of this host, backs it up, tells. */
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { allEnvironmentVariables } from '../../core/config/environment.ts';
import { MirrorError } from '../../core/errors.ts';
import { type BackupResult, backUpHost } from '../../core/host/backup/back-up-host.ts';
import { hostKeys, hostNameOf } from '../../core/host/backup/backup-keys.ts';
import { readPassphrase } from '../../core/host/backup/configuration-secrets.ts';
import { removeOldBackups } from '../../core/host/backup/remove-backups.ts';
import { systemdUnits } from '../../core/host/backup/schedule.ts';
import type { PauseCommands } from '../../core/host/backup/server-pause.ts';
import { readOrthancHost } from '../../core/host/orthanc-host.ts';
import type { CommandContext } from '../command-context.ts';
import type { BackupCommandOptions } from '../commands/backup.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatBytes, formatCount, formatDuration } from '../format.ts';
import { retentionRule } from './backup-list.ts';
import { openBackupArchive } from './backup-place.ts';

const programPath = fileURLToPath(new URL('../../bin/orthanc-mirror', import.meta.url));
const defaultTries = 10;
const defaultCommandTimeoutMs = 120_000;

export async function runBackup(options: BackupCommandOptions, context: CommandContext): Promise<void> {
  const { terminal } = context;
  if (options.config === undefined) {
    throw new MirrorError('configuration', "name Orthanc's configuration by --config: a file or a folder");
  }
  if (options.schedule !== undefined) {
    terminal.print(systemdUnits(programPath, scheduledArguments(options), options.schedule));
    return;
  }
  const passphrase = await passphraseOf(options);
  const commands = pauseCommands(options);
  const host = await readOrthancHost(options.config, allEnvironmentVariables());
  for (const name of host.configuration.undefinedVariables) {
    terminal.warn(`the configuration of Orthanc uses the variable ${name}, which is not set here`);
  }
  const keys = hostKeys(options.host ?? hostNameOf(hostname(), host.name));
  const objects = openBackupArchive(options);
  try {
    await objects.prepare();
    const result = await backUpHost(host, objects, keys, {
      commands,
      passphrase,
      allowMissing: options.allowMissing ?? false,
      tries: options.tries ?? defaultTries,
      workFolder: options.work,
      signal: context.interruption,
      onSaved: progress(context),
    });
    report(result, options, context);
    const rule = retentionRule(options);
    if (rule !== undefined) {
      const { removed } = await removeOldBackups(objects, keys, rule);
      terminal.say(`removed ${removed.length} old backups`);
    }
  } finally {
    await objects.close();
  }
}

async function passphraseOf({ passphraseFile, omitConfiguration }: BackupCommandOptions): Promise<string | undefined> {
  if (passphraseFile !== undefined) return readPassphrase(passphraseFile);
  if (omitConfiguration) return undefined;
  throw new MirrorError(
    'configuration',
    'the configuration of Orthanc holds passwords and is only saved encrypted: give --passphrase-file FILE, or ' +
      '--omit-configuration',
  );
}

function pauseCommands({ stop, start, commandTimeout }: BackupCommandOptions): PauseCommands | undefined {
  if (stop === undefined && start === undefined) return undefined;
  if (stop === undefined || start === undefined) {
    throw new MirrorError('configuration', '--stop and --start belong together');
  }
  return { stop, start, timeoutMs: commandTimeout ?? defaultCommandTimeoutMs };
}

function progress({ terminal }: CommandContext): (sizeBytes: number) => void {
  let [files, bytes] = [0, 0];
  return (sizeBytes) => {
    files += 1;
    bytes += sizeBytes;
    terminal.showStatus(`${formatCount(files)} files, ${formatBytes(bytes)} copied`);
  };
}

function report(result: BackupResult, { json }: BackupCommandOptions, context: CommandContext): void {
  const { terminal } = context;
  const { id, manifest, copiedFiles, missing, damaged, stoppedMs, startError } = result;
  const { storage, index } = manifest;
  if (json) {
    terminal.printJson({
      type: 'summary',
      backup: id,
      host: manifest.host,
      method: manifest.method,
      instances: index.instances,
      files: storage.files,
      bytes: storage.bytes,
      copied: copiedFiles,
      missing: missing.map(({ uuid }) => uuid),
      damaged: damaged.map(({ uuid }) => uuid),
      stoppedMs,
      started: startError === undefined,
    });
  } else {
    for (const { uuid, resource } of missing) terminal.print(`missing ${uuid} of ${resource}`);
    for (const { uuid, resource } of damaged) terminal.print(`damaged ${uuid} of ${resource}`);
    terminal.print(
      `backup ${id} of ${manifest.host}: ${formatCount(index.instances ?? 0)} instances, ` +
        `${formatCount(storage.files)} files, ${formatBytes(storage.bytes)}; ${formatCount(copiedFiles)} copied, ` +
        `${formatCount(missing.length)} missing, ${formatCount(damaged.length)} damaged`,
    );
  }
  if (stoppedMs !== undefined) terminal.say(`the server was stopped for ${formatDuration(stoppedMs)}`);
  if (startError !== undefined) throw startError;
  context.finish(missing.length + damaged.length > 0 ? exitCodes.rejected : exitCodes.ok);
}

/** The arguments of the scheduled run: those of this one, with absolute paths. */
function scheduledArguments(options: BackupCommandOptions): readonly string[] {
  const { config = '', archive = '', passphraseFile } = options;
  const isUrl = archive.startsWith('s3://');
  const values: readonly (readonly [string, string | number | undefined])[] = [
    ['--config', resolve(config)],
    ['--archive', archive === '' || isUrl ? archive || undefined : resolve(archive)],
    ['--endpoint', options.endpoint],
    ['--host', options.host],
    ['--stop', options.stop],
    ['--start', options.start],
    ['--passphrase-file', passphraseFile === undefined ? undefined : resolve(passphraseFile)],
    ['--keep-daily', options.keepDaily],
    ['--keep-weekly', options.keepWeekly],
    ['--keep-monthly', options.keepMonthly],
  ];
  const switches = options.omitConfiguration ? ['--omit-configuration'] : [];
  return [
    'backup',
    ...values.flatMap(([name, value]) => (value === undefined ? [] : [name, String(value)])),
    ...switches,
  ];
}
