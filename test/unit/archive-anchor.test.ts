/** An archive in a folder whose file system comes and goes. */
import { cp, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { md5Of } from '../../core/identifiers.ts';
import { type Archive, openArchive } from '../../core/stores/archive/archive.ts';
import { FolderObjects } from '../../core/stores/archive/folder-objects.ts';
import { StateDocument } from '../../core/stores/archive/state.ts';
import { sampleBytes, sampleId } from '../support/memory-store.ts';

async function archiveUnderTest() {
  const folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-anchor-'));
  const path = join(folder, 'archive');
  const open = () => openArchive(new FolderObjects(path), { createFor: { name: 'source' } });
  const archive = await open();
  onTestFinished(async () => {
    await archive.close();
    await rm(folder, { recursive: true });
  });
  return { archive, path, aside: join(folder, 'aside'), open };
}

function store(archive: Archive, n: number) {
  const bytes = sampleBytes(n);
  return archive.store({ id: sampleId(n), md5: md5Of(bytes), sizeBytes: bytes.byteLength }, bytes);
}

function state({ objects }: Archive): StateDocument<number> {
  return new StateDocument(objects, 'test', z.number());
}

/** Everything that a mirror does with an archive. */
function everyUse(archive: Archive): Promise<unknown>[] {
  return [
    store(archive, 2),
    archive.lookup(sampleId(1)),
    Array.fromAsync(archive.inventory()),
    archive.open(sampleId(1)),
    state(archive).read(),
    state(archive).write(1, null),
    archive.objects.delete('state/test.json'),
    archive.prove(),
  ];
}

/** How it is when something else lies where the archive lay, or nothing. */
const otherPlaces: readonly [string, (path: string) => Promise<unknown>][] = [
  ['a folder that is gone', async () => undefined],
  ['an empty mount point', (path) => mkdir(path)],
  [
    'another archive',
    async (path) => {
      await mkdir(path);
      const other = await openArchive(new FolderObjects(path), { createFor: { name: 'other' } });
      await other.close();
    },
  ],
];

test.each(otherPlaces)('%s is neither read nor written to, whether or not it was used before', async (_, put) => {
  const { archive, path, aside, open } = await archiveUnderTest();
  await store(archive, 1);
  const unused = await open();
  onTestFinished(() => unused.close());
  await rename(path, aside);
  await put(path);
  const before = await readdir(path, { recursive: true }).catch(() => 'absent');
  for (const one of [archive, unused]) {
    const ends = await Promise.allSettled(everyUse(one));
    expect(ends.map((end) => (end.status === 'rejected' ? end.reason : end))).toEqual(
      ends.map(() => expect.objectContaining({ code: 'unreachable', store: path })),
    );
  }
  expect(await readdir(path, { recursive: true }).catch(() => 'absent')).toEqual(before);
});

test.each([
  ['moved back', (aside: string, path: string) => rename(aside, path)],
  ['there again on another file system', (aside: string, path: string) => cp(aside, path, { recursive: true })],
])('an archive that is %s is used as before', async (_, bring) => {
  const { archive, path, aside } = await archiveUnderTest();
  await store(archive, 1);
  const version = await state(archive).write(7, null);
  await rename(path, aside);
  await expect(store(archive, 2)).rejects.toMatchObject({ code: 'unreachable' });
  await bring(aside, path);
  await archive.prove();
  expect(await store(archive, 1)).toEqual({ kind: 'already-equal' });
  expect(await store(archive, 2)).toEqual({ kind: 'stored' });
  expect((await Array.fromAsync(archive.inventory())).map(({ id }) => id)).toEqual([sampleId(1), sampleId(2)].sort());
  const found = await state(archive).read();
  expect(found?.value).toBe(7);
  await state(archive).write(8, found?.version ?? version);
});
