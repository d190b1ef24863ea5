import { afterAll, beforeAll } from 'vitest';
import { openArchive } from '../../core/stores/archive/archive.ts';
import { S3Objects } from '../../core/stores/archive/s3-objects.ts';
import { makeArchiveSample, makeOtherArchiveVersion } from './archive-samples.ts';
import { describeObjectStorageContract } from './object-storage-contract.ts';
import { type S3UnderTest, startS3UnderTest } from './s3-under-test.ts';
import { describeStoreContract } from './store-contract.ts';
import { identityOf } from './store-contract-destination.ts';

let s3: S3UnderTest;
beforeAll(async () => {
  s3 = await startS3UnderTest();
});
afterAll(() => s3.close());

describeObjectStorageContract('S3', async () => {
  const place = s3.newPlace();
  const objects = new S3Objects(place.options);
  return {
    objects,
    openAgain: () => new S3Objects(place.options),
    countLeftovers: () => place.countUnfinishedUploads(),
    async close() {
      await objects.close();
      await place.remove();
    },
  };
});

describeStoreContract('an archive in S3', {
  async open() {
    const place = s3.newPlace();
    const store = await openArchive(new S3Objects(place.options), { createFor: { name: 'test' } });
    return {
      store,
      async seed(samples) {
        await Promise.all(samples.map((sample) => store.store(identityOf(sample), sample.bytes)));
      },
      async close() {
        await store.close();
        await place.remove();
      },
    };
  },
  makeSample: makeArchiveSample,
  makeOtherVersion: makeOtherArchiveVersion,
  otherVersion: 'newer-counts',
  verifiesBody: true,
});
