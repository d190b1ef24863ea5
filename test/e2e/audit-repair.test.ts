import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { generateInstances } from '../../local/dicom/generate.ts';
import { newOrthanc } from '../../local/orthanc-versions.ts';
import { runCommand } from '../support/command.ts';
import { folderForTest, instanceIds, serverForTest, storeAll } from './support/scene.ts';

test('files that an audit finds missing are repaired from the archive through the server, with their metadata', async () => {
  const [server, folder] = await Promise.all([
    serverForTest({ bin: newOrthanc().bin, config: { MaximumStorageCacheSize: 0 } }),
    folderForTest(),
  ]);
  await storeAll(server, generateInstances('audited', 20, 4096));
  const ids = await instanceIds(server);
  for (const id of ids) {
    const answer = await fetch(new URL(`instances/${id}/metadata/1100`, server.url), { method: 'PUT', body: id });
    expect(answer.ok).toBe(true);
  }
  const archive = join(folder, 'archive');
  expect((await runCommand(['run', server.url, '--archive', archive])).exitCode).toBe(0);
  const entries = await readdir(server.storageFolder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && /^[0-9a-f-]{36}$/.test(entry.name));
  for (const { parentPath, name } of files.slice(0, 5)) await rm(join(parentPath, name));

  const subject = ['--index', join(server.storageFolder, 'index'), '--storage', server.storageFolder, '--margin', '0s'];
  const found = await runCommand(['audit', ...subject, '--json']);
  expect(found).toMatchObject({ exitCode: 4, stdout: expect.stringContaining('"missing":5') });
  const repaired = await runCommand(['audit', ...subject, '--archive', archive, '--repair', '--to', server.url]);
  expect(repaired.exitCode, repaired.stdout + repaired.stderr).toBe(0);
  expect(repaired.stdout.match(/^repaired {2}/gm)).toHaveLength(5);
  expect((await runCommand(['audit', ...subject])).exitCode).toBe(0);
  expect((await runCommand(['verify', '--target', server.url])).exitCode).toBe(0);
  for (const id of ids) {
    const answer = await fetch(new URL(`instances/${id}/metadata/1100`, server.url));
    expect(await answer.text()).toBe(id);
  }
});

test('a repair without a server or an archive is refused with exit code 2', async () => {
  const folder = await folderForTest();
  const { exitCode } = await runCommand(['audit', '--index', join(folder, 'index'), '--storage', folder, '--repair']);
  expect(exitCode).toBe(2);
});
