/** A restore to a server, or a folder, that has something already: it adds, and replaces only where it is told to. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { studySidecarSchema } from '../../core/sidecars/sidecar.ts';
import { generateInstance } from '../../local/dicom/generate.ts';
import { newOrthanc, oldOrthanc } from '../../local/orthanc-versions.ts';
import { folderForTest, parseJsonLines } from '../e2e/support/scene.ts';
import { runCommand } from '../support/command.ts';
import { json, put, remove, text } from '../support/orthanc/rest.ts';
import {
  adorn,
  adornments,
  archiveUnderTest,
  backUp,
  idsOf,
  serverUnderTest,
  uploadAccepted,
} from '../support/restore-scene.ts';

const file = (study: number, instance: number, sizeBytes = 4096) =>
  generateInstance({ seed: 'adds', patient: 0, study, series: 0, instance }, sizeBytes);

/** A server with three studies of two instances each, everything on it adorned, and its archive. */
async function scene(version: string) {
  const server = await serverUnderTest(version, { OverwriteInstances: true });
  const files = [0, 1, 2].flatMap((study) => [0, 1].map((instance) => file(study, instance)));
  await uploadAccepted(
    server,
    files.map(({ bytes }) => bytes),
  );
  await adorn(server, 'archived');
  const { archive, path } = await archiveUnderTest();
  await backUp(server, archive);
  return { server, path, archive };
}

describe.each([oldOrthanc().version, newOrthanc().version])('Orthanc %s', (version) => {
  test('one study was deleted: the restore brings it back, and erases nothing that was written since on the others', async () => {
    const { server, path } = await scene(version);
    const withLabels = server.server.capabilities.hasLabels;
    const [lost = '', ...others] = await idsOf(server, 'studies');
    const was = await adornments(server, withLabels);
    await remove(server.url, `/studies/${lost}`);
    for (const id of others) {
      await put(server.url, `/studies/${id}/metadata/1030`, 'corrected today');
      await put(server.url, `/studies/${id}/metadata/1031`, 'written today');
      await put(server.url, `/studies/${id}/attachments/1040`, 'the report of today');
      await put(server.url, `/studies/${id}/attachments/1041`, 'an attachment of today');
      if (withLabels) {
        await put(server.url, `/studies/${id}/labels/today`);
        await remove(server.url, `/studies/${id}/labels/archived`);
      }
    }
    const args = ['restore', '--archive', path, '--to', server.url];

    const dry = await runCommand([...args, '--dry-run']);
    expect(dry.exitCode).toBe(0);
    expect(dry.stdout.match(/^add {2}instances\/\S+ {2}instance /gm)).toHaveLength(2);
    expect(dry.stdout).toMatch(new RegExp(`^add  studies/${lost}  metadata 1030 `, 'm'));
    for (const id of others) {
      expect(dry.stdout).toMatch(new RegExp(`^keep  studies/${id}  metadata 1030 `, 'm'));
      expect(dry.stdout).toMatch(new RegExp(`^keep  studies/${id}  attachment 1040 `, 'm'));
      if (withLabels) expect(dry.stdout).toMatch(new RegExp(`^add  studies/${id}  label `, 'm'));
    }
    expect(dry.stdout).not.toContain('corrected today');
    expect(await idsOf(server, 'instances')).toHaveLength(4);

    const done = await runCommand([...args, '--verify']);
    expect(done.exitCode).toBe(0);
    expect(done.stdout).toContain('kept 4 values that differ');
    expect(done.stdout).toMatch(/^read back: sound 6, .* values of sidecars that are not there 0$/m);
    const is = await adornments(server, withLabels);
    expect(is[`/studies/${lost}`]).toEqual(was[`/studies/${lost}`]);
    for (const id of others) {
      expect(await text(server.url, `/studies/${id}/metadata/1030`)).toBe('corrected today');
      expect(await text(server.url, `/studies/${id}/metadata/1031`)).toBe('written today');
      expect(await text(server.url, `/studies/${id}/attachments/1040/data`)).toBe('the report of today');
      expect(await text(server.url, `/studies/${id}/attachments/1041/data`)).toBe('an attachment of today');
      if (withLabels) expect(await json(server.url, `/studies/${id}/labels`)).toEqual(['archived', 'today']);
    }
  });

  test('--replace makes values and instances as in the archive, and saves what was there before', async () => {
    const { server, path, archive } = await scene(version);
    const withLabels = server.server.capabilities.hasLabels;
    const was = await adornments(server, withLabels);
    const other = file(0, 0, 6000);
    await uploadAccepted(server, [other.bytes]);
    await adorn(server, 'since');
    const [study = ''] = await idsOf(server, 'studies');
    await put(server.url, `/studies/${study}/metadata/1031`, 'only here');
    const args = ['restore', '--archive', path, '--to', server.url];
    expect((await runCommand(args)).exitCode).toBe(3);
    expect(await text(server.url, `/instances/${other.id}/attachments/dicom/md5`)).toBe(other.md5);

    const dry = await runCommand([...args, '--replace', '--dry-run']);
    expect(dry.exitCode).toBe(0);
    expect(dry.stdout).toMatch(new RegExp(`^replace  instances/${other.id}  instance `, 'm'));
    expect(dry.stdout).toMatch(new RegExp(`^replace  studies/${study}  metadata 1030 `, 'm'));
    expect(dry.stdout).toMatch(new RegExp(`^remove  studies/${study}  metadata 1031 `, 'm'));
    expect(await text(server.url, `/studies/${study}/metadata/1031`)).toBe('only here');

    const done = await runCommand([...args, '--replace', '--verify']);
    expect(done.exitCode).toBe(0);
    const folder = /what was there is saved under (\S+)/.exec(done.stdout)?.[1] ?? '';
    expect(await archive.objects.head(`${folder}${other.md5}.dcm`)).toMatchObject({ sizeBytes: 6000 });
    expect(await text(server.url, `/instances/${other.id}/attachments/dicom/md5`)).toBe(file(0, 0).md5);
    expect(await adornments(server, withLabels)).toEqual(was);
    expect(await text(server.url, `/studies/${study}/metadata/1031`)).toBeUndefined();
    const [saved = ''] = (await keysBelow(path, `reports/replaced/${study}/`)).filter((key) =>
      key.endsWith('study.json'),
    );
    const document = studySidecarSchema.parse(JSON.parse(await readFile(join(path, saved), 'utf8')));
    expect(document.metadata).toEqual({ 1030: `since of ${study}, é`, 1031: 'only here' });
    const { summary } = parseJsonLines((await runCommand([...args, '--replace', '--json'])).stdout);
    expect(summary).toMatchObject({ copied: 0, replaced: 0, sidecars: { written: 0, keptValues: 0 } });
  });
});

test('a patient is protected by a restore, and never unprotected without --replace', async () => {
  const { server, path, archive } = await scene(newOrthanc().version);
  const [patient = ''] = await idsOf(server, 'patients');
  const protection = `/patients/${patient}/protected`;
  const args = ['restore', '--archive', path, '--to', server.url];
  await put(server.url, protection, '0');
  expect((await runCommand(args)).exitCode).toBe(0);
  expect(await text(server.url, protection)).toBe('1');

  await put(server.url, protection, '0');
  await backUp(server, archive);
  await put(server.url, protection, '1');
  expect((await runCommand(args)).stdout).toContain(`keep  patients/${patient}  protection`);
  expect(await text(server.url, protection)).toBe('1');
  expect((await runCommand([...args, '--replace'])).exitCode).toBe(0);
  expect(await text(server.url, protection)).toBe('0');
});

test('a server that lists metadata by a name without its number keeps its value all the same', async () => {
  const { path, server } = await scene(newOrthanc().version);
  const [study = ''] = await idsOf(server, 'studies');
  const target = await serverUnderTest(oldOrthanc().version, { UserMetadata: { Named: 1030 } });
  const args = ['restore', '--archive', path, '--to', target.url];
  expect((await runCommand(args)).exitCode).toBe(0);
  await put(target.url, `/studies/${study}/metadata/1030`, 'corrected today');
  const done = await runCommand(args);
  expect(done).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining(`keep  studies/${study}  metadata 1030 `),
  });
  expect(await text(target.url, `/studies/${study}/metadata/1030`)).toBe('corrected today');
});

test('a restore to a folder adds to the sidecars that lie there; --replace keeps them under superseded/', async () => {
  const { server, path, archive } = await scene(newOrthanc().version);
  const folder = await folderForTest();
  const args = ['restore', '--archive', path, '--to', folder];
  expect((await runCommand(args)).exitCode).toBe(0);
  const [study = ''] = await idsOf(server, 'studies');
  const [key = ''] = (await keysBelow(folder, '')).filter((one) => one.includes(study) && one.endsWith('/study.json'));
  const readSidecar = async () => studySidecarSchema.parse(JSON.parse(await readFile(join(folder, key), 'utf8')));
  const restored = await readSidecar();
  const edited = { ...restored, metadata: { 1030: 'edited by hand' }, labels: ['by-hand'] };
  await writeFile(join(folder, key), JSON.stringify(edited));
  const other = file(0, 0, 6000);
  const instance = (await keysBelow(folder, '')).find((one) => one.endsWith(`${other.id}.dcm`)) ?? '';
  await writeFile(join(folder, instance), other.bytes);
  await put(server.url, `/studies/${study}/metadata/1032`, 'later');
  await backUp(server, archive);

  const added = await runCommand([...args, '--json']);
  expect(added.exitCode).toBe(3);
  expect(parseJsonLines(added.stdout).summary).toMatchObject({
    conflicting: 1,
    sidecars: { written: 1, keptValues: 1 },
  });
  expect(await readSidecar()).toMatchObject({
    metadata: { 1030: 'edited by hand', 1032: 'later' },
    labels: ['archived', 'by-hand'],
  });
  expect((await readFile(join(folder, instance))).length).toBe(6000);

  expect((await runCommand([...args, '--replace'])).exitCode).toBe(0);
  expect(await readSidecar()).toMatchObject({
    metadata: { ...restored.metadata, 1032: 'later' },
    labels: ['archived'],
  });
  expect((await readFile(join(folder, instance))).length).toBe(4096);
  const kept = await keysBelow(folder, 'superseded/');
  expect(kept.filter((one) => one.includes('study.json'))).toHaveLength(1);
  expect(kept.filter((one) => one.includes(`${other.id}.dcm`))).toHaveLength(1);
});

async function keysBelow(folder: string, prefix: string): Promise<readonly string[]> {
  const entries = await readdir(join(folder, prefix), { recursive: true, withFileTypes: true });
  return entries.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name).slice(folder.length + 1));
}
