/** What is the target's own is not ours: nothing of it is deleted, replaced or changed, and the report names it. */
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { isInstanceId, md5Of } from '../../core/identifiers.ts';
import { generateInstance } from '../../local/dicom/generate.ts';
import { identifiedFile } from '../../local/dicom/identified-file.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import type { OrthancServer } from '../../local/orthanc-server.ts';
import { newOrthanc, oldOrthanc } from '../../local/orthanc-versions.ts';
import { runCommand } from '../support/command.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { put, remove } from '../support/orthanc/rest.ts';
import { folderForTest, instanceIds, parseJsonLines, serverForTest, storeAll } from './support/scene.ts';

const versions = [oldOrthanc(), newOrthanc()];

/** A file without SpecificCharacterSet whose PatientID is not ASCII: `Müller` in Latin-1. */
const umlaut = identifiedFile({ uid: '1.2.3.4', patientId: Buffer.from('M\u00fcller', 'latin1') });

async function send({ url }: OrthancServer, bytes: Uint8Array): Promise<string> {
  const answer = await fetch(`${url}/instances`, { method: 'POST', body: Uint8Array.from(bytes) });
  return z.looseObject({ ID: z.string().refine(isInstanceId) }).parse(await answer.json()).ID;
}

/** Everything that a server holds of its instances and studies: bytes, metadata, labels. */
async function everything(server: OrthancServer): Promise<readonly unknown[]> {
  const text = async (path: string) => (await fetch(`${server.url}/${path}`)).text();
  const ids = async (level: string) =>
    z
      .array(z.string())
      .parse(JSON.parse(await text(level)))
      .toSorted();
  const instances = (await ids('instances')).map(async (id) => [
    id,
    await text(`instances/${id}/attachments/dicom/md5`),
    await text(`instances/${id}/metadata/1025`),
  ]);
  const studies = (await ids('studies')).map(async (id) => [
    id,
    await text(`studies/${id}/metadata/1025`),
    await text(`studies/${id}/labels`),
  ]);
  return Promise.all([...instances, ...studies]);
}

async function proxyForTest({ url }: OrthancServer): Promise<FaultProxy> {
  const proxy = await startFaultProxy(url);
  onTestFinished(() => proxy.close());
  return proxy;
}

/** Gives the only study of a server, and its only instance, values of its own. */
async function attachTo({ url, version }: OrthancServer): Promise<void> {
  for (const level of ['instances', 'studies']) {
    const [id] = z.array(z.string()).parse(await (await fetch(`${url}/${level}`)).json());
    await put(url, `/${level}/${id}/metadata/1025`, 'written at the target');
    if (version !== oldOrthanc().version) await put(url, `/${level}/${id}/labels/own`);
  }
}

describe.each(versions)('a target of Orthanc $version', ({ version }) => {
  test.each(['Utf8', 'Ascii', 'Japanese'])(
    'that reads identifiers in %s keeps the file that the modality sent to both servers',
    async (encoding) => {
      const config = { DefaultEncoding: encoding, OverwriteInstances: true };
      const [source, target, folder] = await Promise.all([
        serverForTest({ version, config: { DefaultEncoding: 'Latin1' } }),
        serverForTest({ version, config }),
        folderForTest(),
      ]);
      const [here, there] = [await send(source, umlaut), await send(target, umlaut)];
      expect(here).not.toBe(there);
      await attachTo(target);
      const before = await everything(target);
      const archive = join(folder, 'archive');
      const result = await runCommand(['run', source.url, target.url, '--archive', archive, '--json']);
      const { problems, summary } = parseJsonLines(result.stdout);
      expect(await everything(target)).toEqual(before);
      expect(problems).toEqual([
        expect.objectContaining({ id: here, code: 'wrong-id', reason: expect.stringContaining(there) }),
      ]);
      expect(summary).toMatchObject({ exitCode: 3, rejected: 1, destinations: [{ rejected: 1 }, { copied: 1 }] });

      const restored = await runCommand(['restore', '--archive', archive, '--to', target.url]);
      expect(restored).toMatchObject({ exitCode: 3, stdout: expect.stringContaining('DefaultEncoding') });
      expect(await everything(target)).toEqual(before);
    },
  );

  test('with hashes off at the source keeps its own version, although it overwrites: a conflict', async () => {
    const [source, target] = await Promise.all([
      serverForTest({ version, config: { StoreMD5ForAttachments: false } }),
      serverForTest({ version, config: { OverwriteInstances: true } }),
    ]);
    const place = placeOfNth('hashes off', 0);
    const [here, there] = [generateInstance(place, 4096), generateInstance(place, 8192)];
    const equal = generateInstance(placeOfNth('hashes off', 1), 4096);
    await storeAll(source, [here, equal]);
    await storeAll(target, [there]);
    await attachTo(target);
    await storeAll(target, [equal]);
    const before = await everything(target);
    const { exitCode, stdout } = await runCommand(['run', source.url, target.url, '--instances-only', '--json']);
    expect(await everything(target)).toEqual(before);
    expect(parseJsonLines(stdout)).toMatchObject({
      problems: [{ id: here.id, outcome: 'conflict' }],
      summary: { conflicting: 1, alreadyEqual: 1, copied: 0 },
    });
    expect(exitCode).toBe(3);
  });

  test('that answers with another id deletes nothing, and gets nothing more', async () => {
    const [source, target] = await Promise.all([serverForTest({ version }), serverForTest({ version })]);
    const instances = Array.from({ length: 60 }, (_, n) => generateInstance(placeOfNth('rewritten', n), 4096));
    await storeAll(source, instances);
    const own = generateInstance(placeOfNth('own', 0), 4096);
    await storeAll(target, [own]);
    await attachTo(target);
    const proxy = await proxyForTest(target);
    proxy.break({
      matches: ({ method, path }) => method === 'POST' && path === '/instances',
      effect: {
        kind: 'answer',
        body: (body) => Buffer.from(body.toString().replace(/"ID" : "[^"]+"/, `"ID" : "${own.id}"`)),
      },
    });
    const before = await everything(target);
    const { exitCode, stdout } = await runCommand(['run', source.url, proxy.url, '--instances-only', '--json']);
    expect(await everything(target)).toEqual(expect.arrayContaining([...before]));
    expect(proxy.seen.filter(({ method }) => method === 'DELETE')).toEqual([]);
    expect(proxy.seen.filter(({ method }) => method === 'POST').length).toBeLessThanOrEqual(16);
    const { problems, summary } = parseJsonLines(stdout);
    expect(problems[0]).toMatchObject({ code: 'wrong-id', reason: expect.stringContaining(own.id) });
    expect(summary).toMatchObject({ copied: 0, failed: 60, destinations: [{ withdrawn: { code: 'wrong-id' } }] });
    expect(exitCode).toBe(7);
  });

  test.each([4096, 6 * 1024 * 1024])(
    'is not touched by a source that serves another file of %i bytes under an id',
    async (sizeBytes) => {
      const [source, target, folder] = await Promise.all([
        serverForTest({ version }),
        serverForTest({ version, config: { OverwriteInstances: true } }),
        folderForTest(),
      ]);
      const [asked, served] = [0, 1].map((n) => generateInstance(placeOfNth('lying', n), sizeBytes));
      if (asked === undefined || served === undefined) throw new Error('there are two');
      await storeAll(source, [asked, served]);
      await storeAll(target, [served]);
      await attachTo(target);
      const before = await everything(target);
      const proxy = await proxyForTest(source);
      proxy.break({
        matches: ({ path }) => path.includes(asked.id),
        effect: { kind: 'ask', path: (path) => path.replace(asked.id, served.id) },
      });
      const args = ['run', proxy.url, target.url, '--archive', join(folder, 'archive'), '--instances-only'];
      const { exitCode, stdout } = await runCommand([...args, '--json']);
      expect(await everything(target)).toEqual(before);
      const { problems, summary } = parseJsonLines(stdout);
      const problem = { id: asked.id, code: 'wrong-id', reason: expect.stringContaining(served.id) };
      expect(problems).toMatchObject([problem, problem]);
      expect(summary).toMatchObject({ rejected: 1, copied: 1, destinations: [{ copied: 0 }, { copied: 1 }] });
      expect(exitCode).toBe(3);
    },
  );
});

describe('a mirror to an archive alone', () => {
  test.each([
    ['no DICOM file', Buffer.alloc(1132, 'no DICOM at all '), 'not-dicom'],
    ['another instance', generateInstance(placeOfNth('other', 0), 4096).bytes, 'wrong-id'],
  ])('takes nothing for an instance that is %s', async (_, bytes, code) => {
    const [source, folder] = await Promise.all([serverForTest(), folderForTest()]);
    const [sound, wrong] = [0, 1].map((n) => generateInstance(placeOfNth('alone', n), 4096));
    if (sound === undefined || wrong === undefined) throw new Error('there are two');
    await storeAll(source, [sound, wrong]);
    const proxy = await proxyForTest(source);
    proxy.break(
      {
        matches: ({ path }) => path === `/instances/${wrong.id}/attachments/dicom/data`,
        effect: { kind: 'answer', body: () => bytes },
      },
      {
        matches: ({ path }) => path === `/instances/${wrong.id}/attachments/dicom/md5`,
        effect: { kind: 'answer', body: () => Buffer.from(md5Of(bytes)) },
      },
    );
    const archive = join(folder, 'archive');
    const { exitCode, stdout } = await runCommand(['run', proxy.url, '--archive', archive, '--json']);
    const { problems, summary } = parseJsonLines(stdout);
    expect(problems).toMatchObject([{ id: wrong.id, code }]);
    expect(summary).toMatchObject({ copied: 1, rejected: 1 });
    expect(exitCode).toBe(3);
    expect((await runCommand(['verify', '--archive', archive])).stdout).toContain('sound 1,');
  });
});

describe('deletions that are propagated', () => {
  test('leave what only the target ever had, and a version that it kept on purpose', async () => {
    const [source, target, folder] = await Promise.all([serverForTest(), serverForTest(), folderForTest()]);
    const places = Array.from({ length: 120 }, (_, n) => placeOfNth('kept', n));
    const all = places.map((place) => generateInstance(place, 2200));
    const [gone, corrected, own] = [all[0], places[1], generateInstance(placeOfNth('target only', 0), 2200)];
    if (gone === undefined || corrected === undefined) throw new Error('there are many');
    const kept = generateInstance(corrected, 4096);
    await storeAll(source, all);
    await storeAll(target, [own, kept]);
    const archive = join(folder, 'archive');
    const keepTarget = ['run', source.url, target.url, '--archive', archive, '--conflicts', 'keep-target'];
    expect((await runCommand(keepTarget)).exitCode).toBe(0);
    for (const id of [gone.id, kept.id]) await remove(source.url, `/instances/${id}`);
    const propagate = [...keepTarget, '--deletions', 'propagate', '--deletion-grace-hours', '0'];
    const args = [...propagate, '--max-deletion-percent', '5'];
    expect((await runCommand(args)).exitCode).toBe(0);
    const dry = await runCommand([...args, '--dry-run']);
    expect(dry.stdout).toContain(`would delete  ${gone.id}`);
    for (let time = 0; time < 2; time += 1) {
      const { exitCode, stdout } = await runCommand(args);
      expect(stdout.includes(`deleted  ${gone.id}`)).toBe(time === 0);
      expect(stdout).toContain(`conflict  ${kept.id}  ${target.url}`);
      expect(stdout).not.toContain(own.id);
      expect(exitCode).toBe(3);
      const held = await instanceIds(target);
      expect([gone.id, kept.id, own.id].map((id) => held.includes(id))).toEqual([false, true, true]);
      expect(await (await fetch(`${target.url}/instances/${kept.id}/attachments/dicom/md5`)).text()).toBe(kept.md5);
    }
  });
});
