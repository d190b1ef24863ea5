/** The work of `backup list`, `backup check` and `backup prune`. */
import { MirrorError } from '../../core/errors.ts';
import { hostKeys } from '../../core/host/backup/backup-keys.ts';
import { checkBackup } from '../../core/host/backup/check-backup.ts';
import { listBackupIds, type NamedBackup, readBackup, readManifest } from '../../core/host/backup/manifest.ts';
import { removeOldBackups } from '../../core/host/backup/remove-backups.ts';
import type { RetentionRule } from '../../core/host/backup/retention.ts';
import type { CommandContext } from '../command-context.ts';
import type { BackupCommandOptions } from '../commands/backup.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatBytes, formatCount } from '../format.ts';
import { existingHostKeys, listHosts, openBackupArchive } from './backup-place.ts';

export async function runBackupList(options: BackupCommandOptions, { terminal }: CommandContext): Promise<void> {
  const objects = openBackupArchive(options);
  try {
    const hosts = options.host === undefined ? await listHosts(objects) : [options.host];
    for (const keys of hosts.map(hostKeys)) {
      for (const id of await listBackupIds(objects, keys)) {
        const backup = await readManifest(objects, keys, id);
        if (options.json) terminal.printJson(backupRecord(backup));
        else terminal.print(backupLine(backup));
      }
    }
  } finally {
    await objects.close();
  }
}

export async function runBackupCheck(options: BackupCommandOptions, context: CommandContext): Promise<void> {
  const { terminal } = context;
  const objects = openBackupArchive(options);
  try {
    const keys = await existingHostKeys(objects, options);
    const backup = await readBackup(objects, keys, options.backup);
    const readBytes = options.readData ?? false;
    let flaws = 0;
    for await (const flaw of checkBackup(backup, objects, keys, { readBytes, signal: context.interruption })) {
      flaws += 1;
      if (options.json) terminal.printJson({ type: 'difference', ...flaw });
      else terminal.print(`${flaw.reason} ${flaw.part} ${flaw.name}`);
    }
    const { files, bytes } = backup.manifest.storage;
    if (options.json) terminal.printJson({ type: 'summary', backup: backup.id, files, bytes, read: readBytes, flaws });
    else {
      terminal.print(
        `backup ${backup.id}: ${formatCount(files)} files, ${formatBytes(bytes)}, ` +
          `${readBytes ? 'all bytes read' : 'names and sizes compared'}, ${formatCount(flaws)} flaws`,
      );
    }
    context.finish(flaws === 0 ? exitCodes.ok : exitCodes.different);
  } finally {
    await objects.close();
  }
}

export async function runBackupPrune(options: BackupCommandOptions, context: CommandContext): Promise<void> {
  const { terminal } = context;
  const rule = retentionRule(options);
  if (rule === undefined) {
    throw new MirrorError('configuration', 'say what to keep by --keep-daily, --keep-weekly and --keep-monthly');
  }
  const objects = openBackupArchive(options);
  try {
    const keys = await existingHostKeys(objects, options);
    const { removed, removedFiles, removedPieces } = await removeOldBackups(objects, keys, rule, {
      signal: context.interruption,
    });
    if (options.json) terminal.printJson({ type: 'summary', removed, removedFiles, removedPieces });
    else {
      for (const id of removed) terminal.print(`removed ${id}`);
      terminal.print(`${removed.length} backups, ${removedFiles} files, ${removedPieces} pieces removed`);
    }
  } finally {
    await objects.close();
  }
}

/** `undefined` unless the user said what to keep. */
export function retentionRule(options: BackupCommandOptions): RetentionRule | undefined {
  const { keepDaily, keepWeekly, keepMonthly } = options;
  if (keepDaily === undefined && keepWeekly === undefined && keepMonthly === undefined) return undefined;
  return { daily: keepDaily ?? 0, weekly: keepWeekly ?? 0, monthly: keepMonthly ?? 0 };
}

function backupRecord({ id, manifest }: NamedBackup): Readonly<Record<string, unknown>> {
  const { host, takenAt, method, index, storage, configuration } = manifest;
  return {
    type: 'backup',
    backup: id,
    host,
    takenAt,
    method,
    index: index.kind,
    schema: index.schema,
    revision: index.revision,
    instances: index.instances,
    files: storage.files,
    bytes: storage.bytes,
    missing: storage.missing,
    damaged: storage.damaged,
    configuration: configuration !== undefined,
  };
}

function backupLine({ id, manifest }: NamedBackup): string {
  const { host, method, index, storage } = manifest;
  const flaws = storage.missing + storage.damaged;
  return [
    `${id}  ${host}  ${index.kind} (${method})`,
    `${formatCount(index.instances ?? 0)} instances, ${formatCount(storage.files)} files, ${formatBytes(storage.bytes)}`,
    ...(flaws > 0 ? [`${formatCount(flaws)} files missing or damaged on the host`] : []),
  ].join('  ');
}
