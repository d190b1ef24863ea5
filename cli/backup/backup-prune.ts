/** Removing old backups: the work of `backup prune`, and the end of `backup` with `--keep-…`. */
import { MirrorError } from '../../core/errors.ts';
import type { HostKeys } from '../../core/host/backup/backup-keys.ts';
import type { Keyring } from '../../core/host/backup/backup-secrets.ts';
import { type Removal, type RemovalPlan, removeOldBackups } from '../../core/host/backup/remove-backups.ts';
import type { RetentionRule } from '../../core/host/backup/retention.ts';
import type { ObjectStorage } from '../../core/stores/archive/object-storage.ts';
import type { CommandContext } from '../command-context.ts';
import { formatCount } from '../format.ts';
import { existingHostKeys, keyringOf, openBackupArchive } from './backup-place.ts';
import type { BackupCommandOptions } from './options.ts';

const defaultMaxRemovals = 10;

export async function runBackupPrune(options: BackupCommandOptions, context: CommandContext): Promise<void> {
  const rule = retentionRule(options);
  if (rule === undefined) {
    throw new MirrorError('configuration', 'say what to keep by --keep-daily, --keep-weekly and --keep-monthly');
  }
  const keyring = await keyringOf(options, context);
  const objects = await openBackupArchive(options);
  try {
    const keys = await existingHostKeys(objects, options);
    const tell = (line: string): void => (options.dryRun ? context.terminal.print(line) : context.terminal.say(line));
    const onPlan = (plan: RemovalPlan): void => {
      if (options.json) context.terminal.printJson({ type: 'plan', ...plan });
      else tellPlan(plan, tell);
    };
    const removal = await prune({ objects, keys, keyring, rule }, options, context, onPlan);
    const { removed, removedFiles, removedPieces } = removal;
    if (options.json) context.terminal.printJson({ type: 'summary', removed, removedFiles, removedPieces });
    else if (!options.dryRun) context.terminal.print(summaryLine(removal));
  } finally {
    await objects.close();
  }
}

/** Removes old backups after one was made; talks, and prints no data. */
export async function pruneAfterBackup(
  objects: ObjectStorage,
  keys: HostKeys,
  keyring: Keyring,
  options: BackupCommandOptions,
  context: CommandContext,
): Promise<void> {
  const rule = retentionRule(options);
  if (rule === undefined) return;
  const say = (line: string): void => context.terminal.say(line);
  say(summaryLine(await prune({ objects, keys, keyring, rule }, options, context, (plan) => tellPlan(plan, say))));
}

interface Prunable {
  readonly objects: ObjectStorage;
  readonly keys: HostKeys;
  readonly keyring: Keyring;
  readonly rule: RetentionRule;
}

async function prune(
  { objects, keys, keyring, rule }: Prunable,
  { maxRemovals = defaultMaxRemovals, dryRun = false }: BackupCommandOptions,
  { terminal, interruption }: CommandContext,
  onPlan: (plan: RemovalPlan) => void,
): Promise<Removal> {
  const options = { keyring, maxRemovals, dryRun, onPlan, signal: interruption };
  const removal = await removeOldBackups(objects, keys, rule, options);
  if (removal.leftBecause !== undefined) {
    terminal.warn(`what no backup names stays where it is: ${removal.leftBecause}`);
  }
  return removal;
}

function summaryLine({ removed, removedFiles, removedPieces }: Removal): string {
  const [backups, files, pieces] = [removed.length, removedFiles, removedPieces].map(formatCount);
  return `${backups} backups, ${files} files, ${pieces} pieces removed`;
}

function tellPlan({ remove, keep, uncounted }: RemovalPlan, tell: (line: string) => void): void {
  for (const { id, reason } of uncounted) tell(`not counted ${id}: ${reason}`);
  for (const { id, writtenAt } of remove) tell(`to remove ${id} of ${writtenAt.toISOString()}`);
  tell(
    `${formatCount(remove.length)} backups to remove, ${formatCount(keep.length)} to keep, ` +
      `${formatCount(uncounted.length)} not counted and left as they are`,
  );
}

/** `undefined` unless the user said what to keep. */
export function retentionRule(options: BackupCommandOptions): RetentionRule | undefined {
  const { keepDaily, keepWeekly, keepMonthly } = options;
  if (keepDaily === undefined && keepWeekly === undefined && keepMonthly === undefined) return undefined;
  return { daily: keepDaily ?? 0, weekly: keepWeekly ?? 0, monthly: keepMonthly ?? 0 };
}
