import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { studySidecarSchema } from '../../core/sidecars/sidecar.ts';
import { generateInstance, generateInstances } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { newOrthanc, oldOrthanc } from '../../local/orthanc-versions.ts';
import { folderPlace, orthancPlace, prove } from '../../local/prove.ts';
import { folderForTest, instanceIds } from '../e2e/support/scene.ts';
import { runCommand, startCommand } from '../support/command.ts';
import {
  adorn,
  adornments,
  archiveUnderTest,
  backUp,
  idsOf,
  serverUnderTest,
  uploadAccepted,
} from '../support/restore-scene.ts';
import { randomOf } from '../support/seeded-random.ts';

const kills = 20;
const random = randomOf('kills of a restore');

async function sampleArchive() {
  const source = await serverUnderTest(newOrthanc().version);
  const files = [
    ...generateInstances('kills', 200, 60 * 1024),
    generateInstance(placeOfNth('large kill', 0), 12 * 1024 ** 2),
  ];
  await uploadAccepted(
    source,
    files.map(({ bytes }) => bytes),
  );
  await adorn(source, 'kept');
  const { archive, path } = await archiveUnderTest();
  await backUp(source, archive);
  return { source, path, adornments: await adornments(source, false), count: files.length };
}

/** Restores and kills it, again and again, a little later each time; then restores to the end. */
async function restoreWithKills(args: readonly string[]): Promise<number> {
  let killed = 0;
  for (let attempt = 0; attempt < kills; attempt += 1) {
    const command = startCommand(args);
    await delay(400 + 60 * attempt * random.next());
    command.process.kill('SIGKILL');
    if ((await command.result).signal === 'SIGKILL') killed += 1;
  }
  expect((await runCommand(args)).exitCode).toBe(0);
  return killed;
}

test('a restore to a server that was killed 20 times and repeated ends equal', async () => {
  const { path, source, ...before } = await sampleArchive();
  await source.stop();
  const target = await serverUnderTest(oldOrthanc().version);
  const killed = await restoreWithKills(['restore', '--archive', path, '--to', target.url, '--concurrency', '2']);
  expect(killed).toBeGreaterThan(0);
  const proof = await prove([orthancPlace('target', target.url), folderPlace('archive', path)]);
  expect(proof).toMatchObject({ equal: true, places: [{ instances: before.count }, {}] });
  expect(await adornments(target, false)).toEqual(before.adornments);
});

test('a restore to a folder that was killed 20 times and repeated ends equal', async () => {
  const { path, source, count } = await sampleArchive();
  const folder = await folderForTest();
  await restoreWithKills(['restore', '--archive', path, '--to', folder, '--concurrency', '2']);
  const { stdout, exitCode } = await runCommand(['restore', '--archive', path, '--to', folder, '--verify', '--json']);
  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ copied: 0, alreadyEqual: count, verified: { sound: count } });

  const documents = (await readdir(folder, { recursive: true })).filter((path) => path.endsWith('/study.json'));
  expect(documents).toHaveLength((await idsOf(source, 'studies')).length);
  for (const path of documents) {
    const document = studySidecarSchema.parse(JSON.parse(await readFile(join(folder, path), 'utf8')));
    expect(document.labels).toEqual(['kept']);
    const attachment = document.attachments[1040];
    const place = `attachments/studies/${document.id}/1040/${attachment?.md5}`;
    expect(await readFile(join(folder, dirname(path), place), 'utf8')).toBe(`attachment kept of ${document.id}`);
  }

  const other = await serverUnderTest(oldOrthanc().version);
  expect((await runCommand(['import', folder, '--to', other.url])).exitCode).toBe(0);
  expect(await instanceIds(other.running)).toEqual(await idsOf(source, 'instances'));
});
