/** A page per study: its sidecar, the history of each instance, and the proof that its bytes are as archived. */
import { type Attached, readHistory, readProof, readStudy, type Study, type StudyInstance } from './archive.ts';
import { element } from './dom.ts';
import { formatBytes, formatDate, formatMoment, formatName } from './format.ts';

/** Shows the page until `signal` aborts. */
export async function showAbout(page: HTMLElement, id: string, signal: AbortSignal): Promise<void> {
  page.replaceChildren(element('p', { class: 'dim' }, 'reading the study …'));
  const study = await readStudy(id);
  if (signal.aborted) return;
  const { entry, sidecar, patient, attached, absent } = study;
  const instances = study.series.flatMap((series) => series.instances);
  page.replaceChildren(
    element(
      'article',
      { class: 'about' },
      element(
        'p',
        {},
        element('a', { href: '#/' }, 'studies'),
        ' · ',
        element('a', { href: `#/study/${id}` }, 'images'),
      ),
      element(
        'h1',
        {},
        `${formatName(entry?.patientName)}  ${formatDate(entry?.studyDate)}  ${entry?.description ?? ''}`,
      ),
      element('p', { class: 'mono dim' }, `${study.studyInstanceUid}  ${id}`),
      element(
        'p',
        {},
        sidecar === undefined
          ? 'No sidecar: what was attached to the study is not known.'
          : `Sidecar of ${formatMoment(sidecar.at)}${sidecar.isNewest ? '' : '; later ones are damaged'}`,
      ),
      absent.length === 0
        ? undefined
        : element(
            'p',
            { class: 'problem' },
            `${absent.length} instances that the sidecar lists were not in the archive at this moment.`,
          ),
      ...attachedElements('Study', 'studies', id, attached),
      ...attachedElements(
        `Patient${patient?.protected ? ' (protected from recycling)' : ''}`,
        'patients',
        patient?.id ?? '',
        patient,
      ),
      ...study.series.flatMap((series) =>
        attachedElements(
          `Series ${series.number ?? ''} ${series.description ?? ''}`,
          'series',
          series.id,
          series.attached,
        ),
      ),
      proof(instances),
      element('h2', {}, 'Instances'),
      instanceTable(study),
    ),
  );
}

/** Labels, metadata and attachments of a resource; nothing where there is none. */
function attachedElements(
  title: string,
  level: string,
  id: string,
  found: Attached | undefined,
): readonly HTMLElement[] {
  if (found === undefined) return [];
  const metadata = Object.entries({ ...found.metadata, ...found.namedMetadata, ...found.systemMetadata });
  const attachments = Object.entries(found.attachments);
  if (found.labels.length + metadata.length + attachments.length === 0) return [];
  return [
    element('h2', {}, title),
    element('p', {}, `Labels: ${found.labels.length === 0 ? 'none' : found.labels.join(', ')}`),
    element(
      'table',
      {},
      ...metadata.map(([name, value]) =>
        element(
          'tr',
          {},
          element('td', {}, `metadata ${name}`),
          element('td', {}, typeof value === 'string' ? value : JSON.stringify(value)),
        ),
      ),
      ...attachments.map(([number, { md5, sizeBytes }]) => {
        const link = element(
          'a',
          { href: `/${level}/${id}/attachments/${number}/data`, download: `${number}` },
          `attachment ${number}`,
        );
        return element(
          'tr',
          {},
          element('td', {}, link),
          element('td', { class: 'mono' }, `${md5}  ${formatBytes(sizeBytes)}`),
        );
      }),
    ),
  ];
}

/** Reads every file anew when it is asked to, and says what its hash is now. */
function proof(instances: readonly StudyInstance[]): HTMLElement {
  const result = element('span', { role: 'status', class: 'proof' });
  const button = element(
    'button',
    {
      onclick: async () => {
        button.disabled = true;
        let [sound, damaged] = [0, 0];
        for (const { id } of instances) {
          const { isEqual } = await readProof(id).catch(() => ({ isEqual: false }));
          if (isEqual) sound += 1;
          else damaged += 1;
          result.textContent = ` ${sound} of ${instances.length} are as archived${damaged > 0 ? `, ${damaged} ARE NOT` : ''}`;
          result.className = damaged > 0 ? 'proof problem' : 'proof ok';
        }
        button.disabled = false;
      },
    },
    'read all files and compare their hashes',
  );
  return element('div', {}, element('h2', {}, 'Proof'), button, result);
}

function instanceTable(study: Study): HTMLElement {
  const rows = study.series.flatMap((series) =>
    series.instances.map((instance) =>
      element(
        'tr',
        {},
        element('td', {}, `${series.number ?? ''} / ${instance.number ?? ''}`),
        element(
          'td',
          { class: 'mono' },
          element('a', { href: `/instances/${instance.id}/file`, download: `${instance.id}.dcm` }, instance.id),
          ` ${formatBytes(instance.sizeBytes)}`,
        ),
        element('td', { class: 'mono' }, `archived as ${instance.md5}`, proofLine(instance)),
        element('td', {}, historyLine(instance)),
      ),
    ),
  );
  return element('table', {}, ...rows);
}

function proofLine({ id }: StudyInstance): HTMLElement {
  const line = element('div');
  const button = element('button', {
    onclick: async () => {
      const found = await readProof(id).catch((problem: Error) => problem);
      line.textContent =
        found instanceof Error
          ? found.message
          : `read now as ${found.read.md5} ${found.isEqual ? 'equal' : 'NOT EQUAL'}`;
      line.className = found instanceof Error || !found.isEqual ? 'problem' : 'ok';
    },
  });
  button.textContent = 'read now';
  line.append(button);
  return line;
}

function historyLine({ id }: StudyInstance): HTMLElement {
  const list = element('div');
  const details = element(
    'details',
    {
      ontoggle: async () => {
        if (!details.open || list.childElementCount > 0) return;
        const { current, versions, records } = await readHistory(id);
        const lines = [
          ...versions.map(({ md5, at, sizeBytes }) => ({
            at,
            text: `received ${md5} (${formatBytes(sizeBytes)})${md5 === current ? ', shown here' : ''}`,
          })),
          ...records.map(({ what, at = '', md5 }) => ({ at, text: md5 === undefined ? what : `${what} ${md5}` })),
        ].toSorted((a, b) => (a.at < b.at ? -1 : 1));
        list.replaceChildren(
          ...lines.map(({ at, text }) =>
            element('div', { class: 'mono' }, `${at === '' ? 'at an unknown time' : formatMoment(at)}  ${text}`),
          ),
        );
      },
    },
    element('summary', {}, 'history'),
    list,
  );
  return details;
}
