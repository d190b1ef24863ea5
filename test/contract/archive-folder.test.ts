import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openArchive } from '../../core/stores/archive/archive.ts';
import { FolderObjects } from '../../core/stores/archive/folder-objects.ts';
import { makeArchiveSample, makeOtherArchiveVersion } from './archive-samples.ts';
import { describeObjectStorageContract } from './object-storage-contract.ts';
import { describeStoreContract } from './store-contract.ts';
import { identityOf } from './store-contract-destination.ts';

describeObjectStorageContract('a folder', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'objects-'));
  const objects = new FolderObjects(folder);
  return {
    objects,
    openAgain: () => new FolderObjects(folder),
    async countLeftovers() {
      const files = await readdir(join(folder, '.tmp')).catch(() => []);
      return files.filter((file) => !file.startsWith('state.lock')).length;
    },
    async close() {
      await objects.close();
      await rm(folder, { recursive: true });
    },
  };
});

describeStoreContract('an archive in a folder', {
  async open() {
    const folder = await mkdtemp(join(tmpdir(), 'archive-'));
    const store = await openArchive(new FolderObjects(folder), { createFor: { name: 'test' } });
    return {
      store,
      async seed(samples) {
        await Promise.all(samples.map((sample) => store.store(identityOf(sample), sample.bytes)));
      },
      async close() {
        await store.close();
        await rm(folder, { recursive: true });
      },
    };
  },
  makeSample: makeArchiveSample,
  makeOtherVersion: makeOtherArchiveVersion,
  otherVersion: 'newer-counts',
  verifiesBody: true,
});
