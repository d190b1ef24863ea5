/** Servers, an archive with sidecars, and what tests of restoring compare. */
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { z } from 'zod';
import { type InstanceId, isOrthancId, type OrthancId, resourceLevels } from '../../core/identifiers.ts';
import { runMirror } from '../../core/mirror/run-mirror.ts';
import { Limitations } from '../../core/sidecars/limitations.ts';
import { syncStudy } from '../../core/sidecars/sync-study.ts';
import { type Archive, openArchive } from '../../core/stores/archive/archive.ts';
import { FolderObjects } from '../../core/stores/archive/folder-objects.ts';
import { folderForTest } from '../e2e/support/scene.ts';
import { noFindings } from './no-findings.ts';
import { json, put } from './orthanc/rest.ts';
import { type ServerUnderTest, startServer } from './orthanc/study-fixture.ts';

export async function serverUnderTest(version: string, config: Readonly<Record<string, unknown>> = {}) {
  const server = await startServer(version, config);
  onTestFinished(() => server.stop());
  return server;
}

/** Uploads what the server takes, and does not mind files that it refuses. */
export async function uploadAccepted({ url }: ServerUnderTest, files: readonly Uint8Array[]): Promise<void> {
  for (const bytes of files) {
    const answer = await fetch(`${url}/instances`, { method: 'POST', body: Uint8Array.from(bytes) });
    await answer.arrayBuffer();
  }
}

/** A folder archive that is open while the test runs. */
export async function archiveUnderTest(): Promise<{ readonly archive: Archive; readonly path: string }> {
  const path = join(await folderForTest(), 'archive');
  const archive = await openArchive(new FolderObjects(path), { createFor: { name: 'source' } });
  onTestFinished(() => archive.close());
  return { archive, path };
}

/** Mirrors instances and sidecars of a server into an archive, and records what is gone. */
export async function backUp(source: ServerUnderTest, archive: Archive): Promise<void> {
  const destination = { role: 'archive', store: archive } as const;
  const end = await runMirror({
    source: source.store,
    destinations: [destination],
    concurrency: 8,
  });
  if (end.summary.instances.failed + end.summary.instances.rejected > 0) throw new Error('the backup is not complete');
  for (const id of await idsOf(source, 'studies')) {
    const { outcomes } = await syncStudy(id, {
      source: source.server,
      targets: [],
      archive: { destination, objects: archive.objects },
      limitations: new Limitations(),
      ...noFindings,
    });
    if (outcomes.some(({ kind }) => kind === 'failed' || kind === 'rejected')) throw new Error('no document');
  }
}

/** Deletes an instance at the source and records that it is gone, as a mirror does after two comparisons. */
export async function removeAtSource(source: ServerUnderTest, archive: Archive, id: InstanceId): Promise<void> {
  await source.store.delete(id);
  await archive.recordRemoval(id);
}

export async function idsOf({ url }: ServerUnderTest, level: string): Promise<readonly OrthancId[]> {
  const ids = z.array(z.custom<OrthancId>(isOrthancId)).parse(await json(url, `/${level}`));
  return ids.toSorted();
}

/** Gives every resource of every level metadata and an attachment of its own, and a label where there are labels. */
export async function adorn(server: ServerUnderTest, word: string): Promise<void> {
  for (const level of resourceLevels) {
    for (const id of await idsOf(server, level)) {
      await put(server.url, `/${level}/${id}/metadata/1030`, `${word} of ${id}, é`);
      await put(server.url, `/${level}/${id}/attachments/1040`, `attachment ${word} of ${id}`);
      if (server.server.capabilities.hasLabels) await put(server.url, `/${level}/${id}/labels/${word}`);
    }
  }
  const [patient] = await idsOf(server, 'patients');
  if (patient !== undefined) await put(server.url, `/patients/${patient}/protected`, '1');
}

/** Everything about a server that is not DICOM bytes, asked for by another way than the product's. */
export async function adornments(server: ServerUnderTest, withLabels: boolean): Promise<Record<string, unknown>> {
  const all: Record<string, unknown> = {};
  for (const level of resourceLevels) {
    for (const id of await idsOf(server, level)) {
      const path = `/${level}/${id}`;
      all[path] = {
        metadata: await (await fetch(`${server.url}${path}/metadata/1030`)).text(),
        attachment: await (await fetch(`${server.url}${path}/attachments/1040/data`)).text(),
        ...(level === 'patients' && { protected: await json(server.url, `${path}/protected`) }),
        ...(withLabels && { labels: await json(server.url, `${path}/labels`) }),
      };
    }
  }
  return all;
}
