import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type ListedFile, readFileList, writeFileList } from '../../core/host/backup/file-list.ts';
import { hashesOfWhole } from '../../core/orthanc-disk/files/file-bytes.ts';

const uuid = '0a1b2c3d-0000-4000-8000-000000000000';
const content = hashesOfWhole(Buffer.from('content'));
const { md5, sha256, sizeBytes: bytes } = content;

async function* once(...values: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* values;
}

async function* listed(...files: readonly ListedFile[]): AsyncGenerator<ListedFile> {
  yield* files;
}

const read = (text: string) => Array.fromAsync(readFileList(once(gzipSync(text))));

describe('a list of files', () => {
  it('is read as it was written', async () => {
    const files: readonly ListedFile[] = [
      { uuid, content, place: undefined, expected: undefined },
      { uuid, content, place: { folder: 2, path: 'a b/ç.dcm' }, expected: md5 },
      { uuid, content: undefined, place: undefined, expected: undefined },
    ];
    const written = await Array.fromAsync(writeFileList(listed(...files)));
    expect(await Array.fromAsync(readFileList(once(...written)))).toEqual(files);
  });

  it.each([
    ['an absolute path', { folder: 0, path: '/etc/passwd' }],
    ['a path above its folder', { folder: 0, path: '../x' }],
    ['a path that goes up on its way', { folder: 0, path: 'a/../../x' }],
    ['a path of nothing', { folder: 0, path: '' }],
    ['a path with an empty name', { folder: 0, path: 'a//b' }],
    ['a path that ends early for the file system', { folder: 0, path: 'a\0b' }],
    ['a path that no file system takes', { folder: 0, path: 'x'.repeat(5000) }],
    ['a folder before the first', { folder: -1, path: 'x' }],
    ['half a folder', { folder: 0.5, path: 'x' }],
    ['a uuid that is a path', { uuid: '../../../../../../../../etc/passwd' }],
    ['a hash that is a path', { sha256: `../${sha256.slice(3)}` }],
    ['fewer bytes than none', { bytes: -1 }],
    ['a field that nobody knows', { mode: 0o4755 }],
  ])('with %s is refused', async (_, fields) => {
    const line = JSON.stringify({ uuid, md5, sha256, bytes, ...fields });
    await expect(read(`${line}\n`)).rejects.toMatchObject({ code: 'archive-format' });
  });

  it.each([
    ['that is no JSON', '{"uuid":\n'],
    ['that does not end', JSON.stringify({ uuid })],
    ['that has no end at all', 'x'.repeat(10_000_000)],
  ])('with a line %s is refused', async (_, text) => {
    await expect(read(text)).rejects.toMatchObject({ code: 'archive-format' });
  });

  it('that was cut, or is not compressed, is refused', async () => {
    const whole = gzipSync(`${JSON.stringify({ uuid })}\n`);
    for (const wrong of [whole.subarray(0, -9), Buffer.from('no gzip')]) {
      await expect(Array.fromAsync(readFileList(once(wrong)))).rejects.toMatchObject({ code: 'archive-format' });
    }
  });
});
