import '../support/quick-passphrases.ts';
import { readFileSync, renameSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Keyring } from '../../core/host/backup/backup-secrets.ts';
import { type BackupFlaw, checkBackup } from '../../core/host/backup/check-backup.ts';
import { listBackupIds, readAuthentic } from '../../core/host/backup/found-backups.ts';
import { type RemovalOptions, type RemovalPlan, removeOldBackups } from '../../core/host/backup/remove-backups.ts';
import type { RetentionRule } from '../../core/host/backup/retention.ts';
import { HostArchive } from '../support/forged-host-archive.ts';
import { treeOf } from '../support/forgery.ts';
import { HostScene, hostKeyring } from '../support/host-scene.ts';
import { hostBackupForgeries } from '../support/hostile-host-backup.ts';

const dayMs = 86_400_000;
const newestOnly: RetentionRule = { daily: 1, weekly: 0, monthly: 0 };

let scene: HostScene;
beforeEach(() => {
  scene = new HostScene();
});
afterEach(() => scene[Symbol.asyncDispose]());

/** Makes a backup of each of the last so many days, each of one file more. @returns their names, oldest first. */
async function daily(days: number): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let ago = days - 1; ago >= 0; ago -= 1) {
    scene.addFile(Buffer.from(`file of ${ago} days ago`));
    const { manifest } = await scene.backUp({ omitConfiguration: true });
    ids.push(ago === 0 ? manifest.backup : await scene.backDate(manifest, new Date(Date.now() - ago * dayMs)));
  }
  return ids;
}

const ids = () => listBackupIds(scene.objects, scene.keys);
const archived = () => treeOf(join(scene.archive, 'host-backups'));

async function prune(rule: RetentionRule, options: Partial<RemovalOptions> = {}) {
  const plans: RemovalPlan[] = [];
  const onPlan = (plan: RemovalPlan) => void plans.push(plan);
  const all = { keyring: hostKeyring, maxRemovals: 10, dryRun: false, onPlan, ...options };
  const removal = await removeOldBackups(scene.objects, scene.keys, rule, all);
  return { ...removal, plan: plans[0] };
}

async function flawsOf(id: string, readBytes = false): Promise<BackupFlaw[]> {
  const { manifest } = await readAuthentic(scene.objects, scene.keys, id, hostKeyring);
  return Array.fromAsync(checkBackup(manifest, scene.objects, scene.keys, { readBytes }));
}

describe('removing old backups', () => {
  it('removes what the rule does not keep, and everything that only that named', async () => {
    const [oldest = '', middle = '', newest = ''] = await daily(3);
    const { removed, plan } = await prune(newestOnly);
    expect(plan?.remove.map(({ id }) => id).sort()).toEqual([oldest, middle]);
    expect([...removed].sort()).toEqual([oldest, middle]);
    expect(await ids()).toEqual([newest]);
    expect(await flawsOf(newest, true)).toEqual([]);
    const { removedFiles, removedPieces } = await prune(newestOnly);
    expect([removedFiles, removedPieces]).toEqual([0, 0]);
  });

  it('tells what it would remove, and removes nothing, in a dry run', async () => {
    await daily(2);
    const before = archived();
    const { plan, removed } = await prune(newestOnly, { dryRun: true });
    expect(plan?.remove).toHaveLength(1);
    expect(removed).toEqual([]);
    expect(archived()).toEqual(before);
  });

  it('removes no more at once than it may, and then nothing', async () => {
    await daily(4);
    const before = archived();
    await expect(prune(newestOnly, { maxRemovals: 2 })).rejects.toMatchObject({
      code: 'deletion-guard',
      message: expect.stringMatching(/3 backups would be removed.*allow for 3 removals/),
    });
    expect(archived()).toEqual(before);
    expect((await prune(newestOnly, { maxRemovals: 3 })).removed).toHaveLength(3);
  });

  it('keeps the newest whatever the rule says', async () => {
    const made = await daily(2);
    await prune({ daily: 0, weekly: 0, monthly: 0 });
    expect(await ids()).toEqual(made.slice(-1));
  });

  it('keeps the newest that is complete, and removes none for one that is not', async () => {
    const [, complete = '', damaged = ''] = await daily(3);
    const { storage } = (await readAuthentic(scene.objects, scene.keys, damaged, hostKeyring)).manifest;
    rmSync(scene.objectPath(`host-backups/pacs/blobs/${storage.list.sha256}`));
    const { plan, leftBecause } = await prune(newestOnly);
    expect(plan).toMatchObject({ keep: [complete], uncounted: [{ id: damaged }] });
    expect(await ids()).toEqual([complete, damaged]);
    expect(leftBecause).toMatch(/is damaged/);
    expect(await flawsOf(complete, true)).toEqual([]);
  });

  it('removes nothing where no backup is complete', async () => {
    const [only = ''] = await daily(1);
    const { index } = (await readAuthentic(scene.objects, scene.keys, only, hostKeyring)).manifest;
    rmSync(scene.objectPath(`host-backups/pacs/blobs/${index.document.sha256}`));
    const before = archived();
    await expect(prune(newestOnly)).rejects.toMatchObject({ code: 'deletion-guard' });
    expect(archived()).toEqual(before);
  });

  it('leaves what came after the newest backup: the next one uses it', async () => {
    await daily(1);
    const archive = new HostArchive(scene.objectPath('host-backups/pacs'), scene.root);
    archive.file('ffffffff-ffff-4fff-bfff-ffffffffffff', Buffer.from('of an interrupted run'));
    const later = new Date(Date.now() + 60_000);
    utimesSync(archive.firstFile, later, later);
    expect(await prune(newestOnly)).toMatchObject({ removedFiles: 0 });
  });
});

describe('removing old backups believes no manifest', () => {
  it('that somebody forged: eleven of the future remove none of the genuine', async () => {
    const made = await daily(3);
    const forgery = hostBackupForgeries.find(({ name }) => name === 'makes backups of eleven days of the future');
    await forgery?.forge(new HostArchive(scene.objectPath('host-backups/pacs'), scene.root));
    const { removed, plan, leftBecause } = await prune({ daily: 7, weekly: 4, monthly: 0 });
    expect(removed).toEqual([]);
    expect(plan?.uncounted).toHaveLength(11);
    expect(leftBecause).toMatch(/11 backups are not authenticated/);
    for (const id of made) expect(await flawsOf(id, true)).toEqual([]);
  });

  it('of the future that is authentic: the clock of the host was wrong', async () => {
    const [first = '', second = ''] = await daily(2);
    const { manifest } = await readAuthentic(scene.objects, scene.keys, second, hostKeyring);
    const future = await scene.backDate(manifest, new Date('2999-01-01T00:00:00Z'));
    const { plan, removed } = await prune(newestOnly);
    expect(plan).toMatchObject({ keep: [first], uncounted: [{ id: future }] });
    expect(removed).toEqual([]);
  });

  it('whose time and that of the archive differ: it was copied, or written again', async () => {
    const [first = '', second = '', third = ''] = await daily(3);
    const path = scene.objectPath(`host-backups/pacs/backups/${first}.json`);
    writeFileSync(path, readFileSync(path));
    const { plan, removed } = await prune(newestOnly);
    expect(plan).toMatchObject({ keep: [third], uncounted: [{ id: first }] });
    expect(removed).toEqual([second]);
    expect(await flawsOf(first, true)).toEqual([]);
  });

  it('of another passphrase, and takes nothing from it', async () => {
    await daily(2);
    const keyring = new Keyring('another passphrase');
    scene.addFile();
    await scene.backUp({ keyring, omitConfiguration: true });
    const { plan, removed, leftBecause } = await prune(newestOnly, { keyring });
    expect(plan?.uncounted).toHaveLength(2);
    expect(removed).toEqual([]);
    expect(leftBecause).toMatch(/2 backups are not authenticated/);
    for (const id of (await ids()).slice(0, 2)) expect(await flawsOf(id, true)).toEqual([]);
  });
});

describe('a check by names and sizes', () => {
  it('finds a file and a piece that were cut, or are gone', async () => {
    const [id = ''] = await daily(1);
    const { index } = (await readAuthentic(scene.objects, scene.keys, id, hostKeyring)).manifest;
    const archive = new HostArchive(scene.objectPath('host-backups/pacs'), scene.root);
    const { firstFile } = archive;
    const uuid = dirname(firstFile).slice(-36);
    truncateSync(firstFile, 5);
    expect(await flawsOf(id)).toEqual([{ part: 'file', name: uuid, reason: 'damaged' }]);
    renameSync(firstFile, `${firstFile}.away`);
    expect(await flawsOf(id)).toEqual([{ part: 'file', name: uuid, reason: 'missing' }]);
    const piece = { part: 'piece', name: index.document.sha256 };
    truncateSync(archive.indexPiece, 5);
    expect(await flawsOf(id)).toEqual([{ ...piece, reason: 'damaged' }]);
    rmSync(archive.indexPiece);
    expect(await flawsOf(id)).toEqual([{ ...piece, reason: 'missing' }]);
  });
});
