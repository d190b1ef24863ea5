/** The work of `backup restore`. */
import { createInterface } from 'node:readline/promises';
import { MirrorError } from '../../core/errors.ts';
import { listBackupIds, readAuthentic, readFound } from '../../core/host/backup/found-backups.ts';
import type { BackupManifest } from '../../core/host/backup/manifest.ts';
import type { DatabaseLocation } from '../../core/host/backup/restore-database.ts';
import {
  type RestoreResult,
  restoreHost,
  restorePlaces,
  restoreUnproven,
} from '../../core/host/backup/restore-host.ts';
import { pathOfFile, pathOfFolder, type RestorePlaces } from '../../core/host/backup/restore-places.ts';
import type { CommandContext } from '../command-context.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatCount } from '../format.ts';
import { namedIndex } from '../named-index.ts';
import { type ShownProgress, startProgress } from '../progress.ts';
import { existingHostKeys, keyringOf, openBackupArchive } from './backup-place.ts';
import type { BackupCommandOptions } from './options.ts';
import { nextSteps } from './restore-steps.ts';

export async function runBackupRestore(options: BackupCommandOptions, context: CommandContext): Promise<void> {
  const objects = await openBackupArchive(options);
  const { interruption: signal } = context;
  try {
    const keys = await existingHostKeys(objects, options);
    if (options.iKnowThisBackupIsNotAuthenticated) {
      const id = options.backup ?? (await listBackupIds(objects, keys)).at(-1) ?? '';
      const found = await readFound(objects, keys, id, undefined);
      if (found.isAuthentic) throw new TypeError('nothing is authentic without a passphrase');
      context.terminal.warn(`backup ${id} is not authenticated: whoever can write to the archive may have forged it`);
      using shown = startProgress(context.terminal, 'restoring');
      const progress = { signal, onRestored: counting(shown, found.manifest?.storage) };
      const result = await restoreUnproven(found, objects, keys, folderOf(options), progress);
      if (found.manifest !== undefined) report(found.id, found.manifest, result, options, context);
      context.finish(exitCodes.rejected);
      return;
    }
    const keyring = await keyringOf(options, context);
    const backup = await readAuthentic(objects, keys, options.backup, keyring);
    const { id, manifest } = backup;
    const target = options.originalPaths ? 'original-paths' : { folder: folderOf(options) };
    context.terminal.say(`restoring backup ${id} of ${keys.host}, taken at ${manifest.takenAt}; it is authentic`);
    if (target === 'original-paths') await askFirst(restorePlaces(manifest, target), options, context);
    const database = databaseOf(options, context);
    using shown = startProgress(context.terminal, 'restoring');
    const progress = { signal, onRestored: counting(shown, manifest.storage) };
    const result = await restoreHost(backup, objects, keys, target, { ...progress, database });
    report(id, manifest, result, options, context);
    context.finish(result.missing > 0 ? exitCodes.rejected : exitCodes.ok);
  } finally {
    await objects.close();
  }
}

function folderOf({ to }: BackupCommandOptions): string {
  if (to === undefined) throw new MirrorError('configuration', 'say where to: --to FOLDER, or --original-paths');
  return to;
}

function databaseOf({ database }: BackupCommandOptions, context: CommandContext): DatabaseLocation | undefined {
  if (database === undefined) return undefined;
  const location = namedIndex(database, context);
  if (location.kind === 'postgresql' || location.kind === 'mysql') return location;
  throw new MirrorError('configuration', '--database must be postgres://… or mysql://…');
}

/** Names every place that is written to, and goes on only if somebody agrees. Throws `configuration`. */
async function askFirst(
  { storage, index, configuration }: RestorePlaces,
  { yes, database }: BackupCommandOptions,
  { terminal, interruption }: CommandContext,
): Promise<void> {
  const places = [
    ...storage.map((folder) => `storage files below ${pathOfFolder(folder)}`),
    ...(database === undefined ? [`the index at ${pathOfFile(index)}`] : []),
    ...configuration.map((file) => `configuration file ${pathOfFile(file)}`),
  ];
  for (const place of places) terminal.say(`to be written: ${place}`);
  if (yes) return;
  if (process.stdin.isTTY) {
    const lines = createInterface({ input: process.stdin, output: process.stderr });
    const answer = await lines.question('Write there? [y/N] ', { signal: interruption });
    lines.close();
    if (/^y(es)?$/i.test(answer.trim())) return;
  }
  throw new MirrorError('configuration', 'nothing was restored: agree to these places by --yes, or restore by --to');
}

function counting(shown: ShownProgress, storage: BackupManifest['storage'] | undefined): (sizeBytes: number) => void {
  let [instances, bytes] = [0, 0];
  const totals = { totalInstances: storage?.files, totalBytes: storage?.bytes, unit: 'files' };
  return (sizeBytes) => {
    instances += 1;
    bytes += sizeBytes;
    shown.show({ instances, bytes, ...totals });
  };
}

function report(
  id: string,
  manifest: BackupManifest,
  result: RestoreResult,
  options: BackupCommandOptions,
  { terminal }: CommandContext,
): void {
  const { files, writtenFiles, missing, configurationFiles } = result;
  const { instances } = manifest.index;
  const authentic = !options.iKnowThisBackupIsNotAuthenticated;
  const counts = { instances, files, written: writtenFiles, missing, configurationFiles };
  terminal.tell(
    { type: 'summary', backup: id, authentic, ...counts },
    `restored backup ${id}: ${formatCount(instances ?? 0)} instances, ${formatCount(files)} files ` +
      `(${formatCount(writtenFiles)} written now), ${formatCount(missing)} missing in the backup`,
  );
  for (const line of nextSteps(manifest, result, options)) terminal.say(line);
}
