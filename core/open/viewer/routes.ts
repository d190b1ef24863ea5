/** What the page in the browser asks beside DICOMweb. */
import { isInstanceId, isOrthancId } from '../../identifiers.ts';
import type { ArchiveReader } from '../reader/archive-reader.ts';
import { jsonResponse, notFound } from '../web/message.ts';
import type { Routes } from '../web/routes.ts';
import { listStudies } from './list-studies.ts';
import { instanceHistory, proveInstance, studyPage } from './study-page.ts';

/** Adds the routes of the page, below `/page`. */
export function addPageRoutes(routes: Routes, reader: ArchiveReader): Routes {
  return routes
    .on('GET', '/page/archive', () => jsonResponse({ name: reader.name, at: reader.at, progress: reader.progress }))
    .on('GET', '/page/studies', async ({ query }) => ({
      ...jsonResponse({ ...(await listStudies(reader, query)), progress: reader.progress }),
      access: { action: 'list-studies' },
    }))
    .on('GET', '/page/studies/{id}', async (_, { id }) => {
      if (!isOrthancId(id)) throw notFound('such a study');
      return { ...jsonResponse(await studyPage(reader, id)), access: { action: 'study-page', study: id } };
    })
    .on('GET', '/page/instances/{id}/history', async (_, { id }) => {
      if (!isInstanceId(id)) throw notFound('such an instance');
      return { ...jsonResponse(await instanceHistory(reader, id)), access: { action: 'history', id } };
    })
    .on('GET', '/page/instances/{id}/proof', async ({ signal }, { id }) => {
      if (!isInstanceId(id)) throw notFound('such an instance');
      return { ...jsonResponse(await proveInstance(reader, id, signal)), access: { action: 'proof', id } };
    });
}
