/** Listings of a bucket with versions, page by page, by a storage that answers as S3 does. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { listFolders, listVersions } from '../../core/stores/archive/s3-version-list.ts';
import type { S3VersionsOptions } from '../../core/stores/archive/s3-versions.ts';

/** A storage that gives these pages, one after the other; it remembers what it was asked. */
async function storageOf(pages: readonly string[]) {
  const asked: Record<string, string>[] = [];
  const server = createServer(({ url = '' }, response) => {
    asked.push(Object.fromEntries(new URL(url, 'http://storage').searchParams));
    response.setHeader('content-type', 'application/xml');
    response.end(`<ListResult>${pages[asked.length - 1] ?? ''}</ListResult>`);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  const options: S3VersionsOptions = {
    bucket: 'b',
    endpoint: `http://127.0.0.1:${address.port}`,
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    name: 'the bucket',
  };
  return { options, asked };
}

const at = '2026-11-21T00:00:00.000Z';
const version = (key: string, id: string, when = `<LastModified>${at}</LastModified>`): string =>
  `<Version><Key>${key}</Key><VersionId>${id}</VersionId>${when}</Version>`;
const more = (marker: string): string => `<IsTruncated>true</IsTruncated>${marker}`;

test('every version of every page is listed, whatever its name is, and a page goes on where the one before ended', async () => {
  const { options, asked } = await storageOf([
    more('<NextKeyMarker>new/a+b%01</NextKeyMarker><NextVersionIdMarker>v2</NextVersionIdMarker>') +
      version('new/a+b%01', 'v1') +
      version('new/a+b%01', 'v2'),
    more('<NextKeyMarker>new/c</NextKeyMarker>') + version('new/c', 'v3'),
    `<IsTruncated>false</IsTruncated><NextKeyMarker>new/d</NextKeyMarker>${version('new/d', 'v4')}`,
  ]);
  const writtenAt = new Date(at);
  expect(await Array.fromAsync(listVersions(options, 'new/'))).toEqual([
    { key: 'new/a b\x01', versionId: 'v1', writtenAt },
    { key: 'new/a b\x01', versionId: 'v2', writtenAt },
    { key: 'new/c', versionId: 'v3', writtenAt },
    { key: 'new/d', versionId: 'v4', writtenAt },
  ]);
  expect(asked).toMatchObject([
    { prefix: 'new/', 'encoding-type': 'url' },
    { prefix: 'new/', 'key-marker': 'new/a b\x01', 'version-id-marker': 'v2' },
    { prefix: 'new/', 'key-marker': 'new/c' },
  ]);
  expect(asked[0]).not.toHaveProperty('key-marker');
  expect(asked[2]).not.toHaveProperty('version-id-marker');
});

test('a marker of a deletion is no version, and neither is what has no time', async () => {
  const { options } = await storageOf([
    `<DeleteMarker><Key>new/gone</Key><VersionId>v1</VersionId><LastModified>${at}</LastModified></DeleteMarker>` +
      version('new/timeless', 'v2', '') +
      version('new/here', 'v3'),
  ]);
  expect((await Array.fromAsync(listVersions(options, 'new/'))).map(({ key }) => key)).toEqual(['new/here']);
});

test('a bucket without versions lists none', async () => {
  const { options, asked } = await storageOf(['<IsTruncated>false</IsTruncated>']);
  expect(await Array.fromAsync(listVersions(options, 'new/'))).toEqual([]);
  expect(asked).toHaveLength(1);
});

test('a storage that cuts a listing short is not believed', async () => {
  const { options } = await storageOf([more('') + version('new/a', 'v1')]);
  const short = { code: 'answer-malformed', message: expect.stringMatching(/^the bucket: .*cut/) };
  await expect(Array.fromAsync(listVersions(options, 'new/'))).rejects.toMatchObject(short);
  const folders = await storageOf([more('')]);
  await expect(Array.fromAsync(listFolders(folders.options, 'new/'))).rejects.toMatchObject(short);
});

test('folders are listed without what is below them, over all pages', async () => {
  const folder = (name: string): string => `<CommonPrefixes><Prefix>new/${name}/</Prefix></CommonPrefixes>`;
  const { options, asked } = await storageOf([
    more('<NextContinuationToken>t1</NextContinuationToken>') + folder('one') + folder('t+w%C3%B6'),
    `<IsTruncated>false</IsTruncated><NextContinuationToken>t2</NextContinuationToken>${folder('three')}`,
  ]);
  expect(await Array.fromAsync(listFolders(options, 'new/'))).toEqual(['one/', 't wö/', 'three/']);
  expect(asked).toMatchObject([
    { prefix: 'new/', delimiter: '/', 'encoding-type': 'url' },
    { prefix: 'new/', 'continuation-token': 't1' },
  ]);
  expect(asked[0]).not.toHaveProperty('continuation-token');
});

test('an interruption ends a listing', async () => {
  const { options } = await storageOf([version('new/a', 'v1')]);
  const signal = AbortSignal.abort();
  await expect(Array.fromAsync(listVersions(options, 'new/', { signal }))).rejects.toThrow();
  await expect(Array.fromAsync(listFolders(options, 'new/', { signal }))).rejects.toThrow();
});
