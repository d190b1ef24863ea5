import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { openArchive } from '../../core/stores/archive/archive.ts';
import { FolderObjects } from '../../core/stores/archive/folder-objects.ts';
import { instanceKey } from '../../core/stores/archive/keys.ts';
import { makeArchiveSample, makeOtherArchiveVersion } from '../contract/archive-samples.ts';
import { identityOf } from '../contract/store-contract-destination.ts';
import { openFilesOf } from '../support/open-files.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'archive-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const createFor = { name: 'main', serverIdentifier: 'orthanc-1' };
const open = (path = folder) => openArchive(new FolderObjects(path));
const create = (path = folder) => openArchive(new FolderObjects(path), { createFor });

test('a file whose reading is given up before it begins is closed', async () => {
  await writeFile(join(folder, 'given-up'), 'x');
  const objects = new FolderObjects(folder);
  const aborter = new AbortController();
  const object = await objects.get('given-up', { signal: aborter.signal });
  aborter.abort();
  await expect(Array.fromAsync(object?.body ?? [])).rejects.toMatchObject({ code: 'interrupted' });
  await expect.poll(() => openFilesOf(folder)).toEqual([]);
  await objects.close();
});

describe('opening an archive', () => {
  it('makes an empty folder an archive of its source, once', async () => {
    const first = await create();
    const second = await openArchive(new FolderObjects(folder), { createFor: { name: 'other' } });
    expect(first.manifest).toMatchObject({ format: 'orthanc-mirror-archive', version: 1, source: createFor });
    expect(second.manifest).toEqual(first.manifest);
    expect((await open()).manifest).toEqual(first.manifest);
  });

  it('makes a folder whose parent exists, and no other', async () => {
    expect((await create(join(folder, 'new'))).manifest.source).toEqual(createFor);
    await expect(create(join(folder, 'not', 'mounted'))).rejects.toMatchObject({ code: 'configuration' });
    expect(await readdir(folder)).toEqual(['new']);
  });

  it('lets simultaneous makers agree', async () => {
    const archives = await Promise.all(Array.from({ length: 10 }, () => create()));
    expect(new Set(archives.map(({ manifest }) => manifest.createdAt)).size).toBe(1);
  });

  it('does not make one unasked', async () => {
    await expect(open()).rejects.toMatchObject({ code: 'archive-format', message: /no archive/ });
    await expect(open(join(folder, 'absent'))).rejects.toMatchObject({ code: 'archive-format' });
    expect(await readdir(folder)).toEqual([]);
  });

  it('refuses a folder with other things in it', async () => {
    await writeFile(join(folder, 'holiday.jpg'), 'x');
    await expect(create()).rejects.toMatchObject({ code: 'archive-format', message: /not empty/ });
    expect(await readdir(folder)).not.toContain('archive.json');
  });

  it('accepts a folder in which only state was kept so far', async () => {
    await mkdir(join(folder, 'state'));
    await writeFile(join(folder, 'state', 'lease.json'), '{}');
    expect((await create()).manifest.version).toBe(1);
  });

  it('refuses a newer format and says what to do', async () => {
    await writeFile(join(folder, 'archive.json'), '{"format":"orthanc-mirror-archive","version":2,"other":true}');
    await expect(open()).rejects.toMatchObject({ code: 'archive-format', message: /version 2.*newer version of/ });
    await expect(create()).rejects.toMatchObject({ code: 'archive-format' });
  });

  it.each(['{}', 'x', '{"format":"orthanc-mirror-archive","version":1}'])(
    'refuses a damaged manifest: %j',
    async (text) => {
      await writeFile(join(folder, 'archive.json'), text);
      await expect(create()).rejects.toMatchObject({ code: 'archive-format', message: /archive\.json/ });
      expect(await readFile(join(folder, 'archive.json'), 'utf8')).toBe(text);
    },
  );
});

describe('an archive', () => {
  it('opens the version that was stored last, unless told which, whatever the times of the objects', async () => {
    const archive = await create();
    const first = makeArchiveSample(100);
    const versions = [first, makeOtherArchiveVersion(first), makeOtherArchiveVersion(first)];
    for (const [index, version] of versions.entries()) {
      await archive.store(identityOf(version), version.bytes);
      // The middle one looks like the newest.
      const receivedAt = new Date(Date.UTC(2026, 0, index === 1 ? 9 : index + 1));
      await utimes(join(folder, instanceKey(version.id, version.md5)), receivedAt, receivedAt);
    }
    const opened = await archive.open(first.id);
    opened.cancel();
    expect(opened.md5).toBe(versions[2]?.md5);
    const other = makeArchiveSample(100);
    await expect(archive.open(first.id, { md5: other.md5 })).rejects.toMatchObject({ code: 'vanished' });
  });

  it('does not take an object of another size for the instance, and does not overwrite it', async () => {
    const archive = await create();
    const sample = makeArchiveSample(100);
    const path = join(folder, instanceKey(sample.id, sample.md5));
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, sample.bytes.subarray(1));
    const stored = archive.store(identityOf(sample), sample.bytes);
    await expect(stored).rejects.toMatchObject({ code: 'hash-wrong', message: /99 bytes.*instead of 100/ });
    expect(await readFile(path)).toHaveLength(99);
  });

  it('passes over what is not of its format', async () => {
    const archive = await create();
    const sample = makeArchiveSample(100);
    await archive.store(identityOf(sample), sample.bytes);
    await writeFile(join(folder, 'instances', '.DS_Store'), 'x');
    await writeFile(join(folder, 'instances', sample.id, 'Thumbs.db'), 'x');
    expect(await Array.fromAsync(archive.inventory())).toMatchObject([{ id: sample.id, md5: sample.md5 }]);
    expect(await archive.lookup(sample.id)).toHaveLength(1);
  });

  it('clears away old temporary files and no young ones', async () => {
    const [old, young] = ['1-00000000-0000-0000-0000-000000000000', '1-00000000-0000-0000-0000-000000000001'];
    await mkdir(join(folder, '.tmp'));
    for (const file of [old, young]) {
      await writeFile(join(folder, '.tmp', file), 'x');
    }
    await utimes(join(folder, '.tmp', old), new Date(0), new Date(0));
    await create();
    const left = await readdir(join(folder, '.tmp'));
    expect(left).toContain(young);
    expect(left).not.toContain(old);
  });
});
