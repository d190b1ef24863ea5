import { setTimeout as delay } from 'node:timers/promises';
import { PutBucketVersioningCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { listSnapshots } from '../../core/archive-life/catalogue/snapshots.ts';
import { ArchiveView } from '../../core/archive-life/restore/archive-view.ts';
import { copyOverDamage, supersedeIn } from '../../core/archive-life/verify/repair.ts';
import { defaultBudget } from '../../core/copy/copy-context.ts';
import { type Archive, openArchive } from '../../core/stores/archive/archive.ts';
import { EveryVersion } from '../../core/stores/archive/every-version.ts';
import { instanceKey } from '../../core/stores/archive/keys.ts';
import { S3Objects } from '../../core/stores/archive/s3-objects.ts';
import { makeArchiveSample, makeOtherArchiveVersion } from '../contract/archive-samples.ts';
import { type PlaceInS3, type S3UnderTest, startS3UnderTest } from '../contract/s3-under-test.ts';
import { identityOf } from '../contract/store-contract-destination.ts';

let s3: S3UnderTest;
let good: Archive;
let place: PlaceInS3;
beforeAll(async () => {
  s3 = await startS3UnderTest();
  good = await openArchive(new S3Objects(s3.newPlace().options), { createFor: { name: 'test' } });
  place = s3.newPlace();
  const versioned = { Bucket: place.options.bucket, VersioningConfiguration: { Status: 'Enabled' } } as const;
  await place.client.send(new PutBucketVersioningCommand(versioned));
});
afterAll(() => s3.close());

test('an older version that is put right does not become the newest, and a moment before that finds it', async () => {
  const archive = await openArchive(new S3Objects(place.options), { createFor: { name: 'test' } });
  const older = makeArchiveSample(2048);
  const newer = makeOtherArchiveVersion(older);
  for (const version of [older, newer]) {
    await archive.store(identityOf(version), version.bytes);
    await good.store(identityOf(version), version.bytes);
    await delay(20);
  }
  const snapshots = await listSnapshots(archive);
  const { versions } = await archive.history.of(older.id);
  const beforeNewer = versions.find(({ md5 }) => md5 === older.md5)?.archivedAt ?? new Date(0);
  const key = `${place.options.prefix}${instanceKey(older.id, older.md5)}`;

  for (const damage of ['first', 'second']) {
    await repair(archive, older.id, older.md5);
    expect(await newestMd5(archive)).toBe(newer.md5);
    expect(await newestMd5(archive, beforeNewer)).toBe(older.md5);
    expect(await listSnapshots(archive)).toEqual(snapshots);
    await place.client.send(new PutObjectCommand({ Bucket: place.options.bucket, Key: key, Body: damage }));
    await delay(20);
  }

  async function newestMd5(from: Archive, at?: Date) {
    const view = new ArchiveView(from, { at });
    const [entry] = await view.lookup(older.id);
    const listed = await Array.fromAsync(view.inventory());
    expect(listed).toEqual([entry]);
    return entry?.md5;
  }
});

async function repair(
  archive: Archive,
  id: Parameters<typeof copyOverDamage>[0],
  md5: Parameters<typeof copyOverDamage>[1],
) {
  const options = {
    damaged: new EveryVersion(archive),
    putRight: supersedeIn(archive),
    goodCopies: [new EveryVersion(good)],
    budget: defaultBudget(),
  };
  expect(await copyOverDamage(id, md5, options)).toMatchObject({ kind: 'repaired' });
}
