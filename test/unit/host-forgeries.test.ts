import '../support/quick-passphrases.ts';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isMirrorError } from '../../core/errors.ts';
import { backUpHost } from '../../core/host/backup/back-up-host.ts';
import { hostKeys } from '../../core/host/backup/backup-keys.ts';
import { Keyring } from '../../core/host/backup/backup-secrets.ts';
import { checkBackup } from '../../core/host/backup/check-backup.ts';
import { listBackupIds, readAuthentic, readFound } from '../../core/host/backup/found-backups.ts';
import { removeOldBackups } from '../../core/host/backup/remove-backups.ts';
import { restoreHost, restoreUnproven } from '../../core/host/backup/restore-host.ts';
import { readOrthancHost } from '../../core/orthanc-disk/orthanc-host.ts';
import { FolderObjects } from '../../core/stores/archive/folder-objects.ts';
import { HostArchive } from '../support/forged-host-archive.ts';
import { dangersIn, treeOf } from '../support/forgery.ts';
import { HostScene, hostKeyring } from '../support/host-scene.ts';
import { hostBackupForgeries } from '../support/hostile-host-backup.ts';

/** Forgeries after which the newest backup that is still there is as good as before. */
const harmless = new Set([
  'adds a version of a storage file',
  'puts a folder in the place of a manifest',
  'removes the newest manifest',
  'gives a host a name that a terminal obeys',
  'says that somebody else is at work, for ever',
  'writes nonsense where it says who is at work',
]);

const keys = hostKeys('pacs');
const keepAll = { daily: 7, weekly: 0, monthly: 0 };
let scene: HostScene;
/** What a restore of each backup gives, by name. */
const genuine = new Map<string, ReadonlyMap<string, string>>();

beforeAll(async () => {
  scene = new HostScene({ LuaScripts: ['filter.lua'] });
  writeFileSync(join(scene.root, 'etc', 'filter.lua'), '-- a script');
  mkdirSync(join(scene.root, 'victim'));
  writeFileSync(join(scene.root, 'victim', 'precious'), 'precious');
  scene.addFile();
  const first = await scene.backUp();
  scene.addFile();
  scene.addFile();
  const second = await scene.backUp();
  await scene.backDate(first.manifest, new Date(Date.now() - 24 * 3_600_000));
  await scene.backUpAgain({ keyring: new Keyring('the passphrase of another host') }, hostKeys('other'));
  await scene.backUpAgain({}, hostKeys('twin'));
  for (const { id } of [await newestOf(scene.objects), await oldestOf(scene.objects)]) {
    const target = join(scene.root, 'genuine', id);
    await restoreHost(
      await authentic(scene.objects, id),
      scene.objects,
      keys,
      { folder: target },
      { database: undefined },
    );
    genuine.set(id, treeOf(target));
  }
  expect([...genuine.keys()][0]).toBe(second.manifest.backup);
});
afterAll(() => scene[Symbol.asyncDispose]());

const authentic = (objects: FolderObjects, id?: string) => readAuthentic(objects, keys, id, hostKeyring);
const newestOf = (objects: FolderObjects) => authentic(objects);
async function oldestOf(objects: FolderObjects) {
  return authentic(objects, (await listBackupIds(objects, keys))[0]);
}

/** An error of known meaning is as good as a result; any other is a defect. */
async function outcomeOf<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (!isMirrorError(error)) throw error;
    return undefined;
  }
}

test.each(hostBackupForgeries)('nothing comes of it that somebody $name', async ({ name, forge }) => {
  const root = mkdtempSync(join(tmpdir(), 'host-forgery-'));
  const archive = join(root, 'archive');
  cpSync(scene.archive, archive, { recursive: true, preserveTimestamps: true });
  const objects = new FolderObjects(archive);
  try {
    const before = treeOf(scene.root);
    await forge(new HostArchive(join(archive, 'host-backups', 'pacs'), join(scene.root, 'victim')));

    const restored = await outcomeOf(restoreTo(objects, join(root, 'newest')));
    expect(restored === undefined).toBe(!harmless.has(name));
    for (const id of await listBackupIds(objects, keys)) {
      await outcomeOf(restoreTo(objects, join(root, `restored-${id}`), id));
      await restoreForged(objects, join(root, `forged-${id}`), id);
    }
    if (!harmless.has(name)) expect(await flawsOf(objects)).not.toEqual([]);
    await keepsEverything(objects, archive);
    await outcomeOf(backUpAndRestore(objects, join(root, 'after')));
    // Nobody was harmed.
    expect(treeOf(scene.root)).toEqual(before);
  } finally {
    await objects.close();
    rmSync(root, { recursive: true, force: true });
  }
});

/** Restores a backup; whatever is written is what a genuine backup holds, whether it comes to its end or not. */
async function restoreTo(objects: FolderObjects, target: string, id?: string): Promise<string> {
  const backup = await authentic(objects, id);
  const wanted = genuine.get(backup.id);
  if (wanted === undefined) throw new Error('a forged backup passes for an authentic one');
  try {
    await restoreHost(backup, objects, keys, { folder: target }, { database: undefined });
    expect(treeOf(target)).toEqual(wanted);
    return backup.id;
  } catch (error) {
    for (const [path, content] of treeOf(target)) {
      if (path !== '.orthanc-mirror-restore.json') expect([path, content]).toEqual([path, wanted.get(path)]);
    }
    throw error;
  }
}

async function restoreForged(objects: FolderObjects, target: string, id: string): Promise<void> {
  const found = await readFound(objects, keys, id, undefined);
  if (found.isAuthentic) throw new Error('authentic without a passphrase');
  mkdirSync(target);
  await outcomeOf(restoreUnproven(found, objects, keys, target, {}));
  expect(dangersIn(target)).toEqual([]);
}

async function flawsOf(objects: FolderObjects): Promise<readonly string[]> {
  const flaws: string[] = [];
  for (const id of await listBackupIds(objects, keys)) {
    const found = await readFound(objects, keys, id, hostKeyring);
    if (!found.isAuthentic) flaws.push(found.reason);
    else {
      const checked = checkBackup(found.manifest, objects, keys, { readBytes: true });
      for await (const { part, reason } of checked) flaws.push(`${part} ${reason}`);
    }
  }
  return flaws;
}

/** A rule that keeps all backups removes nothing of what was there, whoever made it. */
async function keepsEverything(objects: FolderObjects, archive: string): Promise<void> {
  const parts = ['backups', 'blobs', 'files'].map((part) => join(archive, 'host-backups', 'pacs', part));
  const before = parts.map((part) => [...treeOf(part).keys()]);
  const options = { keyring: hostKeyring, maxRemovals: 10, dryRun: false, onPlan: () => undefined };
  await outcomeOf(removeOldBackups(objects, keys, keepAll, options));
  const after = new Set(parts.flatMap((part) => [...treeOf(part).keys()].map((path) => `${part}/${path}`)));
  const original = join(scene.archive, 'host-backups', 'pacs');
  parts.forEach((part, number) => {
    const genuinePaths = new Set(treeOf(join(original, ['backups', 'blobs', 'files'][number] ?? '')).keys());
    const lost = (before[number] ?? []).filter((path) => genuinePaths.has(path) && !after.has(`${part}/${path}`));
    expect(lost).toEqual([]);
  });
}

/** A new backup on top of the forgery is good, or cannot be restored; it is never another one. */
async function backUpAndRestore(objects: FolderObjects, target: string): Promise<void> {
  const { manifest } = await backUpHost(await readOrthancHost(scene.configPath, {}), objects, keys, {
    keyring: hostKeyring,
    omitConfiguration: false,
    allowMissing: true,
    tries: 1,
  });
  const backup = await authentic(objects, manifest.backup);
  await restoreHost(backup, objects, keys, { folder: target }, { database: undefined });
  const [wanted] = genuine.values();
  expect(treeOf(target)).toEqual(wanted);
}
