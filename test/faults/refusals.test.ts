import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { generateInstance, generateInstances } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { newOrthanc, oldOrthanc } from '../../local/orthanc-versions.ts';
import { folderPlace, orthancPlace, prove } from '../../local/prove.ts';
import { folderForTest, instanceIds, parseJsonLines, serverForTest, storeAll } from '../e2e/support/scene.ts';
import { runCommand } from '../support/command.ts';
import { type SeenRequest, startFaultProxy } from '../support/fault-proxy.ts';

function upload({ method }: Pick<SeenRequest, 'method'>): boolean {
  return method === 'POST';
}

async function setUp(count: number) {
  const [source, target, folder] = await Promise.all([serverForTest(), serverForTest(), folderForTest()]);
  await storeAll(source, generateInstances('refused', count, 8 * 1024));
  const proxy = await startFaultProxy(target.url);
  onTestFinished(() => proxy.close());
  const archive = join(folder, 'archive');
  return { source, target, proxy, archive, args: ['run', source.url, proxy.url, '--archive', archive, '--json'] };
}

describe('a target that answers every upload with', () => {
  test.each([
    [401, 'unauthorized', 7, /credentials|password|user/i],
    [403, 'forbidden', 7, /permit|allow|right|forbid/i],
    [507, 'full', 7, /full|space|MaximumStorageSize/i],
    [405, 'read-only', 7, /read-only|ReadOnly/i],
  ])('%i stops the copies to it, fills the archive, and says what to do', async (status, code, exitCode, advice) => {
    const { proxy, source, archive, args } = await setUp(20);
    proxy.break({ effect: { kind: 'status', status }, matches: upload });
    const { stdout, stderr, ...end } = await runCommand(args);
    expect(end.exitCode).toBe(exitCode);
    const { problems } = parseJsonLines(stdout);
    expect(problems[0]).toMatchObject({ code });
    expect(stdout + stderr).toMatch(advice);
    expect(proxy.seen.filter(upload).length).toBeLessThan(20);
    expect(await prove([orthancPlace('source', source.url), folderPlace('archive', archive)])).toMatchObject({
      equal: true,
    });
  });

  test.each([409, 429, 500, 502, 503])('%i for a while is tried again until it passes', async (status) => {
    const { proxy, target, args } = await setUp(20);
    proxy.break({ effect: { kind: 'status', status }, matches: upload, times: 6 });
    expect((await runCommand(args)).exitCode).toBe(0);
    expect(await instanceIds(target)).toHaveLength(20);
  });

  test('503 for good is reported for each instance, exit 5', async () => {
    const { proxy, args } = await setUp(3);
    proxy.break({ effect: { kind: 'status', status: 503 }, matches: upload });
    const { exitCode, stdout } = await runCommand(args);
    expect(exitCode).toBe(5);
    expect(parseJsonLines(stdout)).toMatchObject({ summary: { failed: 3 } });
  });

  test('400 for one of them rejects that one only, exit 3', async () => {
    const { proxy, target, args } = await setUp(10);
    proxy.break({ effect: { kind: 'status', status: 400 }, matches: upload, times: 1 });
    const { exitCode, stdout } = await runCommand(args);
    expect(exitCode).toBe(3);
    expect(parseJsonLines(stdout)).toMatchObject({
      problems: [{ code: 'refused' }],
      summary: { rejected: 1, copied: 9 },
    });
    expect(await instanceIds(target)).toHaveLength(9);
  });
});

describe.each([
  ['old', oldOrthanc],
  ['new', newOrthanc],
])('a real target, %s', (_, program) => {
  test('that filters what it receives: rejected with the reason, exit 3', async () => {
    const [source, folder] = await Promise.all([serverForTest(), folderForTest()]);
    const script = join(folder, 'filter.lua');
    await writeFile(script, 'function ReceivedInstanceFilter(dicom, origin) return false end\n');
    const target = await serverForTest({ bin: program().bin, config: { LuaScripts: [script] } });
    await storeAll(source, generateInstances('filtered', 2, 8 * 1024));
    const { exitCode, stdout } = await runCommand(['run', source.url, target.url, '--json']);
    expect(exitCode).toBe(3);
    expect(parseJsonLines(stdout)).toMatchObject({
      problems: [{ code: 'filtered-out' }, {}],
      summary: { rejected: 2 },
    });
  });

  test('that overwrites keeps its own bytes of an instance in conflict', async () => {
    const [source, target] = await Promise.all([
      serverForTest(),
      serverForTest({ bin: program().bin, config: { OverwriteInstances: true } }),
    ]);
    const place = placeOfNth('overwritten', 0);
    const [here, there] = [generateInstance(place, 4096), generateInstance(place, 8192)];
    await storeAll(source, [here]);
    await storeAll(target, [there]);
    const { exitCode, stdout } = await runCommand(['run', source.url, target.url, '--json']);
    expect(exitCode).toBe(3);
    expect(parseJsonLines(stdout)).toMatchObject({ problems: [{ id: here.id, code: 'conflict' }] });
    const held = await fetch(new URL(`instances/${there.id}/attachments/dicom/md5`, target.url));
    expect(await held.text()).toBe(there.md5);
  });
});
