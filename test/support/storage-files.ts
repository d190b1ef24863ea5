/** The files of a server's storage, for tests that damage them. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServerUnderTest } from './orthanc/study-fixture.ts';
import type { SeededRandom } from './seeded-random.ts';

/** The DICOM files of a server's storage, in an order that the seed decides. */
export async function dicomFiles({ running }: ServerUnderTest, random: SeededRandom): Promise<readonly string[]> {
  const entries = await readdir(running.storageFolder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((one) => /^[0-9a-f-]{36}$/.test(one.name)).map((one) => join(one.parentPath, one.name));
  const files: { path: string; order: number }[] = [];
  // The names are new each time: the order of the content is not.
  const contents = await Promise.all(paths.map(async (path) => ({ path, bytes: await readFile(path) })));
  for (const { path, bytes } of contents.toSorted((a, b) => a.bytes.compare(b.bytes))) {
    const isDicom = bytes.toString('latin1', 128, 132) === 'DICM';
    if (isDicom) files.push({ path, order: random.next() });
  }
  return files.toSorted((a, b) => a.order - b.order).map(({ path }) => path);
}
