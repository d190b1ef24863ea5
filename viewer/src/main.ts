/** The page: which part of it is shown follows from the address. */

import { showAbout } from './about-page.ts';
import { archiveInfo } from './archive.ts';
import { byId, element } from './dom.ts';
import { formatMoment } from './format.ts';
import { showList } from './list-page.ts';

let leaving = new AbortController();

async function show(): Promise<void> {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const page = byId('page');
  const [, what, id] = location.hash.split('/');
  try {
    if (what === 'study' && id !== undefined) {
      const { showStudy } = await import('./study-view.ts');
      await showStudy(page, id, signal);
    } else if (what === 'about' && id !== undefined) await showAbout(page, id, signal);
    else showList(page, signal);
  } catch (problem) {
    const text = problem instanceof Error ? problem.message : 'the archive does not answer';
    if (!signal.aborted)
      page.replaceChildren(element('p', { class: 'problem' }, text, ' ', element('a', { href: '#/' }, 'studies')));
  }
}

async function showBanner(): Promise<void> {
  const { name, at } = await archiveInfo();
  byId('banner').replaceChildren(
    element('span', { class: 'name' }, name),
    at === undefined
      ? element('span', { class: 'dim' }, 'as it is now')
      : element('span', { class: 'moment' }, `as of ${formatMoment(at)}`),
    element('span', { class: 'notice' }, 'Not a medical device; for emergency reading. Read-only.'),
  );
  document.title = `${name}${at === undefined ? '' : ` as of ${formatMoment(at)}`}`;
}

window.addEventListener('hashchange', () => void show());
void showBanner().catch(() => undefined);
// The viewer is large: it comes while one looks at the list.
void show().then(() => import('./study-view.ts'));
