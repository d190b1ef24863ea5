/**
 * An archive that somebody else could write to: whatever was forged in it, no command writes outside of what it was
 * told, changes what is archived, waits for ever, or restores what is not genuine without a word.
 */
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { md5Of } from '../../core/identifiers.ts';
import type { CommandResult } from '../support/command.ts';
import { treeOf } from '../support/forgery.ts';
import { type ArchiveScene, archiveForgeries, contentsOf, makeArchive } from '../support/hostile-archive.ts';
import { runInProcess } from '../support/in-process-command.ts';

let genuine: ArchiveScene;
let all: string;
beforeAll(async () => {
  all = await mkdtemp(join(tmpdir(), 'orthanc-mirror-forged-'));
  genuine = await makeArchive(join(all, 'genuine'));
});
afterAll(() => rm(all, { recursive: true, force: true }));

let base: string;
let scene: ArchiveScene;
beforeEach(async () => {
  base = await mkdtemp(join(all, 'case-'));
  scene = { ...genuine, folder: join(base, 'archive') };
  await cp(genuine.folder, scene.folder, { recursive: true, preserveTimestamps: true });
  await mkdir(join(base, 'outside'));
  await writeFile(join(base, 'outside/canary'), 'canary');
});
afterEach(() => rm(base, { recursive: true, force: true }));

async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
}

/** Where is restored to: now, and for a moment. */
const restored = () => [join(base, 'to'), join(base, 'to-past')];

async function filesRestored(): Promise<readonly string[]> {
  return (await Promise.all(restored().map(filesBelow))).flat();
}

const commands = {
  restore: () => runInProcess('restore', '--archive', scene.folder, '--to', join(base, 'to')),
  restoreAt: () =>
    runInProcess('restore', '--archive', scene.folder, '--to', join(base, 'to-past'), '--at', '2999-01-01'),
  verify: () => runInProcess('verify', '--archive', scene.folder),
  find: () => runInProcess('find', '--archive', scene.folder),
} as const;
type Command = keyof typeof commands;

/** What lies in the folders to restore to is what was archived, and nothing else; or the user was told. */
async function expectGenuine(told: string): Promise<void> {
  const names = new Map(scene.instances.map(({ id, md5 }) => [`${id}.dcm`, md5]));
  for (const path of await filesRestored()) {
    if (path.includes('/.tmp/')) continue;
    const bytes = await readFile(path);
    const name = path.split('/').at(-1) ?? '';
    if (/\/to(?:-past)?\/unidentified\//.test(path)) expect(told).toContain('unidentified/');
    else if (path.endsWith('.dcm')) expect(md5Of(bytes), path).toBe(names.get(name));
    else if (path.includes('/attachments/')) expect(bytes.toString(), path).toBe(String(Buffer.from(scene.attachment)));
    else expect(z.looseObject({ id: z.string() }).parse(JSON.parse(bytes.toString())).id).toMatch(/^[0-9a-f-]{44}$/);
  }
}

test('a genuine archive is restored, verified and found', async () => {
  for (const command of Object.keys(commands) as Command[]) {
    expect(await commands[command](), command).toMatchObject({ exitCode: 0, stderr: '' });
  }
  expect((await filesRestored()).filter((path) => path.endsWith('.dcm'))).toHaveLength(2 * 3);
  await expectGenuine('');
});

test('every kind of object is forged, in at least fifteen ways', () => {
  expect(archiveForgeries.length).toBeGreaterThanOrEqual(15);
  const kinds = ['keys', 'manifest', 'history', 'sidecar', 'attachment', 'catalogue', 'state', 'instance'];
  expect([...new Set(archiveForgeries.map((forgery) => forgery.of))].toSorted()).toEqual(kinds.toSorted());
});

describe('forged', () => {
  test.each(archiveForgeries)('$name', async ({ forge, toldBy }) => {
    await forge(scene);
    const before = await contentsOf(scene.folder).catch(() => undefined);
    const outside = treeOf(base, [scene.folder]);
    const ends = new Map<Command, CommandResult>();
    for (const command of Object.keys(commands) as Command[]) ends.set(command, await commands[command]());

    for (const [command, { exitCode, stdout, stderr }] of ends) {
      const told = `${command}: exit ${exitCode}\n${stdout}${stderr}`;
      // Not a defect of ours, and not an interruption.
      expect([0, 2, 3, 4, 5, 7], told).toContain(exitCode);
      expect(`${stdout}${stderr}`, told).not.toMatch(/(?!\n)\p{Cc}/u);
      if (toldBy.includes(command)) expect(exitCode, told).not.toBe(0);
    }
    await expectGenuine(`${ends.get('restore')?.stderr}${ends.get('restoreAt')?.stderr}`);
    expect(treeOf(base, [scene.folder, ...restored()])).toEqual(outside);
    expect(await contentsOf(scene.folder).catch(() => undefined)).toEqual(before);
  });
});
