/** A mirror on one machine that somebody paused. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { generateInstances } from '../../local/dicom/generate.ts';
import { runCommand } from '../support/command.ts';
import { folderForTest, instanceIds, serverForTest, storeAll } from './support/scene.ts';

async function configuredMirror() {
  const [source, standby, research] = await Promise.all([serverForTest(), serverForTest(), serverForTest()]);
  const folder = await folderForTest();
  const archive = join(folder, 'archive');
  const config = join(folder, 'mirror.json');
  const targets = { standby: { url: standby.url }, research: { url: research.url } };
  const main = { source: { url: source.url }, targets, archive: { folder: archive } };
  await writeFile(config, JSON.stringify({ mirrors: { main } }));
  const command = (name: string, ...options: string[]) => runCommand([name, 'main', '--config', config, ...options]);
  return { source, standby, research, archive, command };
}

test('copies nothing before it is resumed; one paused target is left out and catches up', async () => {
  const { source, standby, research, archive, command } = await configuredMirror();
  await storeAll(source, generateInstances('paused', 4, 4096));
  expect(await command('pause', '--target', 'standby', '--reason', 'moving house')).toMatchObject({ exitCode: 0 });
  const one = await command('run', '--json');
  expect(one).toMatchObject({ exitCode: 7, stdout: expect.stringContaining('moving house') });
  expect([(await instanceIds(standby)).length, (await instanceIds(research)).length]).toEqual([0, 4]);

  await storeAll(source, generateInstances('paused later', 4, 4096));
  await command('pause');
  const whole = await command('run', '--json');
  expect(whole).toMatchObject({ exitCode: 7, stdout: expect.stringContaining('"code":"paused"') });
  expect((await instanceIds(research)).length).toBe(4);
  expect(await command('run', '--dry-run')).toMatchObject({ exitCode: 0 });

  await command('resume');
  expect(await command('run')).toMatchObject({ exitCode: 0 });
  expect([(await instanceIds(standby)).length, (await instanceIds(research)).length]).toEqual([8, 8]);
  const state: unknown = JSON.parse(await readFile(join(archive, 'state', 'pause.json'), 'utf8'));
  expect(state).toMatchObject({ pauses: {} });
});
