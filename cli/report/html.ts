/** A report as one page that can be filed: no script, no other file, readable in print. */
import { escapeHtml } from '../../core/html.ts';
import { exitCodeMeanings } from '../exit-codes.ts';
import { cellText, type ReportFacts, type ReportFormat } from './format.ts';

const style = `
body{font:15px/1.5 system-ui,sans-serif;color:#111;background:#fff;max-width:70rem;margin:2rem auto;padding:0 1rem;display:flex;flex-direction:column}
#end{order:-1}h1{font-size:1.5rem;margin:.5rem 0}h2{font-size:1.1rem;margin:1.5rem 0 .3rem}
table{border-collapse:collapse;width:100%}th,td{border:1px solid #bbb;padding:.25rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}
.verdict{padding:.5rem .8rem;border-left:.5rem solid}.good{border-color:#14703c;background:#e8f5ec}.bad{border-color:#a3141e;background:#fbeaea}
@media print{body{margin:0;max-width:none}}`;

/** The verdict is known last; the style shows it first. */
export const htmlFormat: ReportFormat = {
  begin: (facts) =>
    `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
    `<title>orthanc-mirror ${escapeHtml(facts.command)} ${escapeHtml(facts.begunAt)}</title><style>${style}</style>` +
    `<section><h2>Exceptions</h2><table><thead>${row('th', ['What', 'Id', 'Where', 'Code', 'Reason'])}</thead><tbody>\n`,
  result: ({ type, outcome, kind, change, id, uuid, destination, store, code, reason, md5 }) =>
    type === 'summary' || type === 'file'
      ? ''
      : row('td', [outcome ?? kind ?? change ?? type, id ?? uuid ?? md5, destination ?? store, code, reason]),
  end: (facts, { endedAt, exitCode, error, summary }) =>
    `</tbody></table></section><section id="end"><h1>orthanc-mirror ${escapeHtml(facts.command)}</h1>` +
    `<p class="verdict ${exitCode === 0 ? 'good' : 'bad'}"><strong>${exitCode === 0 ? 'All well' : 'Look'}:</strong> ` +
    `exit code ${exitCode}, ${escapeHtml(exitCodeMeanings[exitCode])}${error === undefined ? '' : `: ${escapeHtml(error.reason)} (${error.code})`}</p>` +
    table('What was done', what(facts, endedAt)) +
    table('Totals', flattened(summary ?? {})) +
    `</section></html>\n`,
};

function what(
  { version, begunAt, given, inputs }: ReportFacts,
  endedAt: string,
): readonly (readonly [string, unknown])[] {
  return [
    ['version', version],
    ['begun', begunAt],
    ['ended', endedAt],
    ...Object.entries(given),
    ...Object.entries(inputs).map(([file, hash]) => [`SHA-256 of ${file}`, hash] as const),
  ];
}

/** `{ destinations: [{ name: 'x', copied: 1 }] }` as rows: `destinations 1 copied`. */
function flattened(value: object, name = ''): readonly (readonly [string, unknown])[] {
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) => {
    const path = `${name} ${Array.isArray(value) ? Number(key) + 1 : key}`.trim();
    if (path === 'type' || inner === undefined || inner === null) return [];
    return typeof inner === 'object' ? flattened(inner, path) : [[path, inner] as const];
  });
}

function table(title: string, rows: readonly (readonly [string, unknown])[]): string {
  return `<h2>${title}</h2><table><tbody>${rows.map((cells) => row('td', cells)).join('')}</tbody></table>`;
}

function row(cell: 'td' | 'th', cells: readonly unknown[]): string {
  return `<tr>${cells.map((text) => `<${cell}>${escapeHtml(cellText(text))}</${cell}>`).join('')}</tr>\n`;
}
