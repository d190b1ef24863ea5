/**
 * Holding on to the files that came since the long copy, at the very moment of the index. An open file costs nothing
 * and keeps its bytes, whatever the server deletes afterwards; no second name for it has to be put anywhere.
 */
import { readFileSync } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { CallOptions } from '../../call-options.ts';
import { isMirrorError } from '../../errors.ts';
import { chunksOf } from '../../orthanc-disk/files/file-bytes.ts';
import { fileError } from '../../orthanc-disk/files/file-error.ts';
import type { OpenFile } from '../../orthanc-disk/files/held-folder.ts';
import type { IndexedFile, IndexReader } from '../../orthanc-disk/index/index-reader.ts';
import type { FolderStorage } from '../../orthanc-disk/storage/folder-storage.ts';
import { mapInOrder } from '../../streams/in-parallel.ts';
import { joinSorted } from '../../streams/merge-join.ts';
import { type KnownFiles, knownAs } from './known-files.ts';

/** How many descriptors are left for everything else. */
const otherDescriptors = 256;
/** Where the system does not tell its limit. */
const usualDescriptors = 1024;

/** Files that are held open, by uuid. Must be closed. */
export class HeldFiles implements AsyncDisposable {
  readonly #open = new Map<string, OpenFile>();
  readonly #copies = new Map<string, string>();
  readonly #folder: string;
  readonly #mostOpen: number;

  /**
   * @param folder where copies go of the files that cannot be held open
   * @param mostOpen how many can be; default: what the system permits
   */
  constructor(folder: string, mostOpen = Math.max(0, descriptorLimit() - otherDescriptors)) {
    this.#folder = folder;
    this.#mostOpen = mostOpen;
  }

  has(uuid: string): boolean {
    return this.#open.has(uuid) || this.#copies.has(uuid);
  }

  /** Takes over an open file. Throws `full`, or `source-corrupt` if it has to be copied and cannot be read. */
  async hold(uuid: string, file: OpenFile, { signal }: CallOptions = {}): Promise<void> {
    if (this.#open.size < this.#mostOpen) {
      this.#open.set(uuid, file);
      return;
    }
    await using handle = file.handle;
    const path = join(this.#folder, uuid);
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      await using copy = await open(path, 'w', 0o600);
      for await (const chunk of chunksOf(handle, file.stats.size, signal)) await copy.writeFile(chunk);
    } catch (error) {
      throw fileError(error, path, 'source-corrupt');
    }
    this.#copies.set(uuid, path);
  }

  /** Gives a file away, whose handle the caller closes. `undefined`: it is not held. */
  async take(uuid: string): Promise<OpenFile | undefined> {
    const [held, path] = [this.#open.get(uuid), this.#copies.get(uuid)];
    this.#open.delete(uuid);
    if (held !== undefined || path === undefined) return held;
    const handle = await open(path, 'r');
    return { handle, stats: await handle.stat() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const held = [...this.#open.values()];
    this.#open.clear();
    await Promise.allSettled(held.map(({ handle }) => handle.close()));
  }
}

/** How many files this process may have open. */
function descriptorLimit(): number {
  try {
    return Number(/^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? usualDescriptors);
  } catch {
    return usualDescriptors;
  }
}

/** Holds every file that the index names and that is not known. @returns those that are not there, or are refused. */
export async function holdFiles(
  index: IndexReader,
  storage: FolderStorage,
  known: KnownFiles,
  held: HeldFiles,
  options: CallOptions = {},
): Promise<readonly IndexedFile[]> {
  const absent: IndexedFile[] = [];
  const pairs = joinSorted(
    index.files(),
    known,
    ({ uuid }) => uuid,
    ({ uuid }) => uuid,
  );
  const results = mapInOrder(pairs, 16, async ({ left, right }) => {
    if (left === undefined || knownAs(left, right) || held.has(left.uuid)) return undefined;
    return (await holdFile(left, storage, held, options)) ? undefined : left;
  });
  for await (const row of results) if (row !== undefined) absent.push(row);
  return absent;
}

/** @returns `false` if there is no such file, or nobody can read it. What this user may not read concerns all files. */
async function holdFile(
  row: IndexedFile,
  storage: FolderStorage,
  held: HeldFiles,
  options: CallOptions,
): Promise<boolean> {
  try {
    const file = await storage.open(row);
    if (file === undefined) return false;
    await held.hold(row.uuid, file, options);
    return true;
  } catch (error) {
    if (isMirrorError(error, 'source-corrupt', 'refused')) return false;
    throw error;
  }
}
