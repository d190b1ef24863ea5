/** The status of a mirror as a page that needs nothing but a browser: in the cloud and on one machine the same. Pure. */
import { escapeHtml } from '../../html.ts';
import type { MirrorStatus } from './status-document.ts';

/** How bad something is: fine, to be looked at soon, to be acted on now. */
export type Level = 'well' | 'look' | 'act';

export interface StatusCell {
  readonly text: string;
  readonly level?: Level;
}

export interface StatusTable {
  readonly title: string;
  readonly heads: readonly string[];
  readonly rows: readonly (readonly StatusCell[])[];
}

export interface StatusView {
  readonly mirror: string;
  readonly measuredAt: string;
  readonly tables: readonly StatusTable[];
}

export const verdicts: Readonly<Record<Level, string>> = { well: 'All well', look: 'Look', act: 'Act' };
/** Colours never speak alone: a word or sign stands beside each. Contrast at least 4.5 : 1, light and dark. */
const style = `
:root{color-scheme:light dark;--ink:#111;--paper:#fff;--line:#bbb;--well:#14603a;--look:#7a4b00;--act:#a3141e}
@media(prefers-color-scheme:dark){:root{--ink:#eee;--paper:#161616;--line:#555;--well:#7fd6a4;--look:#f2bd5c;--act:#ff9a9a}}
body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:var(--ink);background:var(--paper)}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.4rem .8rem;border-bottom:1px solid var(--line)}
.well{color:var(--well)}.look{color:var(--look);font-weight:600}.act{color:var(--act);font-weight:700}
.verdict{font-size:1.3rem;border-left:.6rem solid;padding:.4rem .8rem}ul{margin:.3rem 0}`;

/** The worst of all that a page shows. */
export function verdictOf({ tables }: StatusView): Level {
  const levels = new Set(tables.flatMap(({ rows }) => rows.flat()).map(({ level }) => level));
  return levels.has('act') ? 'act' : levels.has('look') ? 'look' : 'well';
}

/** @returns an HTML document without scripts and without anything from elsewhere */
export function pageOf(view: StatusView): string {
  const { mirror, measuredAt, tables } = view;
  const verdict = verdictOf(view);
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width,initial-scale=1">',
    `<title>${verdicts[verdict]}: ${escapeHtml(mirror)}</title><style>${style}</style></head><body>`,
    `<main><h1>${escapeHtml(mirror)}</h1><p class="verdict ${verdict}">${verdicts[verdict]}</p>`,
    ...list(reasonsOf(view)),
    `<p>Measured at ${escapeHtml(measuredAt)}.</p>`,
    ...tables.map(table),
    '<p>What to do: docs/runbook.md, docs/watch.md of orthanc-mirror.</p></main></body></html>\n',
  ].join('\n');
}

/** What made the verdict, a line each. */
export function reasonsOf({ tables }: StatusView): readonly string[] {
  return tables.flatMap(({ rows }) =>
    rows.flatMap((cells) =>
      cells.filter(({ level }) => level === 'look' || level === 'act').map(({ text }) => `${cells[0]?.text}: ${text}`),
    ),
  );
}

function list(texts: readonly string[]): readonly string[] {
  return texts.length === 0 ? [] : [`<ul>${texts.map((text) => `<li>${escapeHtml(text)}</li>`).join('')}</ul>`];
}

function table({ title, heads, rows }: StatusTable): string {
  const head =
    heads.length === 0 ? '' : `<tr>${heads.map((text) => `<th scope="col">${escapeHtml(text)}</th>`).join('')}</tr>`;
  const body = rows.map((cells) => `<tr>${cells.map(cell).join('')}</tr>`).join('\n');
  return `<h2>${escapeHtml(title)}</h2><div class="scroll"><table>${head}${body}</table></div>`;
}

function cell({ text, level }: StatusCell): string {
  const mark = level === 'act' ? '✗ ' : level === 'look' ? '! ' : '';
  return `<td${level === undefined ? '' : ` class="${level}"`}>${mark}${escapeHtml(text)}</td>`;
}

const hour = 3600;
const day = 24 * hour;
/** From these ages on somebody should look, or act; everything is read back within 30 days. */
const limits = { pending: { look: hour, act: day }, unverified: { look: 31 * day, act: 35 * day } } as const;

/** What the cloud stack measured. */
export function statusPage(status: MirrorStatus): string {
  return pageOf(viewOf(status));
}

function viewOf(status: MirrorStatus): StatusView {
  const { mirror, measuredAt, source, destinations, queue, paused, comparedAt, comparing } = status;
  const now = Date.parse(measuredAt);
  const comparedSeconds = comparedAt === null ? undefined : (now - Date.parse(comparedAt)) / 1000;
  const facts: StatusCell[][] = [
    [{ text: 'Instances at the source' }, measured(source.instances, source.error)],
    [
      { text: 'Last complete comparison' },
      comparedSeconds === undefined
        ? { text: 'none yet', level: 'look' }
        : aged(comparedSeconds, { look: 2 * day, act: 7 * day }, ` ago${comparing ? ' (one is under way)' : ''}`),
    ],
    [{ text: 'Queue of all mirrors' }, { text: `${queue.waiting} waiting, ${queue.inFlight} being copied` }],
    [
      { text: 'Failed for good (dead letters)' },
      { text: String(queue.deadLetters), level: queue.deadLetters > 0 ? 'act' : 'well' },
    ],
    ...(paused === null
      ? []
      : [[{ text: 'Paused' }, { text: `until ${paused.until}: ${paused.reason}`, level: 'act' } as const]]),
  ];
  const rows = destinations.map((one): StatusCell[] => [
    { text: one.name },
    measured(one.instances, one.error),
    { text: one.countedAt === null ? 'never' : `${duration((now - Date.parse(one.countedAt)) / 1000)} ago` },
    aged(one.newestPendingSeconds, limits.pending),
    aged(one.oldestPendingSeconds, limits.pending),
    { text: number(one.missing), level: one.missing > 0 ? 'act' : 'well' },
    one.oldestUnverifiedSeconds === null
      ? { text: 'never', level: 'look' }
      : aged(one.oldestUnverifiedSeconds, limits.unverified, ' ago'),
  ]);
  const heads = ['', 'instances', 'counted', 'newest waits', 'oldest waits', 'missing of the sample', 'all read back'];
  return {
    mirror,
    measuredAt,
    tables: [
      { title: 'Mirror', heads: [], rows: facts },
      { title: 'Destinations', heads, rows },
    ],
  };
}

function measured(count: number | null, error: string | null): StatusCell {
  if (error !== null) return { text: `not measured: ${error}`, level: 'act' };
  return { text: number(count) };
}

/** An age, and how bad it is. */
export function aged(
  seconds: number,
  { look, act }: { readonly look: number; readonly act: number },
  suffix = '',
): StatusCell {
  const level = seconds >= act ? 'act' : seconds >= look ? 'look' : 'well';
  return { text: `${duration(seconds)}${suffix}`, level };
}

function number(value: number | null): string {
  return value === null ? 'not counted yet' : value.toLocaleString('en-US');
}

function duration(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}
