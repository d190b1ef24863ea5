/** A folder archive in which somebody put what is no file: nobody waits for it, and nothing leaves the folder by it. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { walkFolder } from '../../core/import/walk-folder.ts';
import { isSqliteFile } from '../../core/orthanc-disk/index/sqlite-database.ts';
import { type Archive, openArchive } from '../../core/stores/archive/archive.ts';
import { FolderObjects } from '../../core/stores/archive/folder-objects.ts';
import { instanceKey, stateKey } from '../../core/stores/archive/keys.ts';
import { generateInstance } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';

const [first, second] = [0, 1].map((n) => generateInstance(placeOfNth('special', n), 4096)) as [
  ReturnType<typeof generateInstance>,
  ReturnType<typeof generateInstance>,
];

let base: string;
let folder: string;
let outside: string;
let archive: Archive;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'special-'));
  [folder, outside] = [join(base, 'archive'), join(base, 'outside')];
  await mkdir(outside);
  archive = await openArchive(new FolderObjects(folder, { name: 'backup' }), { createFor: { name: 'test' } });
  await archive.store(first, first.bytes);
});
afterEach(async () => {
  await archive.close();
  await rm(base, { recursive: true });
});

const makers = {
  pipe: async (path: string) => void execFileSync('mkfifo', [path]),
  socket: async (path: string) => {
    // A socket is made under a short name only.
    const short = join(base, 's');
    const server = createServer().listen(short);
    await once(server, 'listening');
    server.unref();
    await rename(short, path);
  },
  link: async (path: string) => {
    await writeFile(join(outside, 'secret'), 'secret');
    await symlink(join(outside, 'secret'), path);
  },
  'link that leads nowhere': (path: string) => symlink(join(outside, 'nowhere'), path),
  'link to a device': (path: string) => symlink('/dev/zero', path),
} as const;

describe.each(Object.keys(makers) as (keyof typeof makers)[])('a %s', (kind) => {
  const put = async (key: string) => {
    const path = join(folder, key);
    await mkdir(dirname(path), { recursive: true });
    await rm(path, { force: true });
    await makers[kind](path);
  };

  test('as archive.json is refused', async () => {
    await put('archive.json');
    const opening = openArchive(new FolderObjects(folder, { name: 'backup' }));
    await expect(opening).rejects.toMatchObject({
      code: 'archive-format',
      message: /^backup: archive\.json is a link/,
    });
  });

  test('as an instance is refused, and the others are listed and read', async () => {
    const key = instanceKey(second.id, second.md5);
    await put(key);
    await expect(archive.store(second, second.bytes)).rejects.toMatchObject({
      code: 'archive-format',
      disposition: 'reject',
    });
    await expect(archive.open(second.id, { md5: second.md5 })).rejects.toMatchObject({ code: 'archive-format' });
    expect((await Array.fromAsync(archive.inventory())).map(({ id }) => id)).toEqual([first.id]);
    const { body } = await archive.open(first.id);
    expect(Buffer.concat(await Array.fromAsync(body))).toEqual(Buffer.from(first.bytes));
  });

  test('as an index or a file to import is passed over', async () => {
    await put('index');
    expect(await isSqliteFile(join(folder, 'index'))).toBe(false);
    const walked = await Array.fromAsync(walkFolder(Buffer.from(folder)));
    const found = walked.filter((each) => each.kind === 'file').map(({ found: { at } }) => at.path);
    // What a link leads to is imported: the user named the folder, and the report names the file.
    expect(found.filter((path) => path.endsWith('/index'))).toHaveLength(kind === 'link' ? 1 : 0);
  });
});

describe('a folder that is a link', () => {
  const replaceByLink = async (name: string) => {
    await rename(join(folder, name), join(outside, name)).catch(() => mkdir(join(outside, name)));
    await symlink(join(outside, name), join(folder, name));
    return new FolderObjects(folder, { name: 'backup' });
  };
  const refusal = { code: 'configuration', message: /^backup: a folder in it is a link/ };

  test('is not written through', async () => {
    const objects = await replaceByLink('instances');
    const bytes = Buffer.from('x');
    const put = objects.putOnce(instanceKey(second.id, second.md5), bytes, { sizeBytes: 1 });
    await expect(put).rejects.toMatchObject(refusal);
    expect(await readdir(join(outside, 'instances'))).toEqual([first.id]);
    await objects.close();
  });

  test('is neither written to nor deleted from as state', async () => {
    const objects = await replaceByLink('state');
    await writeFile(join(outside, 'state/lease.json'), '{}');
    await expect(objects.replaceIf(stateKey('cursor'), Buffer.from('{}'), null)).rejects.toMatchObject(refusal);
    await expect(objects.delete(stateKey('lease'))).rejects.toMatchObject(refusal);
    expect(await readdir(join(outside, 'state'))).toEqual(['lease.json']);
    await objects.close();
  });

  test('is no place for temporary files', async () => {
    const objects = await replaceByLink('.tmp');
    const put = objects.putOnce(stateKey('x'), Buffer.from('x'), { sizeBytes: 1 });
    await expect(put).rejects.toMatchObject(refusal);
    await objects.close();
  });

  test('makes a listing fail instead of leaving out what lies behind it', async () => {
    const objects = await replaceByLink('instances');
    for (const prefix of ['', 'instances/', `instances/${first.id}/`, 'inst']) {
      await expect(Array.fromAsync(objects.list(prefix)), prefix).rejects.toMatchObject(refusal);
    }
    await expect(Array.fromAsync(objects.listFolders('instances/'))).rejects.toMatchObject(refusal);
    await objects.close();
  });
});
