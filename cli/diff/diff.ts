/** The work of `diff`. */
import { type Difference, listDifferences } from '../../core/archive-life/catalogue/differences.ts';
import { parseMoment } from '../../core/archive-life/restore/moment.ts';
import type { ArchiveOptionValues } from '../archive-options.ts';
import type { CommandContext } from '../command-context.ts';
import type { ExitCode } from '../exit-codes.ts';
import { formatCount } from '../format.ts';
import { openArchiveToRead } from '../open-archive.ts';
import { exitCodeOfHistories, tellUnreadable } from '../unreadable-histories.ts';

const signs = { added: '+', removed: '-', changed: '*' } as const;

export async function showDifferences(
  times: { readonly before: string; readonly after: string },
  options: ArchiveOptionValues,
  { terminal, interruption: signal }: CommandContext,
): Promise<ExitCode> {
  const histories = tellUnreadable(terminal);
  const [before, after] = [parseMoment(times.before), parseMoment(times.after)];
  const archive = await openArchiveToRead(options.archive, options.endpoint, { signal });
  const counts = { added: 0, removed: 0, changed: 0, sidecars: 0 };
  try {
    for await (const difference of listDifferences(archive, before, after, { onUnreadable: histories.note, signal })) {
      counts[difference.level === 'study' ? 'sidecars' : difference.kind] += 1;
      terminal.tell({ type: 'difference', ...difference }, lineOf(difference));
      if (terminal.readerGone) return exitCodeOfHistories(histories);
    }
  } finally {
    await archive.close();
  }
  terminal.tell({ type: 'summary', ...counts }, summaryLine(counts));
  return exitCodeOfHistories(histories);
}

function lineOf(difference: Difference): string {
  const { kind, level, id } = difference;
  return `${signs[kind]} ${level.padEnd(8)}  ${id}${level === 'instance' ? `  ${difference.md5 ?? ''}` : ''}`;
}

function summaryLine(counts: { added: number; removed: number; changed: number; sidecars: number }): string {
  const [added, removed, changed, sidecars] = [counts.added, counts.removed, counts.changed, counts.sidecars].map(
    formatCount,
  );
  return `added ${added}, removed ${removed}, changed ${changed}; sidecars added or changed ${sidecars}`;
}
