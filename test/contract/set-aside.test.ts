/** A damaged object that nobody can make again is taken away and kept, in a folder and in a bucket. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ListObjectVersionsCommand, PutBucketVersioningCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { FolderObjects } from '../../core/stores/archive/folder-objects.ts';
import type { ObjectStorage } from '../../core/stores/archive/object-storage.ts';
import { S3Objects } from '../../core/stores/archive/s3-objects.ts';
import { type S3UnderTest, startS3UnderTest } from './s3-under-test.ts';

const key = 'studies/damaged.json';
const bytes = Buffer.from('damaged');

let s3: S3UnderTest;
beforeAll(async () => {
  s3 = await startS3UnderTest();
});
afterAll(() => s3.close());

async function takenAway(objects: ObjectStorage): Promise<void> {
  await objects.setAside(key);
  expect(await objects.head(key)).toBeUndefined();
  await objects.setAside(key);
  expect(await objects.putOnce(key, Buffer.from('another'), { sizeBytes: 7 })).toBe('created');
}

test('in a folder it lies under superseded/ then', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'aside-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const objects = new FolderObjects(folder);
  await objects.putOnce(key, bytes, { sizeBytes: bytes.length });
  await takenAway(objects);
  const [kept = ''] = await readdir(join(folder, 'superseded/studies'));
  expect(await readFile(join(folder, 'superseded/studies', kept))).toEqual(bytes);
});

test('in a bucket its versions stay; without versions it is not taken away', async () => {
  const place = s3.newPlace();
  const objects = new S3Objects(place.options);
  await objects.putOnce(key, bytes, { sizeBytes: bytes.length });
  await expect(objects.setAside(key)).rejects.toMatchObject({ code: 'configuration' });
  expect(await objects.head(key)).toBeDefined();

  const { bucket, prefix } = place.options;
  const versioned = { Bucket: bucket, VersioningConfiguration: { Status: 'Enabled' } } as const;
  await place.client.send(new PutBucketVersioningCommand(versioned));
  await takenAway(objects);
  const listed = await place.client.send(new ListObjectVersionsCommand({ Bucket: bucket, Prefix: `${prefix}${key}` }));
  expect(listed.Versions?.map(({ Size }) => Size).toSorted()).toEqual([7, 7]);
  expect(listed.DeleteMarkers?.length).toBeGreaterThan(0);
});
