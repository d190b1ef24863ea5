/** An archive that takes nothing any more costs the archive, and not what the target is to get. */
import { execFileSync } from 'node:child_process';
import { appendFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { newOrthanc } from '../../local/orthanc-versions.ts';
import { folderForTest } from '../e2e/support/scene.ts';
import { runCommand } from '../support/command.ts';
import { needs } from '../support/needs.ts';
import { json, put, text } from '../support/orthanc/rest.ts';
import { generateStudy } from '../support/orthanc/study-fixture.ts';
import { upload } from '../support/orthanc/upload.ts';
import { serverUnderTest } from '../support/restore-scene.ts';
import { canMount, mountSmallDisk } from '../support/small-disk.ts';

const diskBytes = 4 * 1024 ** 2;

async function fill(folder: string): Promise<void> {
  const path = join(folder, 'filling');
  for (let chunkBytes = 1024 ** 2; chunkBytes >= 1; chunkBytes = Math.floor(chunkBytes / 4)) {
    for (;;) {
      try {
        await appendFile(path, Buffer.alloc(chunkBytes));
      } catch {
        break;
      }
    }
  }
}

describe.runIf(needs(canMount, 'root on Linux, to mount a small disk'))('an archive', () => {
  async function mirrored() {
    const [source, target] = await Promise.all([
      serverUnderTest(newOrthanc().version),
      serverUnderTest(newOrthanc().version),
    ]);
    const disk = mountSmallDisk(diskBytes);
    onTestFinished(() => disk[Symbol.dispose]());
    const archive = join(disk.folder, 'archive');
    const study = generateStudy('room', 2);
    await upload(source.url, study.files);
    const run = () => runCommand(['run', source.url, target.url, '--archive', archive, '--json']);
    expect((await run()).exitCode).toBe(0);
    return { source, target, disk, archive, study, run };
  }

  test.each([
    ['is full', (folder: string) => fill(folder)],
    [
      'lies on a disk that became read-only',
      async (folder: string) => void execFileSync('mount', ['-o', 'remount,ro', folder]),
    ],
  ])(
    'that %s: instances and sidecars of the target arrive, and the exit code tells of the archive',
    async (_, spoil) => {
      const { source, target, disk, study, run } = await mirrored();
      await spoil(disk.folder);
      const later = generateStudy('room later', 1);
      await upload(source.url, later.files);
      await put(source.url, `/studies/${study.studies}/labels/urgent`);
      await put(source.url, `/series/${study.series}/metadata/1030`, 'a note');
      const done = await run();
      expect(done.exitCode).toBe(7);
      expect(await text(target.url, `/instances/${later.instances}/attachments/dicom/md5`)).toBe(later.files[0]?.md5);
      expect(await json(target.url, `/studies/${study.studies}/labels`)).toEqual(['urgent']);
      expect(await text(target.url, `/series/${study.series}/metadata/1030`)).toBe('a note');
      const again = await run();
      expect(again.exitCode).toBe(7);
    },
  );

  test('that has nothing to take but its own state does not keep sidecars from the target', async () => {
    const { source, target, disk, study, run } = await mirrored();
    await put(source.url, `/studies/${study.studies}/labels/urgent`);
    await fill(disk.folder);
    expect((await run()).exitCode).toBe(7);
    expect(await json(target.url, `/studies/${study.studies}/labels`)).toEqual(['urgent']);
  });
});

test('a damaged state document does not keep data from archive and target, and is told', async () => {
  const [source, target] = await Promise.all([
    serverUnderTest(newOrthanc().version),
    serverUnderTest(newOrthanc().version),
  ]);
  const archive = join(await folderForTest(), 'archive');
  const study = generateStudy('state', 1);
  const run = () => runCommand(['run', source.url, target.url, '--archive', archive]);
  await upload(source.url, study.files);
  expect((await run()).exitCode).toBe(0);
  await writeFile(join(archive, 'state/missing.json'), 'damaged');
  const later = generateStudy('state later', 1);
  await upload(source.url, later.files);
  await put(source.url, `/studies/${study.studies}/labels/urgent`);
  const done = await run();
  expect(done).toMatchObject({ exitCode: 2, stdout: expect.stringContaining('state/missing.json') });
  expect(await json(target.url, `/studies/${study.studies}/labels`)).toEqual(['urgent']);
  expect(await text(target.url, `/instances/${later.instances}/attachments/dicom/md5`)).toBe(later.files[0]?.md5);
  expect(await readdir(join(archive, 'instances', later.instances))).toHaveLength(1);
});
