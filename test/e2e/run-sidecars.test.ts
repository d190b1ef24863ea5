import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { generateInstance, generateInstances } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import type { OrthancServer } from '../../local/orthanc-server.ts';
import { newOrthanc, oldOrthanc } from '../../local/orthanc-versions.ts';
import { runCommand } from '../support/command.ts';
import { folderForTest, instanceIds, parseJsonLines, serverForTest, storeAll } from './support/scene.ts';

async function put(server: OrthancServer, path: string, body: string): Promise<void> {
  const answer = await fetch(new URL(path, server.url), { method: 'PUT', body });
  expect(answer.ok, `${path} ${answer.status}`).toBe(true);
}

async function remove(server: OrthancServer, path: string): Promise<void> {
  await fetch(new URL(path, server.url), { method: 'DELETE' });
}

async function get(server: OrthancServer, path: string): Promise<unknown> {
  const answer = await fetch(new URL(path, server.url));
  return answer.ok ? answer.json() : undefined;
}

async function text(server: OrthancServer, path: string): Promise<string | undefined> {
  const answer = await fetch(new URL(path, server.url));
  return answer.ok ? answer.text() : undefined;
}

async function firstOf(server: OrthancServer, level: string): Promise<string> {
  const ids = await get(server, level);
  return Array.isArray(ids) ? String(ids[0]) : '';
}

describe.each([
  ['between two new servers', newOrthanc, newOrthanc],
  ['from an old to a new server', oldOrthanc, newOrthanc],
])('what is not in the DICOM bytes, %s', (_, sourceProgram, targetProgram) => {
  test('is mirrored, changes and removals too, whichever side they happen on', async () => {
    const [source, target, folder] = await Promise.all([
      serverForTest({ bin: sourceProgram().bin }),
      serverForTest({ bin: targetProgram().bin }),
      folderForTest(),
    ]);
    const hasLabels = sourceProgram === newOrthanc;
    await storeAll(source, generateInstances('documented', 4, 4096));
    const [study, series, instance] = await Promise.all(
      ['studies', 'series', 'instances'].map((l) => firstOf(source, l)),
    );
    if (hasLabels) await put(source, `studies/${study}/labels/urgent`, '');
    await put(source, `studies/${study}/metadata/1100`, 'a note');
    await put(source, `series/${series}/metadata/1101`, 'a series note');
    await put(source, `instances/${instance}/attachments/1102`, 'an attachment');
    const args = ['run', source.url, target.url, '--archive', join(folder, 'archive'), '--json'];
    const first = await runCommand(args);
    expect(first.exitCode).toBe(0);
    if (hasLabels) expect(await get(target, `studies/${study}/labels`)).toEqual(['urgent']);
    expect(await text(target, `studies/${study}/metadata/1100`)).toBe('a note');
    expect(await text(target, `series/${series}/metadata/1101`)).toBe('a series note');
    expect(await text(target, `instances/${instance}/attachments/1102/data`)).toBe('an attachment');

    if (hasLabels) {
      await remove(source, `studies/${study}/labels/urgent`);
      await put(source, `studies/${study}/labels/reported`, '');
    }
    await put(source, `studies/${study}/metadata/1100`, 'another note');
    await remove(source, `series/${series}/metadata/1101`);
    await put(target, `instances/${instance}/metadata/1103`, 'written behind the back');
    expect((await runCommand(args)).exitCode).toBe(0);
    if (hasLabels) expect(await get(target, `studies/${study}/labels`)).toEqual(['reported']);
    expect(await text(target, `studies/${study}/metadata/1100`)).toBe('another note');
    expect(await text(target, `series/${series}/metadata/1101`)).toBeUndefined();
    expect(await text(target, `instances/${instance}/metadata/1103`)).toBeUndefined();

    const third = await runCommand(args);
    expect(parseJsonLines(third.stdout).summary).toMatchObject({ copied: 0, sidecars: { copied: 0, failed: 0 } });
  });
});

test('a conflict is replaced when the policy says so, and the target keeps its labels and metadata', async () => {
  const [source, target, folder] = await Promise.all([
    serverForTest({ bin: newOrthanc().bin }),
    serverForTest({ bin: newOrthanc().bin }),
    folderForTest(),
  ]);
  const place = placeOfNth('replaced', 0);
  const [here, there] = [generateInstance(place, 4096), generateInstance(place, 8192)];
  await storeAll(source, [here]);
  await storeAll(target, [there]);
  const args = ['run', source.url, target.url, '--archive', join(folder, 'archive')];
  expect((await runCommand(args)).exitCode).toBe(3);
  expect((await runCommand([...args, '--conflicts', 'keep-target'])).exitCode).toBe(0);
  expect((await runCommand([...args, '--conflicts', 'replace'])).exitCode).toBe(0);
  expect(await text(target, `instances/${here.id}/attachments/dicom/md5`)).toBe(here.md5);
  expect((await runCommand(['check', source.url, target.url])).exitCode).toBe(0);
});

describe('deletions at the source', () => {
  async function setUp(count: number) {
    const [source, target, folder] = await Promise.all([serverForTest(), serverForTest(), folderForTest()]);
    const instances = [...generateInstances('deleted', count, 2200)];
    await storeAll(source, instances);
    const args = ['run', source.url, target.url, '--archive', join(folder, 'archive')];
    expect((await runCommand(args)).exitCode).toBe(0);
    const deletions = [...args, '--deletions', 'propagate', '--deletion-grace-hours', '0'];
    return { source, target, instances, args, deletions, archive: join(folder, 'archive') };
  }

  test('are followed at the target after two runs, never in the archive', async () => {
    const { source, target, instances, deletions, archive } = await setUp(150);
    const gone = instances[7]?.id ?? '';
    await remove(source, `instances/${gone}`);
    const first = await runCommand(deletions);
    expect(first).toMatchObject({ exitCode: 0 });
    expect(await instanceIds(target)).toContain(gone);
    const dry = await runCommand([...deletions, '--dry-run']);
    expect(dry.stdout).toContain(`would delete  ${gone}`);
    expect(await instanceIds(target)).toContain(gone);
    const second = await runCommand(deletions);
    expect(second.stdout).toContain(`deleted  ${gone}`);
    expect(await instanceIds(target)).not.toContain(gone);
    expect((await runCommand(['verify', '--archive', archive])).stdout).toContain('sound 150,');
    expect((await runCommand(['check', source.url, target.url, '--archive', archive])).exitCode).toBe(0);
  });

  test.each([
    ['an empty source', 20, 20, []],
    ['2 % with a limit of 1 %', 100, 2, []],
    ['more than the count', 400, 3, ['--max-deletions', '2']],
  ])('%s: nothing is deleted, exit 6, the reason is printed', async (_, count, deleted, options) => {
    const { source, target, instances, deletions } = await setUp(count);
    for (const { id } of instances.slice(0, deleted)) await remove(source, `instances/${id}`);
    for (let run = 0; run < 2; run += 1) {
      const { exitCode, stderr } = await runCommand([...deletions, ...options]);
      expect(exitCode).toBe(6);
      expect(stderr).toContain('nothing was deleted');
    }
    expect(await instanceIds(target)).toHaveLength(count);
  });

  test('an instance that comes back within the grace period is not deleted', async () => {
    const { source, target, instances, deletions } = await setUp(120);
    const back = instances[3];
    if (back === undefined) throw new Error('no instance');
    await remove(source, `instances/${back.id}`);
    await runCommand(deletions);
    await storeAll(source, [back]);
    await runCommand(deletions);
    await remove(source, `instances/${back.id}`);
    await runCommand(deletions);
    expect(await instanceIds(target)).toContain(back.id);
  });
});
