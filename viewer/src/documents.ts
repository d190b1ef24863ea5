/** What is no picture: structured reports and PDF. */
import type { ReportItem } from '../../core/open/rendering/report-tree.ts';
import { readPdf } from './archive.ts';
import { element } from './dom.ts';

/** A structured report as nested lists. */
export function reportElement({ name, items }: ReportItem): HTMLElement {
  return element('article', { class: 'document report' }, element('h2', {}, name), list(items));
}

function list(items: readonly ReportItem[]): HTMLElement | undefined {
  if (items.length === 0) return undefined;
  const entries = items.map(({ name, value, items: inner }) => {
    const head = element('span', {}, element('b', {}, name), name !== '' && value !== '' ? ': ' : '', value);
    return element('li', {}, head, list(inner));
  });
  return element('ul', {}, ...entries);
}

/** A PDF in a frame, which the browser shows or offers to save. */
export async function pdfElement(instancePath: string): Promise<HTMLIFrameElement> {
  const address = URL.createObjectURL(await readPdf(instancePath));
  return element('iframe', { src: address, title: 'PDF document', class: 'pdf' });
}
