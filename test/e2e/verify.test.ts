import { readdir, readFile, rename, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { generateInstances } from '../../local/dicom/generate.ts';
import { newOrthanc } from '../../local/orthanc-versions.ts';
import { runCommand } from '../support/command.ts';
import { randomOf } from '../support/seeded-random.ts';
import { folderForTest, serverForTest, storeAll } from './support/scene.ts';

const random = randomOf('damaged files');

/** Damages files at random places: a third gets one bit flipped, a third is cut, a third is swapped in pairs. */
async function damage(files: readonly string[]): Promise<void> {
  const third = Math.floor(files.length / 3);
  for (const file of files.slice(0, third)) {
    const bytes = await readFile(file);
    const at = random.below(bytes.length);
    bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << random.below(8)), at);
    await writeFile(file, bytes);
  }
  for (const file of files.slice(third, 2 * third)) await truncate(file, random.below((await readFile(file)).length));
  const swapped = files.slice(2 * third);
  for (let n = 0; n + 1 < swapped.length; n += 2) {
    const [one = '', other = ''] = [swapped[n], swapped[n + 1]];
    await rename(one, `${one}.swap`);
    await rename(other, one);
    await rename(`${one}.swap`, other);
  }
}

async function filesBelow(folder: string, wanted: (name: string) => boolean): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && wanted(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

function damagedIds(stdout: string): string[] {
  return stdout
    .split('\n')
    .flatMap((line) => /^! ([0-9a-f-]{44}) /.exec(line)?.[1] ?? [])
    .toSorted();
}

test('finds each of 240 damaged archive objects and no other, repairs all, and is clean then', async () => {
  const [source, folder] = await Promise.all([serverForTest(), folderForTest()]);
  const archive = join(folder, 'archive');
  await storeAll(source, generateInstances('verified', 300, 2200));
  expect((await runCommand(['run', source.url, '--archive', archive])).exitCode).toBe(0);
  const files = random
    .shuffled(await filesBelow(join(archive, 'instances'), (name) => name.endsWith('.dcm')))
    .slice(0, 240);
  await damage(files);
  const found = await runCommand(['verify', '--archive', archive]);
  expect(found.exitCode).toBe(4);
  const expected = files.map((file) => file.split('/').at(-2) ?? '').toSorted();
  expect(damagedIds(found.stdout)).toEqual(expected);
  const repaired = await runCommand(['verify', '--archive', archive, '--repair', '--source', source.url]);
  expect(repaired).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('repaired 240,') });
  const clean = await runCommand(['verify', '--archive', archive]);
  expect(clean).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('sound 300, damaged 0') });
});

test('finds every damaged file of a server, whatever its index says, and repairs it from the archive', async () => {
  const [server, folder] = await Promise.all([
    serverForTest({ bin: newOrthanc().bin, config: { MaximumStorageCacheSize: 0 } }),
    folderForTest(),
  ]);
  const archive = join(folder, 'archive');
  await storeAll(server, generateInstances('server', 60, 4096));
  expect((await runCommand(['run', server.url, '--archive', archive])).exitCode).toBe(0);
  const files = random.shuffled(await filesBelow(server.storageFolder, (name) => /^[0-9a-f-]{36}$/.test(name)));
  await damage(files.slice(0, 30));
  await server.restart();
  const found = await runCommand(['verify', '--target', server.url]);
  expect(found.exitCode).toBe(4);
  expect(damagedIds(found.stdout)).toHaveLength(30);
  const repaired = await runCommand(['verify', '--target', server.url, '--archive', archive, '--repair']);
  expect(repaired).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('repaired 30') });
  expect(await runCommand(['verify', '--target', server.url])).toMatchObject({ exitCode: 0 });
});

test('all parts of a subset together are everything', async () => {
  const [source, folder] = await Promise.all([serverForTest(), folderForTest()]);
  const archive = join(folder, 'archive');
  await storeAll(source, generateInstances('parts', 30, 2200));
  await runCommand(['run', source.url, '--archive', archive]);
  let sound = 0;
  for (const part of ['1/3', '2/3', '3/3']) {
    const { stdout } = await runCommand(['verify', '--archive', archive, '--subset', part, '--json']);
    sound += JSON.parse(stdout).instances.sound;
  }
  expect(sound).toBe(30);
});

test.each([
  ['nothing to verify', ['verify'], '--archive'],
  ['a subset that is none', ['verify', '--archive', '/nowhere', '--subset', '4/3'], 'n/t'],
])('%s is refused with exit code 2', async (_, args, message) => {
  expect(await runCommand(args)).toMatchObject({ exitCode: 2, stderr: expect.stringContaining(message) });
});
