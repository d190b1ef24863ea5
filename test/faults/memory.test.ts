import { join } from 'node:path';
import { expect, test } from 'vitest';
import { measureCommand, orthancMirror } from '../../bench/measure-command.ts';
import { generateStream } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { folderPlace, orthancPlace, prove } from '../../local/prove.ts';
import { post } from '../../local/upload.ts';
import { folderForTest, serverForTest } from '../e2e/support/scene.ts';

test('an instance of 256 MiB takes less than 256 MB of our memory on its way to target and archive', async () => {
  const [source, target, folder] = await Promise.all([serverForTest(), serverForTest(), folderForTest()]);
  const instance = generateStream(placeOfNth('large', 0), 256 * 1024 ** 2);
  expect((await post(source.url, instance)).kind).toBe('stored');
  const archive = join(folder, 'archive');
  const { peakResidentBytes } = await measureCommand([
    orthancMirror,
    'run',
    source.url,
    target.url,
    '--archive',
    archive,
  ]);
  expect(peakResidentBytes).toBeLessThan(256_000_000);
  const places = [
    orthancPlace('source', source.url),
    orthancPlace('target', target.url),
    folderPlace('archive', archive),
  ];
  expect(await prove(places)).toMatchObject({ equal: true });
});
