/** The work of `snapshots`. */
import { listSnapshots, type Snapshot } from '../../core/archive-life/catalogue/snapshots.ts';
import type { ArchiveOptionValues } from '../archive-options.ts';
import { columns } from '../columns.ts';
import type { CommandContext } from '../command-context.ts';
import type { ExitCode } from '../exit-codes.ts';
import { formatBytes, formatCount } from '../format.ts';
import { openArchiveToRead } from '../open-archive.ts';
import { exitCodeOfHistories, tellUnreadable } from '../unreadable-histories.ts';

const header = ['day', 'added', 'changed', 'removed', 'returned', 'sidecars', 'received'];
const widths = [10, 10, 10, 10, 10, 10, 10];

export async function showSnapshots(options: ArchiveOptionValues, context: CommandContext): Promise<ExitCode> {
  const { terminal, interruption: signal } = context;
  const histories = tellUnreadable(terminal);
  const archive = await openArchiveToRead(options.archive, options.endpoint, { signal });
  try {
    const snapshots = await listSnapshots(archive, { onUnreadable: histories.note, signal });
    if (options.json !== true) terminal.print(columns(header, widths));
    for (const snapshot of snapshots) {
      if (options.json === true) terminal.printJson({ type: 'snapshot', ...snapshot });
      else terminal.print(columns(cellsOf(snapshot), widths));
    }
    return exitCodeOfHistories(histories);
  } finally {
    await archive.close();
  }
}

function cellsOf({ day, added, changed, removed, returned, sidecars, bytes }: Snapshot): readonly string[] {
  return [day, ...[added, changed, removed, returned, sidecars].map(formatCount), formatBytes(bytes)];
}
