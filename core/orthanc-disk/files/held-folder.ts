/**
 * Folders that are held open, and files reached from them. Whoever else may write to a folder can swap a part of a path
 * for a link between two looks at it; a descriptor stays what it was. Node has no `openat`, but on Linux a name below
 * `/proc/self/fd/<n>` is looked up in the folder that is open as <n>. Elsewhere paths are used as they were found.
 */
import { constants, existsSync, type Stats } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, readdir, readlink, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { MirrorError } from '../../errors.ts';
import { fileError, systemCode } from './file-error.ts';

const byDescriptor = existsSync('/proc/self/fd');
/** `O_PATH` of Linux, which Node does not name: a folder need not be readable to be passed through. */
const pathOnly = byDescriptor ? 0o10000000 : 0;
const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;
const folderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | pathOnly;
const mostLinks = 40;

/** The mode of folders that are created. */
const folderMode = 0o750;

export interface OpenFolderOptions {
  /** Whether folders that are missing are created. */
  readonly create?: boolean | undefined;
}

/** A regular file that was opened for reading. Its handle must be closed. */
export interface OpenFile {
  readonly handle: FileHandle;
  readonly stats: Stats;
}

/** A folder held open. Must be closed. */
export class HeldFolder implements AsyncDisposable {
  /** Where it was when it was opened: absolute and without links. */
  readonly path: string;
  readonly #handle: FileHandle;

  /**
   * Opens a folder by the path that a user or a configuration names. Links on the way are followed only if root or
   * this user made them. Throws `configuration` if there is no such folder, or somebody else's link is met.
   */
  static async open(path: string, options: OpenFolderOptions = {}): Promise<HeldFolder> {
    return HeldFolder.#walk(resolve(path), options, 0);
  }

  static async #walk(path: string, options: OpenFolderOptions, links: number): Promise<HeldFolder> {
    let folder = new HeldFolder('/', await open('/', folderFlags));
    const names = path.split(sep).filter((name) => name !== '');
    for (const [index, name] of names.entries()) {
      await using parent = folder;
      const target = await parent.#trustedLink(name);
      if (target !== undefined) {
        if (links >= mostLinks) throw new MirrorError('configuration', `${path} leads through too many links`);
        return HeldFolder.#walk(resolve(parent.path, target, ...names.slice(index + 1)), options, links + 1);
      }
      const next = await parent.child(name, options);
      if (next === undefined) {
        throw new MirrorError('configuration', `${join(parent.path, name)} does not exist`);
      }
      folder = next;
    }
    return folder;
  }

  private constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  /** The address of an entry of this folder, for calls that take a path and do not follow links at its end. */
  at(name: string): string {
    if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0')) {
      throw new MirrorError('configuration', `${this.path}: a name in it is no name of a file`);
    }
    return join(this.#address, name);
  }

  get #address(): string {
    return byDescriptor ? `/proc/self/fd/${this.#handle.fd}` : this.path;
  }

  /** Opens a folder in this one; `undefined` if there is none. Throws `refused` for anything else, links included. */
  async child(name: string, { create = false }: OpenFolderOptions = {}): Promise<HeldFolder | undefined> {
    const [address, path] = [this.at(name), join(this.path, name)];
    try {
      return new HeldFolder(path, await open(address, folderFlags));
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw refusal(error, path) ?? fileError(error, path, 'configuration');
      if (!create) return undefined;
    }
    await mkdir(address, folderMode).catch((error: unknown) => {
      if (systemCode(error) !== 'EEXIST') throw fileError(error, path, 'configuration');
    });
    return this.child(name);
  }

  /** Opens a folder below this one, by names joined by `/`; itself for none. `undefined` if it does not exist. */
  async descend(below: string, options: OpenFolderOptions = {}): Promise<HeldFolder | undefined> {
    let folder: HeldFolder | undefined = new HeldFolder(
      this.path,
      await open(this.#address, folderFlags & ~O_NOFOLLOW),
    );
    for (const name of below.split('/').filter((part) => part !== '')) {
      await using parent: HeldFolder = folder;
      folder = await parent.child(name, options);
      if (folder === undefined) return undefined;
    }
    return folder;
  }

  /**
   * Opens a regular file at or below this folder for reading; `undefined` if there is none. What was opened is compared
   * with what was asked for, so that no link on the way is followed. Throws `refused` for links, folders, pipes and
   * devices, and the errors of the file system as they are.
   * @param label how messages call the file
   */
  async openFile(below: string, label = join(this.path, below)): Promise<OpenFile | undefined> {
    let handle: FileHandle;
    try {
      // Not blocking: opening a pipe would wait for somebody to write to it.
      handle = await open(join(this.#address, below), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    } catch (error) {
      const code = systemCode(error);
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
      throw refusal(error, label) ?? error;
    }
    try {
      const stats = await handle.stat();
      const refused = await this.#whyRefused(handle, stats, below);
      if (refused === undefined) return { handle, stats };
      throw new MirrorError('refused', `${label} ${refused}`);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async #whyRefused(handle: FileHandle, found: Stats, below: string): Promise<string | undefined> {
    if (found.isDirectory()) return 'is a folder';
    if (!found.isFile()) return 'is no regular file';
    const wanted = join(this.path, below);
    if (byDescriptor) {
      // A file that was deleted meanwhile keeps its bytes for us.
      const real = (await readlink(`/proc/self/fd/${handle.fd}`)).replace(/ \(deleted\)$/, '');
      return real === wanted ? undefined : 'is reached through a link, which is not followed';
    }
    const there = await lstat(wanted);
    return there.ino === found.ino && there.dev === found.dev ? undefined : 'changed while it was opened';
  }

  /** Creates a file that is not there yet, for writing. Throws the errors of the file system as they are. */
  createFile(name: string, mode: number): Promise<FileHandle> {
    return open(this.at(name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  }

  /** Owner, mode and the like, of the folder that is open. */
  stats(): Promise<Stats> {
    return this.#handle.stat();
  }

  /** The names of all entries. Throws the errors of the file system as they are. */
  names(): Promise<string[]> {
    return readdir(this.#address);
  }

  /** Renames an entry of this folder; one of the new name is replaced. */
  rename(from: string, to: string): Promise<void> {
    return rename(this.at(from), this.at(to));
  }

  /** Removes a file or link, if it is there. */
  remove(name: string): Promise<void> {
    return rm(this.at(name), { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }

  /** Where a link leads that root or this user made; `undefined` if the entry is no link. */
  async #trustedLink(name: string): Promise<string | undefined> {
    const address = this.at(name);
    try {
      const found = await lstat(address);
      if (!found.isSymbolicLink()) return undefined;
      if (!isTrusted(found.uid)) {
        throw new MirrorError(
          'configuration',
          `${join(this.path, name)} is a link of another user and is not followed; name the folder itself`,
        );
      }
      return await readlink(address);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw fileError(error, join(this.path, name), 'configuration');
    }
  }
}

/** Whether what belongs to a user may decide where this process goes: root and its own user may. */
function isTrusted(uid: number): boolean {
  return uid === 0 || uid === process.getuid?.();
}

/** The error of an entry that is a link, a pipe or a socket where a file or folder is wanted. */
function refusal(error: unknown, label: string): MirrorError | undefined {
  const meanings: Readonly<Record<string, string>> = {
    ELOOP: 'is a link, which is not followed',
    ENOTDIR: 'is a link or file where a folder is expected',
    ENXIO: 'is no regular file',
  };
  const meaning = meanings[systemCode(error) ?? ''];
  return meaning === undefined ? undefined : new MirrorError('refused', `${label} ${meaning}`, { cause: error });
}

/**
 * Refuses a folder whose content others than root and this user could exchange: each folder from the root down must
 * belong to one of the two, and be writable by nobody else unless its sticky bit keeps others from moving entries.
 * Throws `configuration`, naming the folder and what to do.
 */
export async function refuseForeignHands({ path }: HeldFolder): Promise<void> {
  for (let folder = path; ; folder = dirname(folder)) {
    const { uid, mode } = await lstat(folder);
    const writableByOthers = (mode & 0o022) !== 0 && (mode & 0o1000) === 0;
    if (!isTrusted(uid) || writableByOthers) {
      throw new MirrorError(
        'configuration',
        `${folder} may be changed by other users: use another work folder (TMPDIR), or take that right away`,
        { advice: 'choose-work-folder' },
      );
    }
    if (folder === dirname(folder)) return;
  }
}
