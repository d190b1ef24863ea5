import '../support/quick-passphrases.ts';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { BackupResult } from '../../core/host/backup/back-up-host.ts';
import { underBackupLease } from '../../core/host/backup/backup-lease.ts';
import { Keyring } from '../../core/host/backup/backup-secrets.ts';
import { listBackupIds, readAuthentic } from '../../core/host/backup/found-backups.ts';
import { HeldFiles } from '../../core/host/backup/held-files.ts';
import { restoreHost } from '../../core/host/backup/restore-host.ts';
import { HeldFolder } from '../../core/orthanc-disk/files/held-folder.ts';
import { HostScene, hostKeyring, writeRested } from '../support/host-scene.ts';

const secret = Buffer.from('root only: c0ffee');

let scene: HostScene;
beforeEach(() => {
  scene = new HostScene();
  writeFileSync(join(scene.root, 'secret'), secret);
});
afterEach(() => scene[Symbol.asyncDispose]());

/** Whether bytes lie anywhere in the archive. */
function archiveHolds(bytes: Buffer): boolean {
  const files = readdirSync(scene.archive, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.some(({ parentPath, name }) => readFileSync(join(parentPath, name)).includes(bytes));
}

async function restore(): Promise<string> {
  const folder = join(scene.root, 'restored');
  const backup = await readAuthentic(scene.objects, scene.keys, undefined, hostKeyring);
  await restoreHost(backup, scene.objects, scene.keys, { folder }, { database: undefined });
  return folder;
}

const refusedOf = ({ refused }: BackupResult) => refused.map(({ file, reason }) => [file.uuid, reason]);

describe('a backup reads only what the configuration names', () => {
  /** Replaces a storage file. */
  const replaced = (put: (path: string) => void): string => {
    const path = scene.addFile(secret);
    rmSync(path);
    put(path);
    return path;
  };

  it.each([
    ['a link to another file', (path: string) => symlinkSync(join(scene.root, 'secret'), path), /is a link/],
    ['a pipe', (path: string) => void execFileSync('mkfifo', [path]), /no regular file/],
    ['a folder', (path: string) => mkdirSync(path), /is a folder/],
    [
      'below a link to another folder',
      (path: string) => {
        const away = join(scene.root, 'away');
        mkdirSync(away);
        writeRested(join(away, path.slice(-36)), secret);
        rmSync(dirname(path), { recursive: true });
        symlinkSync(away, dirname(path));
      },
      /reached through a link/,
    ],
  ])('and not a storage file that is %s: it is named, and everything else saved', async (_, put, reason) => {
    const path = replaced(put);
    scene.addFile();
    const result = await scene.backUp();
    expect(refusedOf(result)).toEqual([[path.slice(-36), expect.stringMatching(reason)]]);
    expect(result.manifest.storage).toMatchObject({ files: 1, missing: 1 });
    expect(archiveHolds(secret)).toBe(false);
  });

  it.each([
    ['an absolute path elsewhere', () => ({ p: join(scene.root, 'secret') }), /lies outside of the folders/],
    ['a path above the storage', () => ({ p: '../../secret' }), /lies outside of the folders/],
    ['a storage that is not configured', () => ({ p: 'secret', s: '7' }), /does not name/],
  ])('and not what a row of the index says by %s', async (_, place, reason) => {
    const uuid = scene.addRow({ customData: JSON.stringify({ v: 1, o: false, ...place() }) }, secret);
    const result = await scene.backUp();
    expect(refusedOf(result)).toEqual([[uuid, expect.stringMatching(reason)]]);
    expect(JSON.stringify(result.refused.map(({ reason: told }) => told))).not.toContain(scene.root);
    expect(archiveHolds(secret)).toBe(false);
  });

  it('but also the folders of the advanced-storage plugin, and restores them beside the storage', async () => {
    const [disk, adopted] = [join(scene.root, 'disk'), join(scene.root, 'adopted')];
    const { root } = scene;
    onTestFinished(() => rmSync(root, { recursive: true }));
    await scene[Symbol.asyncDispose]();
    scene = new HostScene({
      AdvancedStorage: {
        Enable: true,
        MultipleStorages: { Storages: { 2: disk }, CurrentWriteStorage: '2' },
        Indexer: { Folders: [adopted] },
      },
    });
    const [own, one, two] = [randomBytes(50), randomBytes(60), randomBytes(70)];
    writeRested(join(disk, 'DOE', 'one.dcm'), one);
    writeRested(join(adopted, 'two.dcm'), two);
    const ownPath = scene.addFile(own);
    scene.addRow({ customData: JSON.stringify({ v: 1, o: true, p: 'DOE/one.dcm', s: '2' }) }, one);
    scene.addRow({ customData: JSON.stringify({ v: 1, o: false, p: join(adopted, 'two.dcm') }) }, two);
    expect(await scene.backUp()).toMatchObject({ missing: [], refused: [], damaged: [] });
    const folder = await restore();
    expect(readFileSync(join(folder, 'storage', ownPath.slice(scene.storage.length)))).toEqual(own);
    expect(readFileSync(join(folder, 'storage-1', 'DOE', 'one.dcm'))).toEqual(one);
    expect(readFileSync(join(folder, 'storage-2', 'two.dcm'))).toEqual(two);
    rmSync(disk, { recursive: true });
    rmSync(adopted, { recursive: true });
  });

  it('and no index that is a link or a pipe', async () => {
    scene.addFile();
    scene.writeIndex();
    renameSync(scene.index, join(scene.root, 'elsewhere'));
    symlinkSync(join(scene.root, 'elsewhere'), scene.index);
    await expect(scene.backUpAgain()).rejects.toMatchObject({ code: 'refused' });
    rmSync(scene.index);
    execFileSync('mkfifo', [scene.index]);
    await expect(scene.backUpAgain()).rejects.toMatchObject({ code: 'refused' });
    expect(await listBackupIds(scene.objects, scene.keys)).toEqual([]);
  });
});

describe('files that come while a backup is under way', () => {
  it('are held from the moment of the index, and saved although the server deletes them then', async () => {
    scene.addFile();
    const bytes = randomBytes(500);
    const young = scene.addFile(bytes);
    // Too young to be copied before the index is taken.
    writeFileSync(young, bytes);
    const { objects } = scene;
    const putOnce = objects.putOnce.bind(objects);
    objects.putOnce = (key, ...rest) => {
      // The first piece that is saved is the index: from then on the server may delete what it names.
      if (key.includes('/blobs/')) rmSync(young, { force: true });
      return putOnce(key, ...rest);
    };
    expect(await scene.backUp({ omitConfiguration: true })).toMatchObject({ missing: [], copiedFiles: 2 });
    expect(readFileSync(join(await restore(), 'storage', young.slice(scene.storage.length)))).toEqual(bytes);
  });

  it('are copied when no more can be held open', async () => {
    for (const text of ['a', 'b', 'c']) writeFileSync(join(scene.root, text), text);
    await using folder = await HeldFolder.open(scene.root);
    await using held = new HeldFiles(join(scene.root, 'copies'), 1);
    for (const name of ['a', 'b', 'c']) {
      const file = await folder.openFile(name);
      if (file !== undefined) await held.hold(name, file);
      rmSync(join(scene.root, name));
    }
    expect(readdirSync(join(scene.root, 'copies')).sort()).toEqual(['b', 'c']);
    for (const name of ['a', 'b', 'c']) {
      expect(held.has(name)).toBe(true);
      const file = await held.take(name);
      await using handle = file?.handle;
      expect(await handle?.readFile('utf8')).toBe(name);
    }
    expect(await held.take('d')).toBeUndefined();
  });
});

describe('a second backup', () => {
  it('reads no file again that the first one lists, and lists it with the same hashes', async () => {
    const path = scene.addFile(Buffer.from('as it was'));
    await scene.backUp();
    // Damage that leaves the size: were it read, it would be saved as a damaged file.
    writeRested(path, Buffer.from('as it IS!'));
    expect(await scene.backUp()).toMatchObject({ copiedFiles: 0, damaged: [] });
    expect(readFileSync(join(await restore(), 'storage', path.slice(scene.storage.length)), 'utf8')).toBe('as it was');
  });

  it('reads everything again if the list of the first is damaged, and copies nothing twice', async () => {
    scene.addFile();
    const { manifest } = await scene.backUp();
    rmSync(scene.objectPath(`host-backups/pacs/blobs/${manifest.storage.list.sha256}`));
    expect(await scene.backUp()).toMatchObject({ copiedFiles: 0, missing: [] });
    await restore();
  });

  it('with another passphrase leaves the first as it is, and says so', async () => {
    scene.addFile();
    const first = await scene.backUp();
    const keyring = new Keyring('another passphrase');
    const second = await scene.backUp({ keyring });
    expect(second).toMatchObject({ unprovenBefore: 1, copiedFiles: 0 });
    const { objects, keys } = scene;
    const read = (id: string, ring: Keyring) => readAuthentic(objects, keys, id, ring);
    expect(await read(first.manifest.backup, hostKeyring)).toMatchObject({ isAuthentic: true });
    expect(await read(second.manifest.backup, keyring)).toMatchObject({ isAuthentic: true });
    await expect(read(first.manifest.backup, keyring)).rejects.toMatchObject({ code: 'not-authentic' });
  });
});

describe('an index that is damaged', () => {
  it('is no backup, although every row of it can be read', async () => {
    scene.addFile();
    scene.writeIndex();
    damageIndex(scene.index);
    await expect(scene.backUpAgain()).rejects.toMatchObject({ code: 'answer-malformed' });
    expect(await listBackupIds(scene.objects, scene.keys)).toEqual([]);
  });
});

/** Overwrites a page that only SQLite's own check looks at. */
function damageIndex(path: string): void {
  const database = new DatabaseSync(path);
  database.exec('CREATE TABLE extra(name TEXT); CREATE INDEX extraByName ON extra(name)');
  const insert = database.prepare('INSERT INTO extra VALUES (?)');
  for (let n = 0; n < 20; n += 1) insert.run(`name ${n}`);
  const { page } =
    database.prepare("SELECT rootpage AS page FROM sqlite_master WHERE name = 'extraByName'").get() ?? {};
  const { size } = database.prepare('SELECT page_size AS size FROM pragma_page_size').get() ?? {};
  database.close();
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(100, 0x41), 0, 100, Number(page) * Number(size) - 100);
  closeSync(file);
}

describe('of two who work on the backups of a host', () => {
  const leasePath = () => scene.objectPath('state/host-backups/pacs.json');
  const held = (owner: string) => {
    mkdirSync(dirname(leasePath()), { recursive: true });
    const lease = { owner, fencing: 1, expiresAtMs: Date.now() + 600_000 };
    writeFileSync(leasePath(), JSON.stringify(lease));
  };

  it('the second is told that somebody is at work, and does nothing', async () => {
    scene.addFile();
    await underBackupLease(scene.objects, scene.keys, undefined, async () => {
      await expect(scene.backUp()).rejects.toMatchObject({ code: 'busy' });
    });
    expect(await listBackupIds(scene.objects, scene.keys)).toEqual([]);
    expect(await scene.backUp()).toMatchObject({ missing: [] });
  });

  it('one of this machine that ended is not waited for, one of another machine is', async () => {
    scene.addFile();
    held(`${hostname()}/999999999/x`);
    expect(await scene.backUp()).toMatchObject({ missing: [] });
    held('elsewhere/999999999/x');
    await expect(scene.backUp()).rejects.toMatchObject({ code: 'busy' });
  });

  it('the first writes no backup after the second took over', async () => {
    scene.addFile();
    const backup = scene.backUp({ onSaved: () => held('elsewhere/1/x') });
    await expect(backup).rejects.toMatchObject({ code: 'lease-lost' });
    expect(await listBackupIds(scene.objects, scene.keys)).toEqual([]);
  });
});

describe('a work folder', () => {
  it('is gone after a backup, and what others left in its place is not touched', async () => {
    const work = join(scene.root, 'work');
    const left = join(work, '.orthanc-mirror-work-999999999-abcdef');
    mkdirSync(join(left, 'sub'), { recursive: true, mode: 0o700 });
    // A folder of that name that others may look into was not made by this program.
    const others = join(work, '.orthanc-mirror-work-999999998-abcdef');
    mkdirSync(others, { mode: 0o755 });
    symlinkSync(scene.storage, join(work, '.orthanc-mirror-work-999999997-abcdef'));
    scene.addFile();
    await scene.backUp({ workFolder: work });
    expect(readdirSync(work).sort()).toEqual([
      '.orthanc-mirror-work-999999997-abcdef',
      '.orthanc-mirror-work-999999998-abcdef',
    ]);
    expect(statSync(scene.index).isFile()).toBe(true);
  });
});
