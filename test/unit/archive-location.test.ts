import { describe, expect, it } from 'vitest';
import { openObjectStorage, parseArchiveLocation } from '../../core/stores/archive/archive-location.ts';

describe('the address of an archive', () => {
  it.each([
    ['s3://bucket', { kind: 's3', bucket: 'bucket', prefix: '' }],
    ['s3://bucket/', { kind: 's3', bucket: 'bucket', prefix: '' }],
    ['s3://bucket/one/two', { kind: 's3', bucket: 'bucket', prefix: 'one/two/' }],
    ['S3://my.bucket-1/one/', { kind: 's3', bucket: 'my.bucket-1', prefix: 'one/' }],
    ['/srv/archive', { kind: 'folder', path: '/srv/archive' }],
    ['./archive', { kind: 'folder', path: `${process.cwd()}/archive` }],
  ])('%s is understood', (text, location) => {
    expect(parseArchiveLocation(text)).toEqual(location);
  });

  it.each([
    ['', 'empty'],
    ['s3://', '3 to 63'],
    ['s3://UPPER/x', '3 to 63'],
    ['s3://key:secret@bucket/x', '3 to 63'],
    ['s3://bucket/a//b', 'key'],
    ['s3://bucket/../b', 'key'],
    ['https://host/bucket', 'its endpoint'],
  ])('%s is refused with a reason', (text, reason) => {
    expect(() => parseArchiveLocation(text)).toThrow(
      expect.objectContaining({ code: 'configuration', message: expect.stringContaining(reason) }),
    );
  });

  it('opens the right kind of storage under its name', async () => {
    const folder = await openObjectStorage(parseArchiveLocation('/srv/archive'));
    const bucket = await openObjectStorage(parseArchiveLocation('s3://bucket/x'), { endpoint: 'http://127.0.0.1:9' });
    expect([folder.name, bucket.name]).toEqual(['/srv/archive', 's3://bucket/x/']);
    const named = await openObjectStorage({ kind: 'folder', path: '/srv/archive' }, { name: 'nightly' });
    expect(named.name).toBe('nightly');
  });

  it('refuses an endpoint for a folder', async () => {
    const location = parseArchiveLocation('/srv/archive');
    await expect(openObjectStorage(location, { endpoint: 'http://127.0.0.1:9' })).rejects.toThrow(/endpoint/);
  });
});
