/** What stands for a bucket or a folder in unit tests keeps the same contract as these. */
import { openArchive } from '../../core/stores/archive/archive.ts';
import { MemoryObjects } from '../support/memory-objects.ts';
import { makeArchiveSample, makeOtherArchiveVersion } from './archive-samples.ts';
import { describeObjectStorageContract } from './object-storage-contract.ts';
import { describeStoreContract } from './store-contract.ts';
import { identityOf } from './store-contract-destination.ts';

const largeBytes = 512 * 1024;

describeObjectStorageContract(
  'memory',
  async () => {
    const objects = new MemoryObjects();
    return { objects, openAgain: () => objects, countLeftovers: async () => 0, close: async () => undefined };
  },
  { largeBytes },
);

describeStoreContract('an archive in memory', {
  async open() {
    const store = await openArchive(new MemoryObjects(), { createFor: { name: 'test' } });
    return {
      store,
      async seed(samples) {
        await Promise.all(samples.map((sample) => store.store(identityOf(sample), sample.bytes)));
      },
      close: () => store.close(),
    };
  },
  makeSample: makeArchiveSample,
  makeOtherVersion: makeOtherArchiveVersion,
  otherVersion: 'newer-counts',
  verifiesBody: true,
  largeBytes,
});
