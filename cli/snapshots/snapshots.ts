/** The work of `snapshots`. */
import { listSnapshots, type Snapshot } from '../../core/archive-life/catalogue/snapshots.ts';
import type { ArchiveOptionValues } from '../archive-options.ts';
import { type Column, Table } from '../columns.ts';
import type { CommandContext } from '../command-context.ts';
import type { ExitCode } from '../exit-codes.ts';
import { formatBytes, formatCount } from '../format.ts';
import { openArchiveToRead } from '../open-archive.ts';
import { exitCodeOfHistories, tellUnreadable } from '../unreadable-histories.ts';

const counted = ['added', 'changed', 'removed', 'returned', 'sidecars', 'received'];
const listed: readonly Column[] = [
  { head: 'day', width: 10 },
  ...counted.map((head) => ({ head, width: 9, right: true })),
];

export async function showSnapshots(options: ArchiveOptionValues, context: CommandContext): Promise<ExitCode> {
  const { terminal, interruption: signal } = context;
  const histories = tellUnreadable(terminal);
  const archive = await openArchiveToRead(options.archive, options.endpoint, { signal });
  try {
    const snapshots = await listSnapshots(archive, { onUnreadable: histories.note, signal });
    const table = new Table(listed, terminal.width);
    if (!terminal.json) terminal.print(table.head());
    for (const snapshot of snapshots) terminal.tell({ type: 'snapshot', ...snapshot }, table.row(cellsOf(snapshot)));
    return exitCodeOfHistories(histories);
  } finally {
    await archive.close();
  }
}

function cellsOf({ day, added, changed, removed, returned, sidecars, bytes }: Snapshot): readonly string[] {
  return [day, ...[added, changed, removed, returned, sidecars].map(formatCount), formatBytes(bytes)];
}
