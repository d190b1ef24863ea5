/** The status of a mirror as a page that needs nothing but a browser. Pure. */
import type { MirrorStatus } from './status-document.ts';

const style =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}' +
  'table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.4rem .8rem;border-bottom:1px solid #ccc}' +
  '.bad{color:#a00;font-weight:600}';

/** @returns an HTML document without scripts and without anything from elsewhere */
export function statusPage(status: MirrorStatus): string {
  const { mirror, measuredAt, source, destinations, queue, paused, comparedAt, comparing } = status;
  const rows = destinations.map(
    ({ name, instances, error, newestPendingSeconds, oldestPendingSeconds, missing, oldestUnverifiedSeconds }) =>
      row([
        name,
        error === null ? number(instances) : `not measured: ${error}`,
        duration(newestPendingSeconds),
        duration(oldestPendingSeconds),
        number(missing),
        oldestUnverifiedSeconds === null ? 'never' : `${duration(oldestUnverifiedSeconds)} ago`,
      ]),
  );
  const heads = ['', 'instances', 'newest waits', 'oldest waits', 'missing of the sample', 'read back'];
  const facts = [
    ['Instances at the source', source.error === null ? number(source.instances) : `not measured: ${source.error}`],
    ['Last complete comparison', `${comparedAt ?? 'none yet'}${comparing ? ' (one is under way)' : ''}`],
    [
      'Queue of all mirrors',
      `${queue.waiting} waiting, ${queue.inFlight} being copied, ${queue.deadLetters} put aside`,
    ],
  ];
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8">',
    `<title>${escaped(mirror)}</title><style>${style}</style></head><body>`,
    `<h1>${escaped(mirror)}</h1><p>Measured at ${escaped(measuredAt)}.</p>`,
    paused === null ? '' : `<p class="bad">Pauses until ${escaped(paused.until)}: ${escaped(paused.reason)}</p>`,
    `<table>${facts.map(row).join('')}</table>`,
    `<h2>Destinations</h2><table><tr>${heads.map((head) => `<th>${head}</th>`).join('')}</tr>${rows.join('')}</table>`,
    '</body></html>\n',
  ].join('\n');
}

function row(cells: readonly string[]): string {
  return `<tr>${cells.map((cell) => `<td>${escaped(cell)}</td>`).join('')}</tr>`;
}

function number(value: number | null): string {
  return value === null ? 'not counted yet' : value.toLocaleString('en-US');
}

function duration(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
