/**
 * What a folder confirms survives a power cut. A test cannot cut the power, and a kill loses nothing that the kernel has:
 * so the calls themselves are held against the order in which they must come.
 */
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { md5Of } from '../../core/identifiers.ts';
import { systemCalls } from '../../core/stores/archive/folder-calls.ts';
import { FolderObjects } from '../../core/stores/archive/folder-objects.ts';

const root = mkdtempSync(join(tmpdir(), 'folder-durability-'));
const objectsFolder = join(root, 'archive');
// What is temporary has another name each time.
const nameOf = (path: string) => relative(objectsFolder, path).replace(/\d+-[0-9a-f-]{36}/, '*') || '.';
/** Of what is open, by descriptor. */
const paths = new Map<number, string>();
/** What was called, in its order. */
const calls: string[] = [];

function noting<Given extends string[]>(name: string, call: (...given: Given) => Promise<void>) {
  return async (...given: Given) => {
    await call(...given);
    calls.push([name, ...given.map(nameOf)].join(' '));
  };
}

function opening<Rest extends unknown[]>(open: (path: string, ...rest: Rest) => Promise<number>) {
  return async (path: string, ...rest: Rest) => {
    const descriptor = await open(path, ...rest);
    paths.set(descriptor, nameOf(path));
    return descriptor;
  };
}

const objects = new FolderObjects(objectsFolder, {
  calls: {
    ...systemCalls,
    createFile: opening(systemCalls.createFile),
    openFolder: opening(systemCalls.openFolder),
    sync: async (descriptor: number) => {
      await systemCalls.sync(descriptor);
      calls.push(`sync ${paths.get(descriptor)}`);
    },
    link: noting('link', systemCalls.link),
    rename: noting('rename', systemCalls.rename),
    makeFolder: noting('makeFolder', systemCalls.makeFolder),
    unlink: noting('unlink', systemCalls.unlink),
  },
});
afterAll(async () => {
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
    expectInOrder('makeFolder instances', 'makeFolder instances/a', 'sync instances');
    expectInOrder('makeFolder instances', 'sync .');
  });

  test('a new object, nothing is asked of the file system that is not needed', async () => {
    await objects.putOnce('instances/d/b', bytes, options);
    // The two folders are synchronized at the same time.
    const [first = '', second = ''] = calls.splice(3, 2).sort();
    expect([first, second]).toEqual(['sync instances', 'sync instances/d']);
    expect(calls).toEqual(['sync .tmp/*', 'makeFolder instances/d', 'link .tmp/* instances/d/b', 'unlink .tmp/*']);
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

test('nothing is made in an empty mount point, though the file system goes away after a file was written there', async () => {
  const [mounted, gone] = [join(root, 'mounted'), join(root, 'gone')];
  let leaves = false;
  const archive = new FolderObjects(mounted, {
    calls: {
      ...systemCalls,
      sync: async (descriptor) => {
        await systemCalls.sync(descriptor);
        if (!leaves) return;
        renameSync(mounted, gone);
        mkdirSync(mounted);
      },
    },
  });
  await archive.putOnce('anchor.json', bytes, options);
  await archive.anchor('anchor.json');
  leaves = true;
  await expect(archive.putOnce('instances/a/b', bytes, options)).rejects.toMatchObject({ code: 'unreachable' });
  expect(readdirSync(mounted)).toEqual([]);
  await archive.close();
});
