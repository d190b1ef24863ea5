/** What `status` tells of a mirror, as lines and as a page. Pure. */
import type { LastResult } from '../../core/archive-life/last-results.ts';
import { aged, type StatusCell, type StatusView } from '../../core/cloud/status/status-page.ts';
import { exitCodeMeanings } from '../exit-codes.ts';
import { formatCount } from '../format.ts';

export interface StoreStatus {
  readonly name: string;
  readonly instances: number | null;
  /** Why it is not known. */
  readonly error: string | null;
}

export interface StatusResult {
  readonly mirror: string | null;
  readonly measuredAt: string;
  /** How the last of each command ended that writes to the archive or reads it back. */
  readonly last: readonly LastResult[];
  readonly stores: readonly StoreStatus[];
  readonly comparedAt: string | null;
  readonly comparing: string | null;
  readonly paused: readonly { readonly store: string; readonly reason: string; readonly begunAt: string }[];
}

const day = 24 * 3600;
/** From these ages on somebody should look, or act. */
const limits: Readonly<Record<LastResult['command'] | 'comparison', { readonly look: number; readonly act: number }>> =
  {
    comparison: { look: 2 * day, act: 7 * day },
    run: { look: 2 * day, act: 7 * day },
    verify: { look: 31 * day, act: 62 * day },
    import: { look: Number.POSITIVE_INFINITY, act: Number.POSITIVE_INFINITY },
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
            { text: store === '*' ? 'The whole mirror is skipped' : `${store} is skipped` },
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

/** The same as lines of text. */
export function linesOf({ stores, comparedAt, comparing, paused, last }: StatusResult): string[] {
  return [
    ...stores.map(({ name, instances, error }) =>
      instances === null ? `${name}: ${error}` : `${name}: ${formatCount(instances)} instances`,
    ),
    `last complete comparison: ${comparedAt ?? 'none yet'}`,
    ...(comparing === null ? [] : [`comparing now: ${comparing}`]),
    ...last.map(
      ({ command, at, exitCode }) => `last ${command}: ${at}, ${meaningOf(exitCode)} (exit code ${exitCode})`,
    ),
    ...paused.map(({ store, reason, begunAt }) => {
      const what = store === '*' ? 'the whole mirror' : store;
      return `paused since ${begunAt}: ${what} (${reason})`;
    }),
  ];
}
