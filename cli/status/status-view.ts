/** What `status` tells of a mirror, as lines and as a page. Pure. */
import type { z } from 'zod';
import type { LastResult } from '../../core/archive-life/last-results.ts';
import {
  aged,
  reasonsOf,
  type StatusCell,
  type StatusTable,
  type StatusView,
  verdictOf,
  verdicts,
} from '../../core/cloud/status/status-page.ts';
import { Table } from '../columns.ts';
import { exitCodeMeanings } from '../exit-codes.ts';
import { formatCount } from '../format.ts';
import type { statusSchema } from './output.ts';

export type StatusResult = z.output<typeof statusSchema>;
export type StoreStatus = StatusResult['stores'][number];

const day = 24 * 3600;
const never = { look: Number.POSITIVE_INFINITY, act: Number.POSITIVE_INFINITY };
/** From these ages on somebody should look, or act. */
const limits: Readonly<Record<LastResult['command'] | 'comparison', { readonly look: number; readonly act: number }>> =
  {
    comparison: { look: 2 * day, act: 7 * day },
    // A watch does not end: how old its comparison is tells what the age of a run would.
    run: never,
    verify: { look: 31 * day, act: 62 * day },
    import: never,
  };

/** @param archive how the archive is called, where no configuration names the mirror */
export function viewOf(status: StatusResult, archive: string): StatusView {
  const { mirror, measuredAt, stores, comparedAt, comparing, paused, last } = status;
  const age = (at: string) => Math.max(0, (Date.parse(measuredAt) - Date.parse(at)) / 1000);
  const now = comparing === null ? '' : ` (one is under way: ${comparing})`;
  const comparison: StatusCell =
    comparedAt === null
      ? { text: `none yet${now}`, level: 'look' }
      : aged(age(comparedAt), limits.comparison, ` ago${now}`);
  return {
    mirror: mirror ?? archive,
    measuredAt,
    tables: [
      {
        title: 'Mirror',
        heads: [],
        rows: [
          [{ text: 'Last complete comparison' }, comparison],
          ...paused.map(({ store, reason, begunAt }): StatusCell[] => [
            { text: store === '*' ? 'The whole mirror is paused' : `${store} is paused` },
            { text: `since ${begunAt}: ${reason}`, level: 'act' },
          ]),
        ],
      },
      { title: 'Stores, counted now', heads: ['', 'instances'], rows: stores.map(storeRow) },
      {
        title: 'Last results',
        heads: ['', 'ended', 'result'],
        rows: last.map(({ command, at, exitCode }) => [
          { text: command },
          aged(age(at), limits[command], ' ago'),
          {
            text: `${meaningOf(exitCode)} (exit code ${exitCode})`,
            level: exitCode === 0 || exitCode === 130 ? 'well' : 'act',
          },
        ]),
      },
    ],
  };
}

function storeRow({ name, instances, error }: StoreStatus): readonly StatusCell[] {
  if (instances === null) return [{ text: name }, { text: `not counted: ${error}`, level: 'act' }];
  return [{ text: name }, { text: formatCount(instances) }];
}

/** What an archive says may be of another version. */
function meaningOf(exitCode: number): string {
  return Object.entries(exitCodeMeanings).find(([code]) => Number(code) === exitCode)?.[1] ?? 'unknown';
}

/** The same as lines of text: the verdict, what made it, and the tables. */
export function linesOf(view: StatusView): readonly string[] {
  return [
    `${view.mirror}: ${verdicts[verdictOf(view)]}`,
    ...reasonsOf(view).map((reason) => `  ${reason}`),
    ...view.tables.filter(({ rows }) => rows.length > 0).flatMap((table) => ['', table.title, ...rowsOf(table)]),
  ];
}

function rowsOf({ heads, rows }: StatusTable): readonly string[] {
  const cells = [...(heads.length === 0 ? [] : [heads]), ...rows.map((row) => row.map(({ text }) => text))];
  const mostCells = Math.max(...cells.map((row) => row.length));
  const widths = Array.from({ length: mostCells - 1 }, (_, column) =>
    Math.max(...cells.map((row) => row[column]?.length ?? 0)),
  );
  const table = new Table([...widths.map((width) => ({ head: '', width })), { head: '' }], undefined);
  return cells.map((row) => `  ${table.row(row)}`);
}
