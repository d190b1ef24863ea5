/** The work of `backup list` and `backup check`. */
import { hostKeys } from '../../core/host/backup/backup-keys.ts';
import { type BackupFlaw, checkBackup } from '../../core/host/backup/check-backup.ts';
import {
  type AuthenticBackup,
  type FoundBackup,
  listBackupIds,
  readFound,
} from '../../core/host/backup/found-backups.ts';
import { type Column, Table } from '../columns.ts';
import type { CommandContext } from '../command-context.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatBytes, formatCount } from '../format.ts';
import { existingHostKeys, keyringOf, listHosts, openBackupArchive, optionalKeyring } from './backup-place.ts';
import type { BackupCommandOptions } from './options.ts';

const listed: readonly Column[] = [
  { head: 'backup', width: 28 },
  { head: 'host', width: 16, least: 8 },
  { head: 'index', width: 20, least: 0 },
  { head: 'instances', width: 9, least: 0, right: true },
  { head: 'files', width: 9, least: 0, right: true },
  // Missing or damaged on the host itself.
  { head: 'flawed', width: 6, least: 0, right: true },
  { head: 'size', width: 8, least: 0, right: true },
  { head: '' },
];

export async function runBackupList(options: BackupCommandOptions, context: CommandContext): Promise<void> {
  const { terminal } = context;
  const keyring = await optionalKeyring(options, context);
  const objects = await openBackupArchive(options);
  try {
    const table = new Table(listed, terminal.width);
    if (!terminal.json) terminal.print(table.head());
    const hosts = options.host === undefined ? await listHosts(objects) : [options.host];
    for (const keys of hosts.map(hostKeys)) {
      for (const id of await listBackupIds(objects, keys)) {
        const found = await readFound(objects, keys, id, keyring);
        terminal.tell(backupRecord(keys.host, found), table.row(cellsOf(keys.host, found)));
      }
    }
    if (keyring === undefined) {
      terminal.say(
        'what the list says is not authenticated: anybody may have written it who can; give --passphrase-file',
      );
    }
  } finally {
    await objects.close();
  }
}

export async function runBackupCheck(options: BackupCommandOptions, context: CommandContext): Promise<void> {
  const { terminal } = context;
  const keyring = await keyringOf(options, context);
  const objects = await openBackupArchive(options);
  try {
    const keys = await existingHostKeys(objects, options);
    let flaws = 0;
    const tell = (flaw: BackupFlaw): void => {
      flaws += 1;
      terminal.tell({ type: 'difference', ...flaw }, `${flaw.reason} ${flaw.part} ${flaw.name}`);
    };
    let newest: AuthenticBackup | undefined;
    const ids = options.backup === undefined ? await listBackupIds(objects, keys) : [options.backup];
    for (const id of ids) {
      const found = await readFound(objects, keys, id, keyring);
      if (found.isAuthentic) newest = found;
      else tell({ part: 'manifest', name: id, reason: 'not-authentic' });
    }
    const checking = { readBytes: options.readData ?? false, signal: context.interruption };
    if (newest !== undefined) {
      for await (const flaw of checkBackup(newest.manifest, objects, keys, checking)) tell(flaw);
    }
    reportCheck(newest, flaws, options, context);
  } finally {
    await objects.close();
  }
}

function reportCheck(
  checked: AuthenticBackup | undefined,
  flaws: number,
  { readData = false }: BackupCommandOptions,
  context: CommandContext,
): void {
  const { terminal } = context;
  const { files = 0, bytes = 0 } = checked?.manifest.storage ?? {};
  const text =
    checked === undefined
      ? `no authentic backup, ${formatCount(flaws)} flaws`
      : `backup ${checked.id}: authentic, ${formatCount(files)} files, ${formatBytes(bytes)}, ` +
        `${readData ? 'all bytes read' : 'names and sizes compared'}, ${formatCount(flaws)} flaws`;
  terminal.tell({ type: 'summary', backup: checked?.id ?? null, files, bytes, read: readData, flaws }, text);
  context.finish(flaws === 0 && checked !== undefined ? exitCodes.ok : exitCodes.different);
}

/** What a backup says of itself, and whether that can be believed. */
function backupRecord(host: string, found: FoundBackup) {
  const { id, manifest, isAuthentic, writtenAt } = found;
  return {
    type: 'backup',
    backup: id,
    host,
    authentic: isAuthentic,
    ...(isAuthentic ? {} : { reason: found.reason }),
    writtenAt: writtenAt.toISOString(),
    ...(manifest && {
      takenAt: manifest.takenAt,
      method: manifest.method,
      index: manifest.index.kind,
      schema: manifest.index.schema,
      revision: manifest.index.revision,
      instances: manifest.index.instances,
      files: manifest.storage.files,
      bytes: manifest.storage.bytes,
      missing: manifest.storage.missing,
      damaged: manifest.storage.damaged,
      configuration: manifest.configuration !== null,
    }),
  };
}

function cellsOf(host: string, found: FoundBackup): readonly string[] {
  const { id, manifest, isAuthentic } = found;
  const trust = isAuthentic ? 'authentic' : `NOT AUTHENTICATED: ${found.reason}`;
  if (manifest === undefined) return [id, host, '', '', '', '', '', trust];
  const { index, storage, method } = manifest;
  const counts = [index.instances ?? 0, storage.files, storage.missing + storage.damaged].map(formatCount);
  return [id, host, `${index.kind} (${method})`, ...counts, formatBytes(storage.bytes), trust];
}
