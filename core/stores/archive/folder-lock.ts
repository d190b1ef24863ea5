/** A lock between processes that ends with the process that holds it, however that ends. */
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { MirrorError } from '../../errors.ts';
import { throwIfAborted } from '../aborted.ts';

/** SQLITE_BUSY: another connection holds the lock. */
const sqliteBusy = z.object({ errcode: z.literal(5) });
const retryAfterMs = 5;
const giveUpAfterMs = 30_000;

/**
 * Mutual exclusion between all processes and threads that use the same lock file. Node has no `flock`; SQLite locks an
 * (empty) database file through the kernel, which frees the lock when its process dies, so that no stale lock is ever
 * left and no age has to be guessed. On a network file system it is as good as that one's `fcntl` locks.
 */
export class FolderLock {
  readonly #path: string;
  #database: DatabaseSync | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Runs `work` while nobody else runs theirs. Throws `busy` if the lock is not free within 30 s, `interrupted` if the
   * signal aborts while waiting, or what `work` throws.
   */
  hold<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const held = this.#queue.then(() => this.#holdAlone(work, signal));
    this.#queue = held.catch(() => undefined);
    return held;
  }

  /** Lets go of the lock file before the next use: it may be another one by now, under the same name. */
  renew(): void {
    this.#queue = this.#queue.then(() => this.close());
  }

  /** Frees the lock file. Idempotent. */
  close(): void {
    this.#database?.close();
    this.#database = undefined;
  }

  async #holdAlone<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    this.#database ??= new DatabaseSync(this.#path, { timeout: 0 });
    const database = this.#database;
    await acquire(database, signal);
    try {
      return await work();
    } finally {
      database.exec('ROLLBACK');
    }
  }
}

async function acquire(database: DatabaseSync, signal: AbortSignal | undefined): Promise<void> {
  const deadline = Date.now() + giveUpAfterMs;
  while (true) {
    throwIfAborted(signal);
    try {
      database.exec('BEGIN IMMEDIATE');
      return;
    } catch (error) {
      if (!sqliteBusy.safeParse(error).success) {
        throw error;
      }
    }
    if (Date.now() > deadline) {
      throw new MirrorError('busy', 'another process has been writing state for more than 30 s');
    }
    await sleep(retryAfterMs * (0.5 + Math.random()));
  }
}
