/** The list of studies: searched as one types, moved through with the keyboard. */
import { findStudies, type ListedStudy, type Progress, type StudyPage } from './archive.ts';
import { element } from './dom.ts';
import { formatDate, formatName, formatTime } from './format.ts';

const pageSize = 50;
const askAgainMs = { listing: 300, searching: 1_500 };
const columns = ['Patient', 'ID', 'Born', 'Date', 'Accession', 'Modality', 'Description', 'Series', 'Images', ''];
const modalities = [
  '',
  'CR',
  'CT',
  'DX',
  'ECG',
  'ES',
  'IO',
  'MG',
  'MR',
  'NM',
  'OT',
  'PT',
  'RF',
  'SC',
  'SR',
  'US',
  'XA',
];

/** What was asked last, so that who comes back from a study finds the list as it was. */
const asked = { search: '', modality: '', from: '', to: '', offset: 0 };

/** Shows the list in a page until `signal` aborts. */
export function showList(page: HTMLElement, signal: AbortSignal): void {
  const field = (name: 'search' | 'from' | 'to', properties: Record<string, string>) =>
    element('input', { ...properties, value: asDate(name, asked[name]), oninput: changed(name) });
  const changed = (name: 'search' | 'modality' | 'from' | 'to') => (event: Event) => {
    if (event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement) {
      asked[name] =
        name === 'search' || name === 'modality' ? event.target.value : event.target.value.replaceAll('-', '');
      asked.offset = 0;
      void refresh();
    }
  };
  const search = field('search', {
    type: 'search',
    placeholder: 'name, id, accession, description …  ( / )',
    'aria-label': 'search',
    autocomplete: 'off',
  });
  const modality = element(
    'select',
    { 'aria-label': 'modality', onchange: changed('modality') },
    ...modalities.map((name) =>
      element('option', { value: name, ...(name === asked.modality && { selected: '' }) }, name || 'any modality'),
    ),
  );
  const rows = element('tbody', { class: 'rows' });
  const status = element('span', { class: 'dim', role: 'status' });
  const turn = (by: number) => () => {
    asked.offset = Math.max(0, asked.offset + by);
    void refresh();
  };
  const back = element('button', { onclick: turn(-pageSize) }, 'newer');
  const on = element('button', { onclick: turn(pageSize) }, 'older');
  page.replaceChildren(
    element(
      'div',
      { class: 'search' },
      search,
      modality,
      field('from', { type: 'date', 'aria-label': 'from' }),
      field('to', { type: 'date', 'aria-label': 'to' }),
    ),
    element(
      'table',
      {},
      element('thead', {}, element('tr', {}, ...columns.map((name) => element('th', {}, name)))),
      rows,
    ),
    element('div', { class: 'pager' }, back, on, status),
  );

  let asking = new AbortController();
  let timer = 0;
  async function refresh(): Promise<void> {
    asking.abort();
    asking = new AbortController();
    window.clearTimeout(timer);
    const query = new URLSearchParams({ ...asked, offset: String(asked.offset), limit: String(pageSize) });
    try {
      const found = await findStudies(query, asking.signal);
      show(found);
      const { phase } = found.progress;
      if (phase === 'listing' || phase === 'searching') timer = window.setTimeout(refresh, askAgainMs[phase]);
    } catch (problem) {
      if (!(problem instanceof DOMException))
        status.textContent = problem instanceof Error ? problem.message : 'the archive does not answer';
    }
  }
  function show({ studies, total, progress }: StudyPage): void {
    const chosen = rows.querySelector('.chosen')?.getAttribute('data-study');
    rows.replaceChildren(...studies.map(row));
    choose(rows.querySelector(`[data-study="${chosen}"]`) ?? rows.firstElementChild);
    const last = Math.min(asked.offset + studies.length, total);
    status.textContent = `${total === 0 ? 'no study' : `${asked.offset + 1}–${last} of ${total}`}   ${progressText(progress)}`;
    back.disabled = asked.offset === 0;
    on.disabled = last >= total;
  }
  function choose(next: Element | null | undefined): void {
    if (next === null || next === undefined) return;
    rows.querySelector('.chosen')?.classList.remove('chosen');
    next.classList.add('chosen');
    next.scrollIntoView({ block: 'nearest' });
  }
  document.addEventListener(
    'keydown',
    (event) => {
      const chosen = rows.querySelector('.chosen');
      if (event.key === '/' && document.activeElement !== search) {
        event.preventDefault();
        search.focus();
      } else if (event.key === 'ArrowDown') choose(chosen?.nextElementSibling);
      else if (event.key === 'ArrowUp') choose(chosen?.previousElementSibling);
      else if (event.key === 'Enter') openStudy(chosen?.getAttribute('data-study'));
    },
    { signal },
  );
  signal.addEventListener('abort', () => {
    asking.abort();
    window.clearTimeout(timer);
  });
  search.focus();
  void refresh();
}

function row(study: ListedStudy): HTMLTableRowElement {
  const {
    patientName,
    patientId,
    otherTags,
    studyDate,
    accessionNumber,
    modalities: found,
    description,
    labels,
  } = study;
  const about = element('a', { href: `#/about/${study.study}`, onclick: (event) => event.stopPropagation() }, 'about');
  const cells = [
    formatName(patientName),
    patientId ?? '',
    formatDate(otherTags.PatientBirthDate),
    `${formatDate(studyDate)} ${formatTime(otherTags.StudyTime)}`,
    accessionNumber ?? '',
    found.join(' '),
    `${description ?? ''}${labels.length > 0 ? `  [${labels.join(', ')}]` : ''}`,
    String(study.series),
    String(study.instances),
  ];
  return element(
    'tr',
    { 'data-study': study.study, tabindex: '0', onclick: () => openStudy(study.study) },
    ...cells.map((text) => element('td', {}, text)),
    element('td', {}, about),
  );
}

function openStudy(id: string | null | undefined): void {
  if (id !== null && id !== undefined) location.hash = `#/study/${id}`;
}

function asDate(name: string, value: string): string {
  return name === 'search' ? value : formatDate(value);
}

/** What the list may still lack. */
function progressText(progress: Progress): string {
  const { damagedSidecars } = progress;
  const damaged = `${damagedSidecars} sidecars are damaged: what an earlier one told is shown`;
  return `${phaseText(progress)}${damagedSidecars > 0 ? `; ${damaged}` : ''}`;
}

function phaseText({ phase, studies, instances, unlisted, reason }: Progress): string {
  if (phase === 'listing') return `the archive is being listed: ${studies} studies so far; more may come`;
  if (phase === 'searching') return `looking for images that no sidecar lists: ${instances} looked at; more may come`;
  if (phase === 'failed') return `NOT COMPLETE: ${reason ?? 'the archive could not be looked through'}`;
  return unlisted > 0 ? `complete; ${unlisted} images are in no sidecar` : 'complete';
}
