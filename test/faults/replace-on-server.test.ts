/** What takes the place of an instance on a server: killed, interrupted, or in the place of a version that is nowhere else. */
import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { generateInstance } from '../../local/dicom/generate.ts';
import { newOrthanc, oldOrthanc, orthancVersions } from '../../local/orthanc-versions.ts';
import { orthancPlace, prove } from '../../local/prove.ts';
import { folderForTest } from '../e2e/support/scene.ts';
import { runCommand, startCommand } from '../support/command.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
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
import { randomOf } from '../support/seeded-random.ts';
import { dicomFiles } from '../support/storage-files.ts';

const random = randomOf('kills of a replacement');

describe('a repair that was interrupted', () => {
  const lonely = generateInstance({ seed: 'interrupted', patient: 0, study: 0, series: 0, instance: 0 }, 6 * 1024);

  /** A server behind a proxy, whose damaged instance was deleted by a repair and could not be stored again. */
  async function interrupted(version: string) {
    const server = await serverUnderTest(version, { MaximumStorageCacheSize: 0 });
    await uploadAccepted(server, [lonely.bytes]);
    await adorn(server, 'kept');
    const { archive, path } = await archiveUnderTest();
    await backUp(server, archive);
    const [study = ''] = await idsOf(server, 'studies');
    await put(server.url, `/studies/${study}/metadata/1031`, 'the second of then');
    await server.running.kill();
    for (const file of await dicomFiles(server, random)) await truncate(file, 1000);
    await server.running.restart();
    const proxy = await startFaultProxy(server.url);
    onTestFinished(() => proxy.close());
    const args = ['restore', '--archive', path, '--to', proxy.url, '--repair'];
    proxy.break({
      effect: { kind: 'status', status: 400 },
      matches: ({ method, path: asked }) => method === 'POST' && asked === '/instances',
    });
    expect((await runCommand(args)).exitCode).toBe(3);
    proxy.repair();
    expect(await server.store.lookup(lonely.id)).toEqual([]);
    return { server, archive: path, proxy, study, args };
  }

  test.each([oldOrthanc().version, newOrthanc().version])(
    'never reverts what users of Orthanc %s did since: only what is lacking is written, once',
    async (version) => {
      const { server, study, args } = await interrupted(version);
      const hasLabels = server.server.capabilities.hasLabels;
      await uploadAccepted(server, [lonely.bytes]);
      const at = `/studies/${study}`;
      await put(server.url, `${at}/metadata/1030`, 'the finding of today');
      await put(server.url, `${at}/metadata/1032`, 'new today');
      await put(server.url, `/instances/${lonely.id}/attachments/1040`, 'the report of today');
      if (hasLabels) await put(server.url, `${at}/labels/today`);

      expect((await runCommand(args)).exitCode).toBe(0);
      const expectValues = async () => {
        expect(await text(server.url, `${at}/metadata/1030`)).toBe('the finding of today');
        expect(await text(server.url, `${at}/metadata/1032`)).toBe('new today');
        expect(await text(server.url, `/instances/${lonely.id}/attachments/1040/data`)).toBe('the report of today');
        if (hasLabels) expect(await json(server.url, `${at}/labels`)).toEqual(['today']);
      };
      await expectValues();
      // What nobody wrote since is back.
      expect(await text(server.url, `${at}/metadata/1031`)).toBe('the second of then');
      expect(await text(server.url, `${at}/attachments/1040/data`)).toBe(`attachment kept of ${study}`);

      // Weeks later: it was finished, and nothing of it is left.
      await remove(server.url, `${at}/metadata/1031`);
      if (hasLabels) await remove(server.url, `${at}/labels/today`);
      expect((await runCommand(args)).exitCode).toBe(0);
      expect(await text(server.url, `${at}/metadata/1031`)).toBeUndefined();
      if (hasLabels) expect(await json(server.url, `${at}/labels`)).toEqual([]);
    },
  );

  test.each(orthancVersions().map(({ version }) => version))(
    'before it deleted anything on Orthanc %s leaves nothing to be written: what users remove then stays removed',
    async (version) => {
      const server = await serverUnderTest(version, { MaximumStorageCacheSize: 0 });
      await uploadAccepted(server, [lonely.bytes]);
      await adorn(server, 'kept');
      const { archive, path } = await archiveUnderTest();
      await backUp(server, archive);
      await server.running.kill();
      const [damaged = ''] = await dicomFiles(server, random);
      await truncate(damaged, 1000);
      await server.running.restart();
      const proxy = await startFaultProxy(server.url);
      onTestFinished(() => proxy.close());
      const args = ['restore', '--archive', path, '--to', proxy.url, '--repair'];
      const killed = startCommand(args);
      const kill = async () => {
        killed.process.kill('SIGKILL');
        throw new Error('The command was killed.');
      };
      proxy.break({ effect: { kind: 'call', call: kill }, matches: ({ method }) => method === 'DELETE' });
      expect(await killed.result).toMatchObject({ signal: 'SIGKILL' });
      expect(await server.store.lookup(lonely.id)).toHaveLength(1);
      proxy.repair();
      await writeFile(damaged, lonely.bytes);
      const [study = ''] = await idsOf(server, 'studies');
      await remove(server.url, `/studies/${study}/metadata/1030`);
      if (server.server.capabilities.hasLabels) await remove(server.url, `/studies/${study}/labels/kept`);
      const done = await runCommand(args);
      expect(done).toMatchObject({
        exitCode: 0,
        stderr: expect.stringContaining(`what users attached to ${lonely.id}`),
      });
      expect(await text(server.url, `/studies/${study}/metadata/1030`)).toBeUndefined();
      if (server.server.capabilities.hasLabels) expect(await json(server.url, `/studies/${study}/labels`)).toEqual([]);
    },
  );

  test.each(['run', 'restore', 'verify'])('is finished by the next %s', async (command) => {
    const { server, archive, proxy, study, args } = await interrupted(newOrthanc().version);
    const source = await serverUnderTest(newOrthanc().version);
    await uploadAccepted(source, [lonely.bytes]);
    await put(source.url, `/studies/${study}/metadata/1030`, 'of the source');
    const done =
      command === 'run'
        ? await runCommand(['run', source.url, proxy.url, '--archive', archive])
        : command === 'restore'
          ? await runCommand(['restore', '--archive', archive, '--to', proxy.url])
          : await (async () => {
              await uploadAccepted(server, [lonely.bytes]);
              return runCommand(['verify', '--archive', archive, '--target', proxy.url, '--repair']);
            })();
    expect(done.exitCode).toBe(0);
    expect(done.stderr).toContain(`what users attached to ${lonely.id}`);
    const expected = command === 'run' ? 'of the source' : `kept of ${study}, é`;
    expect(await text(server.url, `/studies/${study}/metadata/1030`)).toBe(expected);
    await put(server.url, `/studies/${study}/metadata/1030`, 'weeks later');
    expect((await runCommand(args)).exitCode).toBe(0);
    expect(await text(server.url, `/studies/${study}/metadata/1030`)).toBe('weeks later');
  });
});

describe.each(orthancVersions().map(({ version }) => version))('Orthanc %s has a damaged newer version', (version) => {
  /** A server whose archive has the version before, and whose own file of the newer one is hurt. */
  async function hurtNewer(damage: (path: string, bytes: Buffer) => Promise<void>) {
    const server = await serverUnderTest(version, { OverwriteInstances: true, MaximumStorageCacheSize: 0 });
    const place = { seed: 'newer', patient: 0, study: 0, series: 0, instance: 0 };
    const [older, newer] = [generateInstance(place, 4096), generateInstance(place, 6000)];
    await uploadAccepted(server, [older.bytes]);
    const { archive, path } = await archiveUnderTest();
    await backUp(server, archive);
    await uploadAccepted(server, [newer.bytes]);
    await adorn(server, 'kept');
    const was = await adornments(server, false);
    await server.running.kill();
    for (const file of await dicomFiles(server, random)) await damage(file, await readFile(file));
    await server.running.restart();
    const md5 = () => text(server.url, `/instances/${older.id}/attachments/dicom/md5`);
    return {
      server,
      archive,
      older,
      newer,
      was,
      md5,
      args: ['restore', '--archive', path, '--to', server.url, '--repair'],
    };
  }

  test('that only one bit is wrong with: what is left of it is saved before the archive\u2019s version takes its place', async () => {
    const { server, archive, older, newer, was, md5, args } = await hurtNewer(async (path, bytes) => {
      bytes.writeUInt8(bytes.readUInt8(5000) ^ 1, 5000);
      await writeFile(path, bytes);
    });
    const done = await runCommand(args);
    expect(done.exitCode).toBe(3);
    const folder = /what was there is saved under (\S+)/.exec(done.stdout)?.[1];
    expect(folder).toMatch(new RegExp(`^reports/replaced/${older.id}/`));
    const saved = await Array.fromAsync(archive.objects.list(folder ?? '-'));
    const dcm = saved.find(({ key }) => key.endsWith('.dcm'));
    const object = await archive.objects.get(dcm?.key ?? '-');
    const bytes = Buffer.concat(await Array.fromAsync(object?.body ?? []));
    const expected = Buffer.from(newer.bytes);
    expected.writeUInt8(expected.readUInt8(5000) ^ 1, 5000);
    expect(bytes.equals(expected)).toBe(true);
    expect(await md5()).toBe(older.md5);
    expect(await adornments(server, false)).toEqual(was);
  });

  test('that is lost altogether: it is left, unless --replace gives it up', async () => {
    const { older, newer, md5, args } = await hurtNewer((path) => rm(path));
    const refused = await runCommand(args);
    expect(refused).toMatchObject({ exitCode: 3, stdout: expect.stringContaining('nothing of it can be saved') });
    expect(await md5()).toBe(newer.md5);
    expect((await runCommand([...args, '--replace'])).exitCode).toBe(3);
    expect(await md5()).toBe(older.md5);
  });
});

test('replacing conflicts and being killed again and again ends equal, with every version saved', async () => {
  const [source, target] = await Promise.all([
    serverUnderTest(newOrthanc().version),
    serverUnderTest(oldOrthanc().version),
  ]);
  const places = Array.from({ length: 30 }, (_, n) => ({
    seed: 'killed conflict',
    patient: n % 3,
    study: 0,
    series: n % 6,
    instance: n,
  }));
  const [wanted, held] = [4096, 6000].map((sizeBytes) => places.map((place) => generateInstance(place, sizeBytes)));
  await uploadAccepted(source, wanted?.map(({ bytes }) => bytes) ?? []);
  await uploadAccepted(target, held?.map(({ bytes }) => bytes) ?? []);
  await adorn(source, 'of-the-source');
  await adorn(target, 'of-the-target');
  const path = join(await folderForTest(), 'archive');
  const args = ['run', source.url, target.url, '--archive', path, '--conflicts', 'replace'];
  for (let attempt = 0; attempt < 8; attempt += 1) {
    const command = startCommand(args);
    await delay(700 + random.between(0, 500));
    command.process.kill('SIGKILL');
    await command.result;
  }
  expect((await runCommand(args)).exitCode).toBe(0);
  const proof = await prove([orthancPlace('source', source.url), orthancPlace('target', target.url)]);
  expect(proof).toMatchObject({ equal: true });
  expect(await adornments(target, false)).toEqual(await adornments(source, false));
  const saved = await readdir(join(path, 'reports/replaced'), { recursive: true });
  for (const { id, md5 } of held ?? []) {
    expect(
      saved.some((name) => name.startsWith(id) && name.endsWith(`${md5}.dcm`)),
      id,
    ).toBe(true);
  }
});
