/** An archive in S3 behind a network that loses answers, cuts them and flips bits: nothing wrong is taken for right. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { md5Of } from '../../core/identifiers.ts';
import { S3Objects } from '../../core/stores/archive/s3-objects.ts';
import { type Fault, type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { type PlaceInS3, type S3UnderTest, startS3UnderTest } from './s3-under-test.ts';

const small = randomBytes(10 * 1024);
/** Three parts. */
const large = randomBytes(20 * 1024 * 1024);

let s3: S3UnderTest;
let place: PlaceInS3;
let proxy: FaultProxy;
/** Through the proxy, and directly. */
let objects: S3Objects;
let seen: S3Objects;

beforeAll(async () => {
  s3 = await startS3UnderTest();
  place = s3.newPlace();
  proxy = await startFaultProxy(String(place.options.endpoint));
  objects = new S3Objects({ ...place.options, endpoint: proxy.url });
  seen = new S3Objects(place.options);
});
afterAll(async () => {
  await Promise.all([objects?.close(), seen?.close()]);
  await proxy?.close();
  await s3?.close();
});
beforeEach(() => {
  proxy.repair();
  proxy.forget();
});

const isPut: NonNullable<Fault['matches']> = ({ method }) => method === 'PUT';
const isGet: NonNullable<Fault['matches']> = ({ method, path }) => method === 'GET' && path.includes('/read');
const optionsOf = (bytes: Buffer) => ({ sizeBytes: bytes.length, md5: md5Of(bytes) });

describe.each([
  ['small', small],
  ['in parts', large],
])('an object (%s)', (size, bytes) => {
  test('of which a bit was flipped on the way is not stored', async () => {
    const key = `flipped/${size}`;
    proxy.break({ matches: isPut, effect: { kind: 'corrupt', body: 'request', atByte: 5 * 1024 } });
    await expect(objects.putOnce(key, bytes, optionsOf(bytes))).rejects.toThrow();
    expect(await seen.head(key)).toBeUndefined();
    expect(await place.countUnfinishedUploads()).toBe(0);
  });

  test('of which every upload is cut is not stored', async () => {
    const key = `cut/${size}`;
    proxy.break({ matches: isPut, effect: { kind: 'cut', body: 'request', atByte: 5 * 1024, how: 'reset' } });
    await expect(objects.putOnce(key, bytes, optionsOf(bytes))).rejects.toMatchObject({ disposition: 'retry' });
    expect(await seen.head(key)).toBeUndefined();
  });

  test('is sent with its MD5, for a server that checks nothing else', async () => {
    await objects.putOnce(`hashed/${size}`, bytes, optionsOf(bytes));
    const uploads = proxy.seen.filter(isPut);
    expect(uploads.length).toBe(bytes === small ? 1 : 3);
    expect(uploads.filter(({ headers }) => !/^[\w+/]{22}==$/.test(String(headers['content-md5'])))).toEqual([]);
  });

  test('whose confirmation was lost once is there, once, and is said to be there', async () => {
    const key = `unconfirmed/${size}`;
    proxy.break({ matches: isPut, effect: { kind: 'drop', when: 'instead-of-answer' }, times: 1 });
    expect(await objects.putOnce(key, bytes, optionsOf(bytes))).toMatch(/^(created|exists)$/);
    expect(await seen.head(key)).toMatchObject({ sizeBytes: bytes.length });
  });
});

test('an object in parts whose completion was confirmed in vain is there, and is said to be there', async () => {
  const completes: NonNullable<Fault['matches']> = ({ method, path }) =>
    method === 'POST' && path.includes('uploadId=');
  proxy.break({ matches: completes, effect: { kind: 'drop', when: 'instead-of-answer' }, times: 1 });
  expect(await objects.putOnce('completed', large, optionsOf(large))).toBe('exists');
  expect(await seen.head('completed')).toMatchObject({ sizeBytes: large.length });
});

test('an object in parts of which the storage keeps less than it confirmed is not said to be there', async () => {
  let heads = 0;
  // The first asks whether there is one already.
  const isProof: NonNullable<Fault['matches']> = ({ method }) => method === 'HEAD' && ++heads === 2;
  const lose = async () => {
    await seen.delete('lost');
    await seen.putOnce('lost', small, optionsOf(small));
  };
  proxy.break({ matches: isProof, effect: { kind: 'call', call: lose } });
  await expect(objects.putOnce('lost', large, optionsOf(large))).rejects.toMatchObject({ code: 'hash-wrong' });
});

test('a document whose writing was confirmed in vain is known to be our own, and can be written again', async () => {
  proxy.break({ matches: isPut, effect: { kind: 'drop', when: 'instead-of-answer' }, times: 1 });
  const written = await objects.replaceIf('state/cursor.json', small, null);
  expect(written).toEqual({ etag: (await seen.head('state/cursor.json'))?.etag });
  if (written === 'changed') throw new Error('nobody else writes');
  proxy.break({ matches: isPut, effect: { kind: 'drop', when: 'instead-of-answer' }, times: 1 });
  const again = await objects.replaceIf('state/cursor.json', Buffer.from('next'), written.etag);
  expect(again).toEqual({ etag: (await seen.head('state/cursor.json'))?.etag });
});

describe('what is read', () => {
  test.each([
    ['ends early in good order', { kind: 'cut', body: 'answer', atByte: 5 * 1024, how: 'close' }],
    ['is cut by a reset', { kind: 'cut', body: 'answer', atByte: 5 * 1024, how: 'reset' }],
  ] as const)('is an error when it %s', async (_, effect) => {
    await seen.putOnce('read', small, optionsOf(small));
    proxy.break({ matches: isGet, effect });
    const read = async () => Buffer.concat(await Array.fromAsync((await objects.get('read'))?.body ?? []));
    await expect(read()).rejects.toThrow();
  });
});
