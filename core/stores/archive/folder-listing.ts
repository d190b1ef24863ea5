/** Listing a folder tree as keys in byte order, holding no more than the names of the folders on the current path. */
import type { BigIntStats } from 'node:fs';
import { lstat, opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { mapInOrder } from '../../streams/in-parallel.ts';
import { throwIfAborted } from '../aborted.ts';
import { linkedFolder, unlessAbsent } from './folder-errors.ts';
import { compareKeys } from './key-order.ts';
import type { ListOptions, ObjectEntry } from './object-storage.ts';

/** Where temporary files and the lock lie; never listed. */
export const temporaryFolder = '.tmp';

/** How many folders are read ahead of the one that is being listed. */
const readAhead = 16;
/** Folders of up to this many files are read ahead together with the files' sizes. */
const smallFolder = 8;

/** One name on the path: a file with its entry, or a folder with the names in it. */
type Visit =
  | { readonly kind: 'file'; readonly entry: ObjectEntry | undefined }
  | { readonly kind: 'folder'; readonly key: string; readonly names: readonly string[]; readonly files: Files };
type Files = readonly (ObjectEntry | undefined)[] | undefined;

/** Lists the files below `root` whose keys begin with `prefix`, as {@link ObjectStorage.list} promises. */
export async function* listFolderTree(
  root: string,
  prefix: string,
  options: ListOptions = {},
): AsyncGenerator<ObjectEntry> {
  const start = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  await refuseLinks(root, start);
  yield* listLevel({ root, prefix, ...options }, start, await namesIn(root, start));
}

/** Lists the names of folders right below `prefix` that hold a file at any depth. */
export async function* listFolderNames(
  root: string,
  prefix: string,
  options: ListOptions = {},
): AsyncGenerator<string> {
  await refuseLinks(root, prefix);
  for (const name of await namesIn(root, prefix)) {
    const folder = prefix + name;
    if (name.endsWith('/') && (options.after === undefined || compareKeys(folder, options.after) > 0)) {
      for await (const _ of listFolderTree(root, folder, { signal: options.signal })) {
        yield folder;
        break;
      }
    }
  }
}

/**
 * @returns what a listing tells of a file; `undefined` if there is none. Links, pipes, sockets and devices are none.
 * @param special called for those, where somebody asks for this very key
 */
export async function entryOf(
  root: string,
  key: string,
  special: () => undefined = () => undefined,
): Promise<ObjectEntry | undefined> {
  const found = await unlessAbsent(lstat(join(root, key), { bigint: true }));
  if (found === undefined || found.isDirectory()) {
    return undefined;
  }
  return found.isFile() ? entryOfFile(key, found) : special();
}

function entryOfFile(key: string, found: BigIntStats): ObjectEntry {
  return {
    key,
    sizeBytes: Number(found.size),
    lastModified: new Date(Number(found.mtimeMs)),
    etag: etagOf(found.mtimeNs, found.size),
  };
}

/**
 * Times are the identity of a version of a document: {@link FolderObjects.replaceIf} never gives one key the same time
 * twice.
 */
export function etagOf(mtimeNs: bigint, size: bigint): string {
  return `${mtimeNs.toString(16)}-${size.toString(16)}`;
}

interface Listing extends ListOptions {
  readonly root: string;
  readonly prefix: string;
}

async function* listLevel(
  listing: Listing,
  folder: string,
  names: readonly string[],
  files?: Files,
): AsyncGenerator<ObjectEntry> {
  if (files !== undefined) {
    yield* files.filter((entry) => entry !== undefined && isListed(listing, entry.key)).filter(isPresent);
    return;
  }
  const wanted = names.filter((name) => isListed(listing, folder + name));
  for await (const visit of mapInOrder(wanted, readAhead, (name) => visitName(listing.root, folder + name))) {
    throwIfAborted(listing.signal);
    if (visit.kind === 'folder') {
      yield* listLevel(listing, visit.key, visit.names, visit.files);
    } else if (visit.entry !== undefined) {
      yield visit.entry;
    }
  }
}

async function visitName(root: string, key: string): Promise<Visit> {
  if (!key.endsWith('/')) {
    return { kind: 'file', entry: await entryOf(root, key) };
  }
  const names = await namesIn(root, key);
  const isSmall = names.length <= smallFolder && !names.some((name) => name.endsWith('/'));
  const files = isSmall ? await Promise.all(names.map((name) => entryOf(root, key + name))) : undefined;
  return { kind: 'folder', key, names, files };
}

/** @returns whether the listing may contain `key`, or keys below it if it ends in `/`. */
function isListed({ prefix, after }: Listing, key: string): boolean {
  const isFolder = key.endsWith('/');
  const matches = key.startsWith(prefix) || (isFolder && prefix.startsWith(key));
  const isLater = after === undefined || compareKeys(key, after) > 0 || (isFolder && after.startsWith(key));
  return matches && isLater;
}

function isPresent<T>(value: T | undefined): value is T {
  return value !== undefined;
}

/** @returns the names in a folder, those of folders with a `/` behind, in byte order; none if it is absent. */
async function namesIn(root: string, folder: string): Promise<string[]> {
  const names: string[] = [];
  const directory = await unlessAbsent(opendir(join(root, folder), { bufferSize: 256 }));
  for await (const found of directory ?? []) {
    if (found.name === temporaryFolder && folder === '') {
      continue;
    }
    if (found.isSymbolicLink()) {
      // A link to a file is no object of ours. What lies behind one to a folder would be missing without a word.
      await refuseFolderBehind(found.parentPath, found.name);
    } else {
      names.push(found.isDirectory() ? `${found.name}/` : found.name);
    }
  }
  return names.sort(compareKeys);
}

/** Refuses a folder to begin at that is a link, or lies behind one. */
async function refuseLinks(root: string, folder: string): Promise<void> {
  const segments = folder.split('/').slice(0, -1);
  for (const [index] of segments.entries()) {
    const path = join(root, ...segments.slice(0, index + 1));
    if ((await unlessAbsent(lstat(path)))?.isSymbolicLink() === true) throw linkedFolder();
  }
}

async function refuseFolderBehind(parent: string, name: string): Promise<void> {
  const found = await stat(join(parent, name)).catch(() => undefined);
  if (found?.isDirectory() === true) throw linkedFolder();
}
