/** The wipe drill: source and target are gone with their databases; the archive alone brings everything back. */
import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { md5Of } from '../../core/identifiers.ts';
import { generateInstance } from '../../local/dicom/generate.ts';
import { newOrthanc, oldOrthanc } from '../../local/orthanc-versions.ts';
import { folderPlace, orthancPlace, prove } from '../../local/prove.ts';
import { folderForTest, parseJsonLines } from '../e2e/support/scene.ts';
import { runCommand } from '../support/command.ts';
import { json, put, remove } from '../support/orthanc/rest.ts';
import {
  adorn,
  adornments,
  archiveUnderTest,
  backUp,
  idsOf,
  removeAtSource,
  serverUnderTest,
  uploadAccepted,
} from '../support/restore-scene.ts';
import { sampleFiles } from '../support/sample-files.ts';

const [oldest, newest] = [oldOrthanc().version, newOrthanc().version];

describe.each([
  { from: oldest, to: newest },
  { from: newest, to: oldest },
  { from: newest, to: newest },
])('the archive of an Orthanc $from that is gone', ({ from, to }) => {
  test(`restores to an empty Orthanc ${to}: bytes, labels, metadata, attachments, protection`, async () => {
    const withLabels = from === newest && to === newest;
    const source = await serverUnderTest(from);
    await uploadAccepted(source, await sampleFiles('drill'));
    await adorn(source, 'before');
    const { archive, path } = await archiveUnderTest();
    await backUp(source, archive);
    const was = await adornments(source, withLabels);
    const proofBefore = await prove([orthancPlace('source', source.url), folderPlace('archive', path)]);
    expect(proofBefore.equal).toBe(true);
    await source.stop();

    const target = await serverUnderTest(to);
    const args = ['restore', '--archive', path, '--to', target.url, '--verify', '--json'];
    const first = await runCommand(args);
    expect(first.stderr + first.stdout).not.toContain('problem');
    expect(first.exitCode).toBe(0);
    const instances = proofBefore.places[0]?.instances;
    expect(parseJsonLines(first.stdout).summary).toMatchObject({
      copied: instances,
      verified: { sound: instances, damaged: 0, missing: 0, unverified: 0 },
    });
    expect(await prove([orthancPlace('target', target.url), folderPlace('archive', path)])).toMatchObject({
      equal: true,
    });
    expect(await adornments(target, withLabels)).toEqual(was);

    const again = parseJsonLines((await runCommand(args)).stdout).summary;
    expect(again).toMatchObject({ copied: 0, alreadyEqual: instances, sidecars: { written: 0, failed: 0 } });
  });
});

test('a moment in the middle of a history comes back as it was: added, overwritten, deleted, returned', async () => {
  const source = await serverUnderTest(newest, { OverwriteInstances: true });
  const place = { seed: 'history', patient: 0, study: 0, series: 0 };
  const [kept, changed, deleted, added] = [0, 1, 2, 3].map((instance) =>
    generateInstance({ ...place, instance }, 4096),
  );
  if (!kept || !changed || !deleted || !added) throw new Error('four instances');
  const changedBytes = Uint8Array.from(changed.bytes);
  changedBytes[changedBytes.length - 1] = (changedBytes.at(-1) ?? 0) ^ 1;
  const { archive, path } = await archiveUnderTest();
  const moment = async () => {
    await backUp(source, archive);
    await delay(20);
    const at = new Date().toISOString();
    await delay(20);
    return at;
  };
  const studyPath = async () => `/studies/${(await idsOf(source, 'studies'))[0]}`;

  await uploadAccepted(source, [kept.bytes, changed.bytes, deleted.bytes]);
  await put(source.url, `${await studyPath()}/labels/first`);
  const first = await moment();
  await uploadAccepted(source, [changedBytes, added.bytes]);
  await removeAtSource(source, archive, deleted.id);
  await put(source.url, `${await studyPath()}/labels/second`);
  await remove(source.url, `${await studyPath()}/labels/first`);
  const second = await moment();
  await uploadAccepted(source, [deleted.bytes]);
  const third = await moment();
  await removeAtSource(source, archive, deleted.id);
  await source.stop();

  const restoredAt = async (...at: readonly string[]) => {
    const target = await serverUnderTest(oldest);
    const { stdout, exitCode } = await runCommand(['restore', '--archive', path, '--to', target.url, ...at, '--json']);
    expect(exitCode).toBe(0);
    const place = orthancPlace('target', target.url);
    const held = await Array.fromAsync(place.files(), ({ id, md5 }) => `${id} ${md5}`);
    return { held: held.sort(), summary: parseJsonLines(stdout).summary };
  };
  const named = (...instances: readonly { id: string; md5: string }[]) =>
    instances.map(({ id, md5 }) => `${id} ${md5}`).sort();
  const overwritten = { id: changed.id, md5: md5Of(changedBytes) };

  const atFirst = await restoredAt('--at', first);
  expect(atFirst.held).toEqual(named(kept, changed, deleted));
  expect(atFirst.summary).toMatchObject({ removedLeftOut: 0 });
  const atSecond = await restoredAt('--at', second);
  expect(atSecond.held).toEqual(named(kept, overwritten, added));
  const atThird = await restoredAt('--at', third);
  expect(atThird.held).toEqual(named(kept, overwritten, deleted, added));
  const now = await restoredAt();
  expect(now.held).toEqual(atSecond.held);
  expect(now.summary).toMatchObject({ removedLeftOut: 1 });
  const all = await restoredAt('--include-removed');
  expect(all.held).toEqual(named(kept, overwritten, deleted, added));

  const labels = async (at: string) => {
    const target = await serverUnderTest(newest);
    await runCommand(['restore', '--archive', path, '--to', target.url, '--at', at]);
    const [study] = await idsOf(target, 'studies');
    return json(target.url, `/studies/${study}/labels`);
  };
  expect([await labels(first), await labels(second)]).toEqual([['first'], ['second']]);
});

test('a part of the archive is restored by patient, study, series and date, with and without sidecars', async () => {
  const source = await serverUnderTest(newest);
  const files = [0, 1].flatMap((patient) =>
    [0, 1].map((study) => generateInstance({ seed: 'part', patient, study, series: 0, instance: 0 }, 4096)),
  );
  await uploadAccepted(
    source,
    files.map(({ bytes }) => bytes),
  );
  const { archive, path } = await archiveUnderTest();
  await backUp(source, archive);
  const tags = z
    .object({ PatientID: z.string(), StudyInstanceUID: z.string(), SeriesInstanceUID: z.string() })
    .parse(await json(source.url, `/instances/${files[0]?.id}/simplified-tags`));
  const copied = async (...options: readonly string[]) => {
    const folder = await folderForTest();
    const args = ['restore', '--archive', path, '--to', folder, ...options, '--json'];
    return parseJsonLines((await runCommand(args)).stdout).summary;
  };
  for (const sidecars of ['with', 'without']) {
    if (sidecars === 'without') await rm(`${path}/studies`, { recursive: true });
    expect(await copied('--patient', tags.PatientID)).toMatchObject({ copied: 2 });
    expect(await copied('--study', tags.StudyInstanceUID)).toMatchObject({ copied: 1 });
    expect(await copied('--study', (await idsOf(source, 'studies'))[0] ?? '')).toMatchObject({ copied: 1 });
    expect(await copied('--series', tags.SeriesInstanceUID)).toMatchObject({ copied: 1 });
    expect(await copied('--since', '2024-02-29', '--until', '20240229')).toMatchObject({ copied: 4 });
    const nothing = ['restore', '--archive', path, '--to', await folderForTest(), '--since', '2024-03-01'];
    expect(await runCommand(nothing)).toMatchObject({ exitCode: 2 });
  }
});

test('a server that would delete patients to make room is refused before anything is written', async () => {
  const source = await serverUnderTest(newest);
  await uploadAccepted(
    source,
    [0, 1, 2].map(
      (patient) => generateInstance({ seed: 'room', patient, study: 0, series: 0, instance: 0 }, 1024 ** 2).bytes,
    ),
  );
  const { archive, path } = await archiveUnderTest();
  await backUp(source, archive);
  const small = await serverUnderTest(newest, { MaximumStorageSize: 2, MaximumStorageMode: 'Recycle' });
  const refused = await runCommand(['restore', '--archive', path, '--to', small.url]);
  expect(refused).toMatchObject({ exitCode: 7, stderr: expect.stringContaining('MaximumStorageSize') });
  expect(await idsOf(small, 'instances')).toEqual([]);
});
