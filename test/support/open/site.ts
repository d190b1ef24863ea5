/** An archive that is open in this process: its routes without a server. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { addDicomwebRoutes } from '../../../core/open/dicomweb/routes.ts';
import { addOrthancRoutes } from '../../../core/open/orthanc-rest/routes.ts';
import { ArchiveReader } from '../../../core/open/reader/archive-reader.ts';
import { renderFrame } from '../../../core/open/rendering/render-frame.ts';
import { addPageRoutes } from '../../../core/open/viewer/routes.ts';
import { Routes } from '../../../core/open/web/routes.ts';
import { type Archive, openArchive } from '../../../core/stores/archive/archive.ts';
import { FolderObjects } from '../../../core/stores/archive/folder-objects.ts';
import { makeArchive } from './generated-archive.ts';

export interface Site {
  readonly reader: ArchiveReader;
  readonly routes: Routes;
}

/** A folder with an empty archive, removed when the test is over. */
export async function archiveFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'open-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'archive');
  await makeArchive(path);
  return path;
}

/** Opens an archive while the test runs. */
export async function openSite(path: string, at?: Date, objects = new FolderObjects(path)): Promise<Site> {
  const archive: Archive = await openArchive(objects);
  const reader = new ArchiveReader(archive, { at });
  const routes = new Routes();
  const orthanc = addOrthancRoutes(
    addPageRoutes(addDicomwebRoutes(routes, reader, renderFrame), reader),
    reader,
    renderFrame,
  );
  onTestFinished(async () => {
    await orthanc.close();
    await reader.close();
    await archive.close();
  });
  return { reader, routes };
}
