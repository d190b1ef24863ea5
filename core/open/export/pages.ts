/**
 * Pages that a browser opens from the medium itself, without a server and without a network (IHE PDI, web content): a
 * list, and for each series its pictures, reports and documents.
 */
import type { ReportItem } from '../rendering/report-tree.ts';

/** A series as its page shows it. Names of files are relative to the page. */
export interface SeriesPage {
  readonly title: string;
  readonly subtitle: string;
  readonly pictures: readonly string[];
  readonly reports: readonly ReportItem[];
  readonly documents: readonly string[];
  /** Files of which there is no picture, with the reason. */
  readonly others: readonly { readonly file: string; readonly why: string }[];
  /** The list of studies. */
  readonly index: string;
}

/** A study in the list. */
export interface IndexedStudy {
  readonly title: string;
  readonly subtitle: string;
  readonly series: readonly { readonly title: string; readonly page: string; readonly thumbnail: string | undefined }[];
}

const notice =
  'Not a medical device: pictures for reading in an emergency. The DICOM files beside them are the originals.';
const policy = "default-src 'none'; img-src 'self' file: data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/** The list. */
export function indexPage(studies: readonly IndexedStudy[]): string {
  const list = studies.map(
    ({ title, subtitle, series }) =>
      `<section><h2>${text(title)}</h2><p>${text(subtitle)}</p><div class="series">${series
        .map(
          ({ title: name, page, thumbnail }) =>
            `<a href="${text(page)}">${thumbnail === undefined ? '' : `<img alt="" src="${text(thumbnail)}">`}<span>${text(name)}</span></a>`,
        )
        .join('')}</div></section>`,
  );
  return page(
    'Images',
    `<h1>Images</h1><p>${notice}</p>${list.join('')}<p><a href="README.TXT">README.TXT</a> · <a href="HASHES.TXT">hashes of all files</a></p>`,
  );
}

/** A series. Keys, wheel and slider go through the pictures; brightness and contrast can be changed. */
export function seriesPage({ title, subtitle, pictures, reports, documents, others, index }: SeriesPage): string {
  const stage =
    pictures.length === 0
      ? ''
      : `<div class="tools"><input id="at" type="range" min="1" max="${pictures.length}" value="1" aria-label="image"> <span id="where"></span>
<label>brightness <input id="bright" type="range" min="20" max="300" value="100"></label>
<label>contrast <input id="contrast" type="range" min="20" max="400" value="100"></label></div>
<img id="picture" alt="" src="${text(pictures[0] ?? '')}">
<script>${script(pictures)}</script>`;
  return page(
    title,
    `<p><a href="${text(index)}">all series</a></p><h1>${text(title)}</h1><p>${text(subtitle)}</p>${stage}
${documents.map((file) => `<p><a href="${text(file)}">PDF document</a></p>`).join('')}
${reports.map((report) => `<h2>${text(report.name)}</h2>${reportList(report.items)}`).join('')}
${others.map(({ file, why }) => `<p>${text(why)}: <a href="${text(file)}">${text(file)}</a></p>`).join('')}<p class="notice">${notice}</p>`,
  );
}

function script(pictures: readonly string[]): string {
  // Names are made of digits, capitals, dots and slashes; a `<` cannot come into the script.
  return `const files=${JSON.stringify(pictures).replaceAll('<', '\\u003c')};
const at=document.getElementById('at'),picture=document.getElementById('picture'),where=document.getElementById('where');
const bright=document.getElementById('bright'),contrast=document.getElementById('contrast');
function show(){picture.src=files[at.value-1];where.textContent=at.value+' / '+files.length;}
function light(){picture.style.filter='brightness('+bright.value+'%) contrast('+contrast.value+'%)';}
function go(by){at.value=Math.min(files.length,Math.max(1,Number(at.value)+by));show();}
at.oninput=show;bright.oninput=light;contrast.oninput=light;
picture.onwheel=e=>{e.preventDefault();go(Math.sign(e.deltaY));};
document.onkeydown=e=>{const by={ArrowDown:1,ArrowRight:1,ArrowUp:-1,ArrowLeft:-1,PageDown:10,PageUp:-10}[e.key];if(by&&e.target===document.body){e.preventDefault();go(by);}};
show();`;
}

function reportList(items: readonly ReportItem[]): string {
  if (items.length === 0) return '';
  return `<ul>${items.map(({ name, value, items: inner }) => `<li><b>${text(name)}</b>${name !== '' && value !== '' ? ': ' : ''}${text(value)}${reportList(inner)}</li>`).join('')}</ul>`;
}

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}">
<title>${text(title)}</title><style>body{font:14px/1.4 system-ui,sans-serif;background:#111;color:#eee;margin:16px}a{color:#6ab0ff}
.series a{display:inline-block;width:160px;margin:4px;vertical-align:top}.series img{width:160px;height:120px;object-fit:contain;background:#000;display:block}
#picture{max-width:100%;max-height:80vh;image-rendering:auto;background:#000}.notice{color:#9aa}</style></head>
<body>${body}</body></html>
`;
}

/** Texts of files are texts, whatever they hold. */
function text(value: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return value.replace(/[&<>"']/g, (character) => entities[character] ?? '');
}
