/** Folders whose entries survive a power cut. */
import { dirname } from 'node:path';
import type { FolderCalls } from './folder-calls.ts';
import { hasErrorCode, linkedFolder } from './folder-errors.ts';

/** How many folders are remembered as known to be durable; forgetting one costs one more fsync. */
const rememberedFolders = 10_000;

/**
 * Creates folders below a root and makes them and their entries durable. A new file is durable only once its folder was
 * synced, and a new folder only once its parent was. Writers that sync the same folder at the same time share one sync.
 */
export class DurableFolders {
  readonly #root: string;
  readonly #calls: FolderCalls;
  readonly #requireRoot: () => Promise<void>;
  readonly #durable = new Set<string>();
  /** Folders that are no links. */
  readonly #real = new Set<string>();
  /** Syncs that have not begun yet, by path: what is created before they begin is covered by them. */
  readonly #waiting = new Map<string, Promise<void>>();
  readonly #running = new Map<string, Promise<void>>();

  /** @param requireRoot throws if the root is not the folder any more that it was */
  constructor(root: string, calls: FolderCalls, requireRoot: () => Promise<void>) {
    this.#root = root;
    this.#calls = calls;
    this.#requireRoot = requireRoot;
  }

  /** Creates the root; its own parent must exist. Not durable yet. */
  async createRoot(): Promise<void> {
    await this.#makeUnlessPresent(this.#root);
  }

  /**
   * Creates a folder and those above it, but not the root: one that went away is not to be made anew. Not durable yet.
   * Throws ELOOP if one of them is a link: what is written there would leave the root.
   */
  async create(folder: string): Promise<void> {
    // Further below nothing can be made in a root that became an empty one.
    if (dirname(folder) === this.#root) await this.#requireRoot();
    try {
      await this.#requireReal(dirname(folder));
      if (!(await this.#makeUnlessPresent(folder))) {
        await this.#requireReal(folder);
      }
    } catch (error) {
      if (!hasErrorCode(error, 'ENOENT') || dirname(folder) === this.#root) {
        throw error;
      }
      await this.create(dirname(folder));
      await this.create(folder);
    }
  }

  async #requireReal(folder: string): Promise<void> {
    // A path that is longer than the root's lies below it.
    for (let each = folder; each.length > this.#root.length && !this.#real.has(each); each = dirname(each)) {
      if ((await this.#calls.look(each)).isSymbolicLink()) {
        throw linkedFolder();
      }
      if (this.#real.size >= rememberedFolders) {
        this.#real.clear();
      }
      this.#real.add(each);
    }
  }

  /** Returns once all entries that `folder` had when this was called, and the folder itself, survive a power cut. */
  async sync(folder: string): Promise<void> {
    // All at once: a journalling file system then needs one commit for all of them.
    const syncs = [this.#syncOne(folder)];
    for (let child = folder; child !== dirname(this.#root) && !this.#durable.has(child); child = dirname(child)) {
      syncs.push(this.#syncParent(child));
    }
    await Promise.all(syncs);
  }

  async #syncParent(child: string): Promise<void> {
    try {
      await this.#syncOne(dirname(child));
    } catch (error) {
      // What lies above the root may be closed to us, and was not made by us.
      if (child !== this.#root || !(hasErrorCode(error, 'EACCES') || hasErrorCode(error, 'EPERM'))) {
        throw error;
      }
    }
    if (this.#durable.size >= rememberedFolders) {
      this.#durable.clear();
    }
    this.#durable.add(child);
  }

  #syncOne(folder: string): Promise<void> {
    const waiting = this.#waiting.get(folder);
    if (waiting !== undefined) {
      return waiting;
    }
    const before = this.#running.get(folder) ?? Promise.resolve();
    const sync = before
      .catch(() => undefined)
      .then(async () => {
        this.#waiting.delete(folder);
        this.#running.set(folder, sync);
        try {
          await this.#fsync(folder);
        } finally {
          if (this.#running.get(folder) === sync) {
            this.#running.delete(folder);
          }
        }
      });
    this.#waiting.set(folder, sync);
    return sync;
  }

  /** @returns whether it was made. */
  async #makeUnlessPresent(folder: string): Promise<boolean> {
    try {
      await this.#calls.makeFolder(folder);
      return true;
    } catch (error) {
      if (!hasErrorCode(error, 'EEXIST')) {
        throw error;
      }
      return false;
    }
  }

  async #fsync(folder: string): Promise<void> {
    const descriptor = await this.#calls.openFolder(folder);
    try {
      await this.#calls.sync(descriptor);
    } finally {
      await this.#calls.close(descriptor);
    }
  }
}
