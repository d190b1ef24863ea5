/**
 * What a folder confirms survives a power cut. A test cannot cut the power, and a kill loses nothing that the kernel has:
 * so the calls themselves are held against the order in which they must come.
 */
import fs, { mkdtempSync, rmSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { md5Of } from '../../core/identifiers.ts';

const calls: string[] = [];
const root = mkdtempSync(join(tmpdir(), 'folder-durability-'));
const objectsFolder = join(root, 'archive');

/** What is temporary has another name each time. */
function nameOf(path: fs.PathLike): string {
  return relative(objectsFolder, String(path)).replace(/\d+-[0-9a-f-]{36}$/, '*') || '.';
}

const { open, link, rename, mkdir, unlink } = fs.promises;
fs.promises.open = async (path, ...rest) => {
  const handle = await open(path, ...rest);
  const sync = handle.sync.bind(handle);
  handle.sync = async () => {
    await sync();
    calls.push(`sync ${nameOf(path)}`);
  };
  return handle;
};
fs.promises.link = async (from, to) => {
  await link(from, to);
  calls.push(`link ${nameOf(from)} ${nameOf(to)}`);
};
fs.promises.rename = async (from, to) => {
  await rename(from, to);
  calls.push(`rename ${nameOf(from)} ${nameOf(to)}`);
};
fs.promises.unlink = async (path) => {
  await unlink(path);
  calls.push(`unlink ${nameOf(path)}`);
};
fs.promises.mkdir = (async (path: fs.PathLike, ...rest: []) => {
  const made = await mkdir(path, ...rest);
  calls.push(`mkdir ${nameOf(path)}`);
  return made;
}) as typeof mkdir;
syncBuiltinESMExports();
vi.resetModules();
const { FolderObjects } = await import('../../core/stores/archive/folder-objects.ts');

const objects = new FolderObjects(objectsFolder);
afterAll(async () => {
  Object.assign(fs.promises, { open, link, rename, mkdir, unlink });
  syncBuiltinESMExports();
  await objects.close();
  rmSync(root, { recursive: true });
});
beforeEach(() => calls.splice(0));

/** Expects that each of these calls was made, after the one before it. */
function expectInOrder(...wanted: readonly string[]): void {
  let at = -1;
  for (const call of wanted) {
    at = calls.indexOf(call, at + 1);
    expect(at, `${call} in its place among: ${calls.join(', ')}`).toBeGreaterThan(-1);
  }
}

const bytes = Buffer.from('bytes');
const right = Buffer.from('right');
const options = { sizeBytes: bytes.length };

describe('before a folder confirms', () => {
  test('a new object, its bytes are synchronized, then its name, and the names of new folders', async () => {
    await objects.putOnce('instances/a/b', bytes, options);
    expectInOrder('sync .tmp/*', 'link .tmp/* instances/a/b', 'sync instances/a');
    expectInOrder('mkdir instances', 'mkdir instances/a', 'sync instances');
    expectInOrder('mkdir instances', 'sync .');
  });

  test('an object that was there, the name that perhaps another is just writing is synchronized', async () => {
    await objects.putOnce('instances/a/b', bytes, options);
    expectInOrder('sync instances/a');
  });

  test('a document of the state, its bytes are synchronized before it replaces the one before', async () => {
    const first = await objects.replaceIf('state/x', bytes, null);
    if (first === 'changed') throw new Error('it was not there');
    calls.splice(0);
    await objects.replaceIf('state/x', bytes, first.etag);
    expectInOrder('sync .tmp/*', 'rename .tmp/* state/x', 'sync state');
  });

  test('right bytes in the place of damaged ones, the damaged ones have another name that is synchronized', async () => {
    await objects.supersede('instances/a/b', right, { sizeBytes: right.length, md5: md5Of(right) });
    const [aside = ''] = calls.filter((call) => call.startsWith('link instances/a/b superseded/'));
    expectInOrder(
      'sync .tmp/*',
      aside,
      'sync superseded/instances/a',
      'rename .tmp/* instances/a/b',
      'sync instances/a',
    );
  });

  test('that something was set aside, its other name is synchronized before its own is gone', async () => {
    await objects.setAside('instances/a/b');
    expectInOrder('sync superseded/instances/a', 'unlink instances/a/b', 'sync instances/a');
  });

  test('that an object was removed, its folder is synchronized', async () => {
    await objects.putOnce('state/y', bytes, options);
    calls.splice(0);
    await objects.delete('state/y');
    expect(calls.at(-1)).toBe('sync state');
  });
});
