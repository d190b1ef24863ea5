import { readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import dicomParser from 'dicom-parser';
import { expect, onTestFinished, test } from 'vitest';
import { md5Of, orthancIdOf } from '../../core/identifiers.ts';
import { generateInstance, generateInstances, generateStream, writeFolder } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { generateNestedSequence } from '../../local/dicom/nested-sequence.ts';

const mebibyte = 1024 ** 2;

test.each([2048, 2050, 10 * 1024, 130_000, 512 * 1024, 9 * mebibyte + 2])(
  'a file of %i bytes parses, and its pixel data has the size that rows, columns and frames say',
  (sizeBytes) => {
    const instance = generateInstance(placeOfNth('sizes', 0), sizeBytes);
    expect(instance.bytes).toHaveLength(sizeBytes);
    const parsed = dicomParser.parseDicom(instance.bytes);
    const pixels = (parsed.uint16('x00280010') ?? 0) * (parsed.uint16('x00280011') ?? 0);
    expect(parsed.elements.x7fe00010?.length).toBe(pixels * (parsed.intString('x00280008') ?? 1));
    expect(parsed.string('x00020003')).toBe(parsed.string('x00080018'));
  },
);

test('id and hash are those of the bytes', () => {
  const instance = generateInstance(placeOfNth('identity', 7), 4096);
  const parsed = dicomParser.parseDicom(instance.bytes);
  const identifiers = ['x00100020', 'x0020000d', 'x0020000e', 'x00080018'].map((tag) => parsed.string(tag) ?? '');
  expect(instance.id).toBe(orthancIdOf(...identifiers));
  expect(instance.md5).toBe(md5Of(instance.bytes));
});

test('the same place gives the same bytes, another place others', () => {
  const once = generateInstance(placeOfNth('same', 3), 4096);
  expect(generateInstance(placeOfNth('same', 3), 4096)).toEqual(once);
  expect(generateInstance(placeOfNth('same', 4), 4096).md5).not.toBe(once.md5);
});

test('a stream gives the bytes of the instance in memory, as often as it is asked', async () => {
  const place = placeOfNth('stream', 0);
  const stream = generateStream(place, 9 * mebibyte);
  const inMemory = generateInstance(place, 9 * mebibyte);
  for (const _ of [1, 2]) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of stream.body()) chunks.push(chunk);
    expect(md5Of(Buffer.concat(chunks))).toBe(inMemory.md5);
  }
  expect(stream).toMatchObject({ id: inMemory.id, md5: inMemory.md5, sizeBytes: inMemory.sizeBytes });
});

test('instances are dealt out over patients, studies and series', () => {
  const parsed = [...generateInstances('dealt', 101, 2048)].map(({ bytes }) => dicomParser.parseDicom(bytes));
  const distinct = (tag: string) => new Set(parsed.map((file) => file.string(tag))).size;
  expect(['x00100020', 'x0020000d', 'x0020000e', 'x00080018'].map(distinct)).toEqual([2, 3, 5, 101]);
});

test.each([2047, 2046, 4 * 1024 ** 3])('refuses a size of %i bytes', (sizeBytes) => {
  expect(() => generateInstance(placeOfNth('refused', 0), sizeBytes)).toThrow(RangeError);
});

test('a folder holds every instance under its id', async () => {
  const folder = join(tmpdir(), `orthanc-mirror-dicom-${process.pid}`);
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const instances = [...generateInstances('folder', 3, 2048)];
  await writeFolder(folder, instances);
  expect(await readdir(folder)).toHaveLength(3);
  for (const { id, md5 } of instances) expect(md5Of(await readFile(join(folder, `${id}.dcm`)))).toBe(md5);
});

test('a nested sequence of a few levels is well-formed, the deadly one has 3.6 MB', () => {
  const shallow = dicomParser.parseDicom(generateNestedSequence(placeOfNth('nested', 0), 3).bytes);
  const second = shallow.elements.x0040a730?.items?.[0]?.dataSet?.elements.x0040a730;
  const third = second?.items?.[0]?.dataSet?.elements.x0040a730;
  expect(third?.items).toHaveLength(1);
  expect(generateNestedSequence(placeOfNth('nested', 0)).sizeBytes).toBeGreaterThan(3_600_000);
});
