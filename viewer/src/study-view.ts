/** The viewer: series on the left, one of them on the stage. */

import { reportTree } from '../../core/open/rendering/report-tree.ts';
import { instancePath, readStudy, type Study, type StudyInstance, type StudySeries, seriesPath } from './archive.ts';
import { pdfElement, reportElement } from './documents.ts';
import { element } from './dom.ts';
import { formatDate, formatName, formatTime } from './format.ts';
import { headerOf, imageIdOf } from './image-loader.ts';
import { Stack, type StackView } from './stack.ts';

const encapsulatedPdf = '1.2.840.10008.5.1.4.1.1.104.1';
const presets: readonly (readonly [string, number, number])[] = [
  ['soft tissue', 40, 400],
  ['lung', -600, 1500],
  ['bone', 480, 2500],
  ['brain', 40, 80],
  ['liver', 90, 150],
];
const help =
  'drag: window · shift or middle: move · right: zoom · wheel, arrows: scroll · i invert · r reset · space play';

/** Shows a study until `signal` aborts. */
export async function showStudy(page: HTMLElement, id: string, signal: AbortSignal): Promise<void> {
  page.replaceChildren(element('p', { class: 'dim' }, 'reading the study …'));
  const study = await readStudy(id);
  if (signal.aborted) return;
  const stage = element('div', { class: 'stage' });
  const list = element('nav', { class: 'series', 'aria-label': 'series' });
  const tools = element('div', { class: 'tools' });
  page.replaceChildren(element('div', { class: 'viewer' }, tools, list, stage));
  const shown = new Stage(study, stage, tools, signal);
  for (const series of study.series) list.append(seriesButton(study, series, list, () => void shown.show(series)));
  const begin =
    study.series.find(({ instances }) => instances.some(({ hasPixelData }) => hasPixelData)) ?? study.series[0];
  if (begin === undefined)
    stage.append(element('p', { class: 'problem' }, 'nothing of this study was in the archive at this moment'));
  else list.querySelector<HTMLButtonElement>(`[data-series="${begin.id}"]`)?.click();
}

function seriesButton(study: Study, series: StudySeries, list: HTMLElement, show: () => void): HTMLButtonElement {
  const { number, modality, description, instances } = series;
  const frames = instances.reduce((sum, instance) => sum + instance.frames, 0);
  const hasPicture = instances.some(({ hasPixelData }) => hasPixelData);
  const button = element(
    'button',
    {
      'data-series': series.id,
      onclick: () => {
        list.querySelector('.chosen')?.classList.remove('chosen');
        button.classList.add('chosen');
        show();
      },
    },
    hasPicture
      ? element('img', { src: `${seriesPath(study, series)}/thumbnail`, alt: '', loading: 'lazy' })
      : undefined,
    element('div', {}, `${number ?? ''} ${modality ?? ''}  ${frames}`),
    element('div', { class: 'dim' }, description ?? ''),
  );
  return button;
}

/** Where one series is shown: as pictures, as a report, or as a document. */
class Stage {
  readonly #study: Study;
  readonly #stage: HTMLElement;
  readonly #tools: HTMLElement;
  readonly #signal: AbortSignal;
  #stack: Stack | undefined;
  #showing = 0;

  constructor(study: Study, stage: HTMLElement, tools: HTMLElement, signal: AbortSignal) {
    this.#study = study;
    this.#stage = stage;
    this.#tools = tools;
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#stack?.close());
    document.addEventListener('keydown', (event) => this.#key(event), { signal });
  }

  async show(series: StudySeries): Promise<void> {
    this.#showing += 1;
    const showing = this.#showing;
    this.#stack?.close();
    this.#stack = undefined;
    this.#tools.replaceChildren(this.#links());
    const pictures = series.instances.filter(({ hasPixelData }) => hasPixelData);
    if (pictures.length > 0) {
      this.#showPictures(series, pictures);
      return;
    }
    this.#stage.replaceChildren(element('p', { class: 'dim' }, 'reading …'));
    const documents = await Promise.all(series.instances.map((instance) => this.#documentOf(series, instance)));
    if (showing === this.#showing && !this.#signal.aborted) this.#stage.replaceChildren(...documents);
  }

  #links(): HTMLElement {
    const { study } = this.#study;
    return element(
      'span',
      {},
      element('a', { href: '#/' }, 'studies'),
      ' · ',
      element('a', { href: `#/about/${study}` }, 'about this study'),
      ' · ',
      element('a', { href: `/studies/${study}/archive`, download: `${study}.zip` }, 'files (zip)'),
      '  ',
    );
  }

  #showPictures(series: StudySeries, pictures: readonly StudyInstance[]): void {
    const viewport = element('div', { class: 'viewport' });
    const overlay = {
      patient: element('div', { class: 'overlay top-left' }),
      image: element('div', { class: 'overlay bottom-left' }),
      series: element('div', { class: 'overlay top-right' }),
    };
    const imageIds = pictures.flatMap((instance) =>
      Array.from({ length: instance.frames }, (_, index) =>
        imageIdOf(instancePath(this.#study, series, instance), index + 1),
      ),
    );
    const scroll: HTMLInputElement = element('input', {
      class: 'scroll',
      type: 'range',
      min: '1',
      max: String(imageIds.length),
      value: '1',
      'aria-label': 'image',
      oninput: () => this.#stack?.goTo(Number(scroll.value) - 1),
    });
    this.#stage.replaceChildren(
      viewport,
      overlay.patient,
      overlay.image,
      overlay.series,
      ...(imageIds.length > 1 ? [scroll] : []),
    );
    const { entry } = this.#study;
    overlay.patient.textContent = `${formatName(entry?.patientName)}\n${entry?.patientId ?? ''}  ${formatDate(entry?.otherTags.PatientBirthDate)}  ${entry?.otherTags.PatientSex ?? ''}`;
    overlay.series.textContent = `${formatDate(entry?.studyDate)} ${formatTime(entry?.otherTags.StudyTime)}\n${entry?.description ?? ''}\n${series.number ?? ''} ${series.description ?? ''}`;
    const changed = (view: StackView) => {
      overlay.image.className = 'overlay bottom-left';
      overlay.image.textContent = `${view.index + 1} / ${view.count}\nC ${Math.round(view.center)}  W ${Math.round(view.width)}  ${Math.round(view.zoom * 100)} %`;
      overlay.image.dataset.index = String(view.index + 1);
      scroll.value = String(view.index + 1);
    };
    const failed = (problem: unknown) => {
      overlay.image.className = 'overlay bottom-left problem';
      overlay.image.textContent = `this image cannot be shown: ${textOf(problem)}\nits file can be fetched: files (zip)`;
    };
    this.#stack = new Stack(viewport, changed, failed);
    this.#tools.append(...this.#buttons(series.modality));
    void this.#stack.show(imageIds);
  }

  #buttons(modality: string | undefined): readonly HTMLElement[] {
    const button = (name: string, act: (stack: Stack) => void) =>
      element('button', { onclick: () => this.#stack && act(this.#stack) }, name);
    return [
      ...(modality === 'CT'
        ? presets.map(([name, center, width]) => button(name, (stack) => stack.setWindow(center, width)))
        : []),
      button('invert', (stack) => stack.invert()),
      button('reset', (stack) => stack.reset()),
      button('play', (stack) => stack.play()),
      element('span', { class: 'dim' }, help),
    ];
  }

  async #documentOf(series: StudySeries, instance: StudyInstance): Promise<HTMLElement> {
    const path = instancePath(this.#study, series, instance);
    try {
      if (instance.sopClass === encapsulatedPdf) return await pdfElement(path);
      const report = reportTree(await headerOf(path));
      if (report !== undefined) return reportElement(report);
      return this.#fileLink(instance, 'This is neither picture nor report.');
    } catch (problem) {
      return this.#fileLink(instance, `This cannot be shown: ${textOf(problem)}.`);
    }
  }

  #fileLink({ id, sopClass }: StudyInstance, why: string): HTMLElement {
    const link = element('a', { href: `/instances/${id}/file`, download: `${id}.dcm` }, 'Fetch the file');
    return element('p', { class: 'document' }, `${why} (${sopClass ?? 'unknown kind'}) `, link);
  }

  #key(event: KeyboardEvent): void {
    const stack = this.#stack;
    if (stack === undefined || event.target instanceof HTMLInputElement) return;
    const steps: Readonly<Record<string, number>> = {
      ArrowDown: 1,
      ArrowRight: 1,
      ArrowUp: -1,
      ArrowLeft: -1,
      PageDown: 10,
      PageUp: -10,
    };
    const step = steps[event.key];
    if (step !== undefined) stack.scroll(step);
    else if (event.key === 'Home') stack.goTo(0);
    else if (event.key === 'End') stack.goTo(Number.MAX_SAFE_INTEGER);
    else if (event.key === '+') stack.zoom(1.25);
    else if (event.key === '-') stack.zoom(0.8);
    else if (event.key === 'i') stack.invert();
    else if (event.key === 'r') stack.reset();
    else if (event.key === ' ') stack.play();
    else return;
    event.preventDefault();
  }
}

function textOf(problem: unknown): string {
  if (problem instanceof Error) return problem.message;
  // Cornerstone wraps what a loader threw.
  const inner = typeof problem === 'object' && problem !== null && 'error' in problem ? problem.error : undefined;
  return inner instanceof Error ? inner.message : 'it could not be read';
}
