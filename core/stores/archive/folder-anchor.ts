/**
 * Tells whether a folder is still the one that it was: an empty mount point, or another file system, looks like an empty
 * archive, and what is written there is lost from view as soon as the right one is mounted again.
 */
import { readFile, stat } from 'node:fs/promises';
import { MirrorError } from '../../errors.ts';
import { unlessAbsent } from './folder-errors.ts';

/** A file that must stay where it is. */
export class FolderAnchor {
  readonly #name: string;
  readonly #path: string;
  readonly #bytes: Buffer;
  #identity: string | undefined;

  private constructor(name: string, path: string, bytes: Buffer) {
    this.#name = name;
    this.#path = path;
    this.#bytes = bytes;
  }

  /** Remembers the file as it is now. @param name how the storage is called in messages */
  static async at(name: string, path: string): Promise<FolderAnchor> {
    const anchor = new FolderAnchor(name, path, await readFile(path));
    anchor.#identity = await identityOf(path);
    return anchor;
  }

  /**
   * Throws `unreachable` if the file is gone, or is another one.
   * @returns whether it is the same as at the last call, and not a copy of it: the same file system, mounted once
   */
  async holds(): Promise<boolean> {
    const identity = await identityOf(this.#path);
    if (identity === this.#identity) return true;
    const bytes = identity === undefined ? undefined : await unlessAbsent(readFile(this.#path));
    if (bytes === undefined) throw this.#lost('the archive that was there is gone; is its file system mounted?');
    if (!bytes.equals(this.#bytes)) throw this.#lost('another archive lies there than before; mount the right one');
    this.#identity = identity;
    return false;
  }

  #lost(what: string): MirrorError {
    return new MirrorError('unreachable', `${this.#name}: ${what}`, { store: this.#name });
  }
}

async function identityOf(path: string): Promise<string | undefined> {
  const found = await unlessAbsent(stat(path, { bigint: true }));
  return found && `${found.dev}:${found.ino}`;
}
