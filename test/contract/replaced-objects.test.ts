/** A damaged object is replaced by the right bytes, or taken away where nobody has them; it is kept, in a folder and in a bucket. */
import { mkdtemp, readdir, readFile, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ListObjectVersionsCommand, PutBucketVersioningCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { md5Of } from '../../core/identifiers.ts';
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

const right = Buffer.from('as it was');
const asRight = { sizeBytes: right.length, md5: md5Of(right) };

async function contentOf(objects: ObjectStorage): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync((await objects.get(key))?.body ?? []));
}

/** Gives it the right bytes in memory and as a stream, and refuses wrong ones. */
async function putRight(objects: ObjectStorage): Promise<void> {
  await objects.supersede(key, right, asRight);
  expect(await contentOf(objects)).toEqual(right);
  const wrong = objects.supersede(key, Buffer.from('not as it'), asRight);
  await expect(wrong).rejects.toMatchObject({ code: 'hash-mismatch' });
  expect(await contentOf(objects)).toEqual(right);
}

test('with the right bytes in its place, in a folder it lies under superseded/ and the time is the one of before', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'superseded-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const objects = new FolderObjects(folder);
  await objects.putOnce(key, bytes, { sizeBytes: bytes.length });
  const received = new Date('2026-01-02T03:04:05Z');
  await utimes(join(folder, key), received, received);
  await putRight(objects);
  expect(await objects.head(key)).toMatchObject({ lastModified: received });
  const [kept = '', ...more] = await readdir(join(folder, 'superseded/studies'));
  expect(more).toEqual([]);
  expect(await readFile(join(folder, 'superseded/studies', kept))).toEqual(bytes);
});

test('in a bucket its versions stay; without versions it is not replaced', async () => {
  const place = s3.newPlace();
  const objects = new S3Objects(place.options);
  const { bucket: Bucket, prefix } = place.options;
  const suspended = { Bucket, VersioningConfiguration: { Status: 'Suspended' } } as const;
  await place.client.send(new PutBucketVersioningCommand(suspended));
  await objects.putOnce(key, bytes, { sizeBytes: bytes.length });
  await expect(objects.supersede(key, right, asRight)).rejects.toMatchObject({ code: 'configuration' });
  expect(await contentOf(objects)).toEqual(bytes);

  const versioned = { Bucket, VersioningConfiguration: { Status: 'Enabled' } } as const;
  await place.client.send(new PutBucketVersioningCommand(versioned));
  await putRight(objects);
  const listed = await place.client.send(new ListObjectVersionsCommand({ Bucket, Prefix: `${prefix}${key}` }));
  expect(listed.Versions?.map(({ Size }) => Size).toSorted()).toEqual([bytes.length, right.length]);
});

test('taken away, in a folder it lies under superseded/ then', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'aside-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const objects = new FolderObjects(folder);
  await objects.putOnce(key, bytes, { sizeBytes: bytes.length });
  await takenAway(objects);
  const [kept = ''] = await readdir(join(folder, 'superseded/studies'));
  expect(await readFile(join(folder, 'superseded/studies', kept))).toEqual(bytes);
});

test('taken away, in a bucket its versions stay; without versions it is not taken away', async () => {
  const place = s3.newPlace();
  const objects = new S3Objects(place.options);
  const suspended = { Bucket: place.options.bucket, VersioningConfiguration: { Status: 'Suspended' } } as const;
  await place.client.send(new PutBucketVersioningCommand(suspended));
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
