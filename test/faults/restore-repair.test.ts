/** A server that lost files of its storage, and got others damaged, is repaired from the archive. */
import { readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { repairOnServer } from '../../core/archive-life/repair/replace-on-server.ts';
import { MirrorError } from '../../core/errors.ts';
import { Limitations } from '../../core/sidecars/limitations.ts';
import type { OrthancStore } from '../../core/stores/orthanc/orthanc-store.ts';
import { generateInstance, generateInstances } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { newOrthanc, oldOrthanc } from '../../local/orthanc-versions.ts';
import { folderPlace, orthancPlace, prove } from '../../local/prove.ts';
import { runCommand, startCommand } from '../support/command.ts';
import { remove } from '../support/orthanc/rest.ts';
import type { ServerUnderTest } from '../support/orthanc/study-fixture.ts';
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
import { dicomFiles } from '../support/storage-files.ts';

const random = randomOf('kills of a repair');

/** Deletes a tenth of the files; flips a bit in, cuts and zeroes a few others. @returns how many are hurt. */
async function hurt(server: ServerUnderTest): Promise<number> {
  const files = await dicomFiles(server, random);
  const deleted = Math.ceil(files.length / 10);
  for (const path of files.slice(0, deleted)) await rm(path);
  for (const path of files.slice(deleted, deleted + 4)) {
    const bytes = await readFile(path);
    const at = random.between(0, bytes.length - 1);
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    await writeFile(path, bytes);
  }
  for (const path of files.slice(deleted + 4, deleted + 7)) await truncate(path, 1000);
  for (const path of files.slice(deleted + 7, deleted + 10)) {
    await writeFile(path, Buffer.alloc((await readFile(path)).length));
  }
  return deleted + 10;
}

async function scene(version: string, overwrite: boolean) {
  const server = await serverUnderTest(version, { OverwriteInstances: overwrite, MaximumStorageCacheSize: 0 });
  const files = [
    ...generateInstances('repair', 58, 6 * 1024),
    generateInstance({ seed: 'only child', patient: 0, study: 0, series: 0, instance: 0 }, 6 * 1024),
    generateInstance(placeOfNth('large repair', 0), 6 * 1024 ** 2),
  ];
  await uploadAccepted(
    server,
    files.map(({ bytes }) => bytes),
  );
  await adorn(server, 'kept');
  const { archive, path } = await archiveUnderTest();
  await backUp(server, archive);
  return { server, archive, path };
}

describe.each([oldOrthanc().version, newOrthanc().version])('Orthanc %s', (version) => {
  describe.each([false, true])('with OverwriteInstances %s', (overwrite) => {
    test('is repaired: every byte is right again, labels, metadata and attachments are what they were', async () => {
      const { server, path } = await scene(version, overwrite);
      const withLabels = server.server.capabilities.hasLabels;
      // Newer than the archive: what the server has now is what must be kept.
      await adorn(server, 'newer');
      const was = await adornments(server, withLabels);
      await server.running.kill();
      const count = await hurt(server);
      await server.running.restart();

      const args = ['restore', '--archive', path, '--to', server.url, '--repair', '--json'];
      const looked = await runCommand([...args, '--dry-run']);
      expect(looked.exitCode).toBe(4);
      expect(JSON.parse(looked.stdout.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({
        damaged: count,
        repaired: 0,
      });
      const done = await runCommand([...args, '--verify']);
      expect(JSON.parse(done.stdout.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({
        sound: 60 - count,
        damaged: count,
        repaired: count,
        missing: 0,
        unwritten: 0,
        verified: { sound: 60, damaged: 0 },
      });
      expect(done.exitCode).toBe(0);

      await server.running.restart();
      expect((await runCommand(['verify', '--target', server.url])).exitCode).toBe(0);
      expect(await prove([orthancPlace('server', server.url), folderPlace('archive', path)])).toMatchObject({
        equal: true,
      });
      expect(await adornments(server, withLabels)).toEqual(was);
    });
  });
});

test('what a server lacks altogether comes back with what the archive has attached to it, the rest stays', async () => {
  const { server, path } = await scene(newOrthanc().version, false);
  const before = await adornments(server, true);
  const [study = '', ...studies] = await idsOf(server, 'studies');
  const [instance = ''] = (await idsOf(server, 'instances')).slice(-1);
  await remove(server.url, `/studies/${study}`);
  await remove(server.url, `/instances/${instance}`).catch(() => undefined);
  for (const id of studies) await remove(server.url, `/studies/${id}/metadata/1030`).catch(() => undefined);

  const since = new Date(Date.now() + 60_000).toISOString();
  const args = ['restore', '--archive', path, '--to', server.url, '--repair', '--json'];
  const nothing = await runCommand([...args, '--missing-since', since]);
  expect(JSON.parse(nothing.stdout)).toMatchObject({ missing: 0, exitCode: 0 });
  const done = await runCommand(args);
  expect(done.exitCode).toBe(0);
  expect(await idsOf(server, 'instances')).toHaveLength(60);
  const after = await adornments(server, true);
  expect(after[`/studies/${study}`]).toEqual(before[`/studies/${study}`]);
  expect(after[`/instances/${instance}`]).toEqual(before[`/instances/${instance}`]);
  const [other = ''] = studies.filter((id) => after[`/studies/${id}`] !== undefined);
  expect(JSON.stringify(after[`/studies/${other}`])).not.toBe(JSON.stringify(before[`/studies/${other}`]));
});

test('a repair that is killed again and again loses nothing that users attached', async () => {
  const { server, path } = await scene(newOrthanc().version, false);
  await adorn(server, 'newer');
  const was = await adornments(server, true);
  await server.running.kill();
  await hurt(server);
  await server.running.restart();
  const args = ['restore', '--archive', path, '--to', server.url, '--repair'];
  for (let attempt = 0; attempt < 10; attempt += 1) {
    const command = startCommand(args);
    await delay(500 + random.between(0, 400));
    command.process.kill('SIGKILL');
    await command.result;
  }
  expect((await runCommand(args)).exitCode).toBe(0);
  expect((await runCommand(['verify', '--target', server.url])).exitCode).toBe(0);
  expect(await adornments(server, true)).toEqual(was);
});

test('what users attached survives a repair that could delete and then not store', async () => {
  const { server, archive, path } = await scene(newOrthanc().version, false);
  await adorn(server, 'newer');
  const was = await adornments(server, true);
  const lonely = generateInstance({ seed: 'only child', patient: 0, study: 0, series: 0, instance: 0 }, 6 * 1024);
  const { store } = server;
  const refuse = async () => {
    throw new MirrorError('refused', 'this server stores nothing any more');
  };
  const broken: OrthancStore = {
    name: store.name,
    client: store.client,
    capabilities: (options) => store.capabilities(options),
    inventory: (options) => store.inventory(options),
    remember: (memory) => store.remember(memory),
    lookup: (id, options) => store.lookup(id, options),
    open: (id, options) => store.open(id, options),
    store: refuse,
    defaultEncoding: (options) => store.defaultEncoding(options),
    requireSameId: (id, body, options) => store.requireSameId(id, body, options),
    delete: (id, options) => store.delete(id, options),
    readChanges: (query) => store.readChanges(query),
    changePages: (query) => store.changePages(query),
    lastChange: (options) => store.lastChange(options),
    countInstances: (options) => store.countInstances(options),
    lostInstance: (id, options) => store.lostInstance(id, options),
    close: () => store.close(),
  };
  const limitations = new Limitations();
  const { objects } = archive;
  const putRight = repairOnServer({ server: broken, studyServer: server.server, safe: objects, limitations });
  await expect(putRight(lonely, lonely.bytes, {})).rejects.toThrow(
    'run the same again, or restore what is damaged there',
  );
  expect(await store.lookup(lonely.id)).toEqual([]);

  expect((await runCommand(['restore', '--archive', path, '--to', server.url, '--repair'])).exitCode).toBe(0);
  expect(await adornments(server, true)).toEqual(was);
});

test('verify --repair repairs a server as well, with the archive at hand', async () => {
  const { server, path } = await scene(newOrthanc().version, false);
  const was = await adornments(server, true);
  await server.running.kill();
  const count = await hurt(server);
  await server.running.restart();
  const args = ['verify', '--target', server.url, '--archive', path, '--repair'];
  expect(await runCommand(args)).toMatchObject({ exitCode: 0, stdout: expect.stringContaining(`repaired ${count},`) });
  expect((await runCommand(['verify', '--target', server.url])).exitCode).toBe(0);
  expect(await adornments(server, true)).toEqual(was);
  await server.running.kill();
  await hurt(server);
  await server.running.restart();
  const without = await runCommand(['verify', '--target', server.url, '--repair']);
  expect(without).toMatchObject({ exitCode: 4, stdout: expect.stringContaining('name the --archive') });
});
