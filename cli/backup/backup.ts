/** The work of `backup`: reads the configuration of the Orthanc of this host, backs it up, tells. */
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { allEnvironmentVariables } from '../../core/environment.ts';
import { MirrorError } from '../../core/errors.ts';
import { type BackupResult, backUpHost } from '../../core/host/backup/back-up-host.ts';
import { hostKeys, hostNameOf } from '../../core/host/backup/backup-keys.ts';
import { systemdUnits } from '../../core/host/backup/schedule.ts';
import type { PauseCommands } from '../../core/host/backup/server-pause.ts';
import { type OrthancHost, readOrthancHost } from '../../core/orthanc-disk/orthanc-host.ts';
import { withFolders } from '../../core/orthanc-disk/storage/storage-folders.ts';
import type { CommandContext } from '../command-context.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatBytes, formatCount, formatDuration } from '../format.ts';
import { type ShownProgress, startProgress } from '../progress.ts';
import { keyringOf, openBackupArchive } from './backup-place.ts';
import { pruneAfterBackup } from './backup-prune.ts';
import type { BackupCommandOptions } from './options.ts';

const programPath = fileURLToPath(new URL('../../bin/orthanc-mirror', import.meta.url));
const defaultTries = 10;
const defaultCommandTimeoutMs = 120_000;

export async function runBackup(options: BackupCommandOptions, context: CommandContext): Promise<void> {
  const { terminal } = context;
  if (options.config === undefined) {
    throw new MirrorError('configuration', "name Orthanc's configuration by --config: a file or a folder");
  }
  if (options.schedule !== undefined) {
    const units = systemdUnits(programPath, scheduledArguments(options), options.schedule);
    for (const line of units.trimEnd().split('\n')) terminal.print(line);
    return;
  }
  const keyring = await keyringOf(options, context);
  const commands = pauseCommands(options);
  const host = withOtherFolders(await readOrthancHost(options.config, allEnvironmentVariables()), options);
  for (const name of host.configuration.undefinedVariables) {
    terminal.warn(`the configuration of Orthanc uses the variable ${name}, which is not set here`);
  }
  const keys = hostKeys(options.host ?? hostNameOf(hostname(), host.name));
  const objects = await openBackupArchive(options);
  using shown = startProgress(context.terminal, 'backing up');
  try {
    await objects.prepare();
    const result = await backUpHost(host, objects, keys, {
      commands,
      keyring,
      omitConfiguration: options.omitConfiguration ?? false,
      allowMissing: options.allowMissing ?? false,
      tries: options.tries ?? defaultTries,
      workFolder: options.work,
      signal: context.interruption,
      onSaved: counting(shown),
    });
    report(result, context);
    await pruneAfterBackup(objects, keys, keyring, options, context);
  } finally {
    await objects.close();
  }
}

function withOtherFolders(host: OrthancHost, { otherStorage }: BackupCommandOptions): OrthancHost {
  const { storage } = host;
  if (storage.kind !== 'folder') return host;
  return {
    ...host,
    storage: {
      ...storage,
      folders: withFolders(
        storage.folders,
        otherStorage?.map((one) => resolve(one)),
      ),
    },
  };
}

function pauseCommands({ stop, start, commandTimeout }: BackupCommandOptions): PauseCommands | undefined {
  if (stop === undefined && start === undefined) return undefined;
  if (stop === undefined || start === undefined) {
    throw new MirrorError('configuration', '--stop and --start belong together');
  }
  return { stop, start, timeoutMs: commandTimeout ?? defaultCommandTimeoutMs };
}

function counting(shown: ShownProgress): (sizeBytes: number) => void {
  let [instances, bytes] = [0, 0];
  return (sizeBytes) => {
    instances += 1;
    bytes += sizeBytes;
    shown.show({ instances, bytes, unit: 'files' });
  };
}

function report(result: BackupResult, context: CommandContext): void {
  const { terminal } = context;
  const tellFile = (kind: string, uuid: string, resource: string, reason?: string) =>
    terminal.tell(
      { type: 'problem', outcome: kind, uuid, resource, reason },
      `${kind} ${uuid} of ${resource}${reason === undefined ? '' : `: ${reason}`}`,
    );
  const { manifest, copiedFiles, missing, damaged, refused, stoppedMs, startError, unprovenBefore } = result;
  const { storage, index } = manifest;
  for (const { uuid, resource } of missing) tellFile('missing', uuid, resource);
  for (const { uuid, resource } of damaged) tellFile('damaged', uuid, resource);
  for (const { file, reason } of refused) tellFile('refused', file.uuid, file.resource, reason);
  const summary = {
    type: 'summary',
    backup: manifest.backup,
    host: manifest.host,
    method: manifest.method,
    instances: index.instances,
    files: storage.files,
    bytes: storage.bytes,
    copied: copiedFiles,
    missing: missing.map(({ uuid }) => uuid),
    damaged: damaged.map(({ uuid }) => uuid),
    refused: refused.map(({ file, reason }) => ({ uuid: file.uuid, reason })),
    stoppedMs,
    started: startError === undefined,
  };
  terminal.tell(
    summary,
    `backup ${manifest.backup} of ${manifest.host}: ${formatCount(index.instances ?? 0)} instances, ` +
      `${formatCount(storage.files)} files, ${formatBytes(storage.bytes)}; ${formatCount(copiedFiles)} copied, ` +
      `${formatCount(missing.length)} missing, ${formatCount(damaged.length)} damaged, ` +
      `${formatCount(refused.length)} refused`,
  );
  if (unprovenBefore > 0) {
    terminal.warn(
      `${unprovenBefore} backups of this host are not authenticated by this passphrase; they stay, and count for nothing`,
    );
  }
  if (stoppedMs !== undefined) terminal.say(`the server was stopped for ${formatDuration(stoppedMs)}`);
  if (startError !== undefined) throw startError;
  context.finish(missing.length + damaged.length + refused.length > 0 ? exitCodes.rejected : exitCodes.ok);
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
    ['--max-removals', options.maxRemovals],
    ...(options.otherStorage ?? []).map((folder) => ['--other-storage', resolve(folder)] as const),
  ];
  const switches = options.omitConfiguration ? ['--omit-configuration'] : [];
  return [
    'backup',
    ...values.flatMap(([name, value]) => (value === undefined ? [] : [name, String(value)])),
    ...switches,
  ];
}
