import { afterAll, beforeAll, expect, test } from 'vitest';
import type { OrthancId } from '../../core/identifiers.ts';
import { SidecarSync } from '../../core/mirror/sidecar-sync.ts';
import { Limitations } from '../../core/sidecars/limitations.ts';
import { generateInstances } from '../../local/dicom/generate.ts';
import { newOrthanc, oldOrthanc } from '../../local/orthanc-versions.ts';
import { json, put } from '../support/orthanc/rest.ts';
import { type ServerUnderTest, startServer, temporaryArchive } from '../support/orthanc/study-fixture.ts';
import { upload } from '../support/orthanc/upload.ts';

/** One instance of each of 60 studies. */
const files = [...generateInstances('parts', 3000, 2048)].filter((_, n) => n % 50 === 0);

let source: ServerUnderTest;
let target: ServerUnderTest;
let archive: Awaited<ReturnType<typeof temporaryArchive>>;
beforeAll(async () => {
  [source, target, archive] = await Promise.all([
    startServer(newOrthanc().version),
    startServer(oldOrthanc().version),
    temporaryArchive(),
  ]);
  await Promise.all([source, target].map(({ url }) => upload(url, files)));
  for (const { id, md5, bytes } of files) await archive.archive.store({ id, md5, sizeBytes: bytes.length }, bytes);
});
afterAll(async () => {
  await Promise.all([source?.stop(), target?.stop(), archive?.remove()]);
});

const sync = () =>
  new SidecarSync({
    source: source.store,
    targets: [{ destination: { role: 'target', store: target.store }, store: target.store }],
    archive: { destination: { role: 'archive', store: archive.archive }, objects: archive.archive.objects },
    limitations: new Limitations(),
  });

async function inParts(): Promise<readonly OrthancId[]> {
  const found: OrthancId[] = [];
  // Each part by another process, which knows nothing but how far the one before came.
  for (let after: OrthancId | null | undefined = null; after !== undefined; ) {
    const parts = sync().differingParts(new Map(), { after, mostAtOnce: 0, signal: undefined });
    const { value, done } = await parts.next();
    await parts.return(undefined);
    if (done === true) throw new Error('a part is missing');
    found.push(...value.studies);
    after = value.through ?? undefined;
  }
  return found;
}

test('sidecars that are compared in parts are those that differ when all are compared at once', async () => {
  const sidecars = sync();
  const studies = ((await json(source.url, '/studies')) as OrthancId[]).toSorted();
  expect(studies.length).toBeGreaterThan(50);
  // The archive has no sidecar of any of them.
  expect((await inParts()).toSorted()).toEqual(studies);
  await sidecars.reconcile(new Map(), {});
  expect(await inParts()).toEqual([]);
  const changed = studies.filter((_, n) => n % 11 === 0);
  for (const id of changed) await put(source.url, `/studies/${id}/metadata/1030`, 'changed');
  expect((await inParts()).toSorted()).toEqual(changed);
  expect((await sync().differing(new Map(), {})).toSorted()).toEqual(changed);
});
