import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type GeneratedInstance, generateInstance, generateInstances } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import type { OrthancServer } from '../../local/orthanc-server.ts';
import { newOrthanc, oldOrthanc } from '../../local/orthanc-versions.ts';
import { runCommand } from '../support/command.ts';
import { folderForTest, serverForTest, storeAll } from './support/scene.ts';

async function remove(server: OrthancServer, { id }: GeneratedInstance): Promise<void> {
  await fetch(new URL(`instances/${id}`, server.url), { method: 'DELETE' });
}

function third<Item>([, , item]: readonly Item[]): Item {
  if (item === undefined) throw new Error('fewer than three');
  return item;
}

describe.each([
  ['two old servers', oldOrthanc, oldOrthanc],
  ['an old and a new server', oldOrthanc, newOrthanc],
  ['two new servers', newOrthanc, newOrthanc],
])('%s', (_, sourceProgram, targetProgram) => {
  test('are equal after a run; then every difference is a line with its sign and whole id, exit 4', async () => {
    const [source, target, folder] = await Promise.all([
      serverForTest({ bin: sourceProgram().bin }),
      serverForTest({ bin: targetProgram().bin }),
      folderForTest(),
    ]);
    const archive = join(folder, 'archive');
    const instances = [...generateInstances('checked', 12, 4096)];
    await storeAll(source, instances);
    const args = [source.url, target.url, '--archive', archive];
    expect((await runCommand(['run', ...args])).exitCode).toBe(0);
    const equal = await runCommand(['check', ...args]);
    expect(equal).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('12 instances at the source') });

    const added = generateInstance(placeOfNth('added', 0), 4096);
    const foreign = generateInstance(placeOfNth('foreign', 0), 4096);
    const place = placeOfNth('twice', 0);
    await storeAll(source, [added, generateInstance(place, 4096)]);
    await storeAll(target, [foreign, generateInstance(place, 8192)]);
    await remove(source, third(instances));
    const different = await runCommand(['check', ...args]);
    expect(different.exitCode).toBe(4);
    const lines = different.stdout.split('\n').filter((line) => /^[-+*!=] /.test(line));
    const twice = generateInstance(place, 4096);
    const expected = [
      `+ ${added.id}  ${target.url}`,
      `+ ${added.id}  ${archive}`,
      `- ${foreign.id}  ${target.url}`,
      `* ${twice.id}  ${target.url}`,
      `+ ${twice.id}  ${archive}`,
      `- ${third(instances).id}  ${target.url}`,
      `- ${third(instances).id}  ${archive}`,
    ];
    const shown = (url: string): string => url.replace(/\/$/, '');
    expect(lines.map(shown).toSorted()).toEqual(expected.map(shown).toSorted());

    const byStudy = await runCommand(['check', ...args, '--level', 'study', '--json']);
    expect(byStudy.exitCode).toBe(4);
    const studies = byStudy.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .filter(({ type }) => type === 'difference');
    expect(studies.every(({ level, id }) => level === 'study' && /^[0-9a-f-]{44}$/.test(id))).toBe(true);
    expect(studies.reduce((sum, { instances: count }) => sum + count, 0)).toBe(expected.length);
  });
});

test('a comparison that cannot be completed is no answer: exit 7', async () => {
  const [source, target] = await Promise.all([serverForTest(), serverForTest()]);
  await storeAll(source, generateInstances('unanswered', 2, 4096));
  await target.kill();
  const { exitCode, stdout } = await runCommand(['check', source.url, target.url]);
  expect(exitCode).toBe(7);
  expect(stdout).not.toContain('equal');
});
