/** A report as a table for a spreadsheet: a row for each exception, and one for the end. */
import { cellText, type ReportFormat } from './format.ts';

const header = ['type', 'outcome', 'id', 'place', 'code', 'reason', 'md5'];

export const csvFormat: ReportFormat = {
  begin: ({ command, version, begunAt }) => row(header) + row(['begin', command, '', '', version, begunAt]),
  result: ({ type, ...fields }) => {
    const { outcome, kind, id, uuid, destination, store, code, reason, md5 } = fields;
    // Files that arrived; their paths, which may name patients, are in the lines of JSON only.
    if (type === 'file') return '';
    if (type === 'summary') return row([type, '', '', '', '', JSON.stringify(fields)]);
    return row([type, outcome ?? kind, id ?? uuid, destination ?? store, code, reason, md5]);
  },
  end: (_, { endedAt, exitCode, error }) =>
    row(['end', `exit code ${exitCode}`, '', '', error?.code, error?.reason ?? endedAt]),
};

/** RFC 4180. What a spreadsheet would take for a formula begins with an apostrophe. */
function row(cells: readonly unknown[]): string {
  const quoted = cells.map((cell) => {
    const text = cellText(cell).replace(/^[=+\-@\t\r]/, "'$&");
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  });
  return `${quoted.join(',')}\r\n`;
}
