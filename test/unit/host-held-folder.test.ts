import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HeldFolder, refuseForeignHands } from '../../core/orthanc-disk/files/held-folder.ts';
import { needs } from '../support/needs.ts';

const isRoot = process.getuid?.() === 0;

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'held-folder-'));
  mkdirSync(join(root, 'storage', 'ab'), { recursive: true });
  writeFileSync(join(root, 'storage', 'ab', 'file'), 'inside');
  mkdirSync(join(root, 'elsewhere'));
  writeFileSync(join(root, 'elsewhere', 'file'), 'secret');
});
afterEach(() => rmSync(root, { recursive: true }));

async function textOf(folder: HeldFolder, below: string): Promise<string | undefined> {
  const file = await folder.openFile(below);
  if (file === undefined) return undefined;
  await using handle = file.handle;
  return handle.readFile('utf8');
}

const refused = (reason: RegExp) =>
  expect.objectContaining({ code: 'refused', message: expect.stringMatching(reason) });

describe('a file below a held folder', () => {
  it('is opened, and one that is not there is told', async () => {
    await using folder = await HeldFolder.open(join(root, 'storage'));
    expect(await textOf(folder, 'ab/file')).toBe('inside');
    expect(await textOf(folder, 'ab/none')).toBeUndefined();
    expect(await textOf(folder, 'none/none')).toBeUndefined();
    expect(await textOf(folder, 'ab/file/none')).toBeUndefined();
  });

  it('is refused if it is a link, whoever made it', async () => {
    symlinkSync(join(root, 'elsewhere', 'file'), join(root, 'storage', 'link'));
    symlinkSync(join(root, 'storage', 'ab', 'file'), join(root, 'storage', 'ab', 'link'));
    symlinkSync('nowhere', join(root, 'storage', 'dangling'));
    await using folder = await HeldFolder.open(join(root, 'storage'));
    for (const name of ['link', 'ab/link', 'dangling']) {
      await expect(folder.openFile(name)).rejects.toEqual(refused(/is a link, which is not followed/));
    }
  });

  it('is refused if a link is on the way to it', async () => {
    symlinkSync(join(root, 'elsewhere'), join(root, 'storage', 'cd'));
    await using folder = await HeldFolder.open(join(root, 'storage'));
    await expect(folder.openFile('cd/file')).rejects.toEqual(refused(/reached through a link/));
  });

  it('is refused if it is a folder, a pipe or a device, without waiting for anybody', async () => {
    execFileSync('mkfifo', [join(root, 'storage', 'pipe')]);
    await using folder = await HeldFolder.open(join(root, 'storage'));
    await expect(folder.openFile('ab')).rejects.toEqual(refused(/is a folder/));
    await expect(folder.openFile('pipe')).rejects.toEqual(refused(/is no regular file/));
    await using devices = await HeldFolder.open('/dev');
    await expect(devices.openFile('zero')).rejects.toEqual(refused(/is no regular file/));
  });

  it('is called as the caller wants it, so that a path that names a patient is not told', async () => {
    symlinkSync('/etc/passwd', join(root, 'storage', 'DOE^JANE.dcm'));
    await using folder = await HeldFolder.open(join(root, 'storage'));
    const error = await folder.openFile('DOE^JANE.dcm', 'file 4711').catch((thrown: unknown) => thrown);
    expect(String(error)).toMatch(/file 4711 is a link/);
    expect(String(error)).not.toContain('DOE');
  });

  it('keeps its bytes when it is deleted after it was opened', async () => {
    await using folder = await HeldFolder.open(join(root, 'storage'));
    const file = await folder.openFile('ab/file');
    rmSync(join(root, 'storage', 'ab'), { recursive: true });
    await using handle = file?.handle;
    expect(await handle?.readFile('utf8')).toBe('inside');
  });
});

describe('a held folder', () => {
  it('stays the folder that was opened, whatever is put in its place', async () => {
    await using folder = await HeldFolder.open(join(root, 'storage'));
    renameSync(join(root, 'storage'), join(root, 'away'));
    symlinkSync(join(root, 'elsewhere'), join(root, 'storage'));
    await using handle = await folder.createFile('new', 0o600);
    await handle.writeFile('new');
    expect(readFileSync(join(root, 'away', 'new'), 'utf8')).toBe('new');
    expect(await folder.names()).toEqual(expect.arrayContaining(['ab', 'new']));
  });

  it('descends through no link, also where it may create what is missing', async () => {
    symlinkSync(join(root, 'elsewhere'), join(root, 'storage', 'cd'));
    symlinkSync('nowhere', join(root, 'storage', 'ef'));
    await using folder = await HeldFolder.open(join(root, 'storage'));
    for (const below of ['cd', 'cd/x', 'ef', 'ab/file/x']) {
      await expect(folder.descend(below, { create: true })).rejects.toEqual(refused(/link or file/));
    }
    await using made = await folder.descend('x/y/z', { create: true });
    expect(made?.path).toBe(join(folder.path, 'x/y/z'));
    expect(await folder.descend('not/there')).toBeUndefined();
  });

  it('takes no name that leads elsewhere', async () => {
    await using folder = await HeldFolder.open(join(root, 'storage'));
    for (const name of ['', '.', '..', 'a/b', '../x', 'a\0b']) {
      expect(() => folder.at(name)).toThrow(expect.objectContaining({ code: 'configuration' }));
    }
  });

  it('writes over nothing', async () => {
    symlinkSync(join(root, 'elsewhere', 'file'), join(root, 'storage', 'link'));
    await using folder = await HeldFolder.open(join(root, 'storage'));
    await expect(folder.createFile('link', 0o600)).rejects.toMatchObject({ code: 'EEXIST' });
    expect(readFileSync(join(root, 'elsewhere', 'file'), 'utf8')).toBe('secret');
  });

  it('is opened through links that root or this user made', async () => {
    symlinkSync('../storage', join(root, 'elsewhere', 'link'));
    await using folder = await HeldFolder.open(join(root, 'elsewhere', 'link', 'ab'));
    expect(folder.path).toMatch(/\/storage\/ab$/);
    symlinkSync('loop', join(root, 'loop'));
    await expect(HeldFolder.open(join(root, 'loop'))).rejects.toThrow(/too many links/);
    await expect(HeldFolder.open(join(root, 'none'))).rejects.toThrow(/none does not exist/);
  });
});

describe.runIf(needs(isRoot, 'root, for files of other users'))('what belongs to another user', () => {
  const nobody = 65534;

  it('is no link that leads anywhere', async () => {
    symlinkSync(join(root, 'elsewhere'), join(root, 'link'));
    execFileSync('chown', ['-h', String(nobody), join(root, 'link')]);
    await expect(HeldFolder.open(join(root, 'link'))).rejects.toThrow(/link of another user and is not followed/);
  });

  it('is no place to work in, nor is one that others may write to', async () => {
    const work = join(root, 'elsewhere', 'work');
    mkdirSync(work);
    await using folder = await HeldFolder.open(work);
    await refuseForeignHands(folder);
    chmodSync(join(root, 'elsewhere'), 0o777);
    await expect(refuseForeignHands(folder)).rejects.toThrow(/elsewhere may be changed by other users/);
    // Nobody else can move what is not theirs out of a folder with the sticky bit.
    chmodSync(join(root, 'elsewhere'), 0o1777);
    await refuseForeignHands(folder);
    execFileSync('chown', [String(nobody), join(root, 'elsewhere')]);
    await expect(refuseForeignHands(folder)).rejects.toThrow(/elsewhere may be changed by other users/);
  });
});
