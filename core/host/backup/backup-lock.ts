/**
 * One backup or removal of old backups of a host at a time: a removal must not take away what a backup under way counts
 * on. The lock of a process of this machine that no longer runs is void; that of another machine is so after a while.
 */
import { hostname } from 'node:os';
import { z } from 'zod';
import { MirrorError } from '../../errors.ts';
import { documentBytes, readDocument } from '../../stores/archive/json-document.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import type { HostKeys } from './backup-keys.ts';
import { isRunning } from './work-folders.ts';

const lockSchema = z.object({ machine: z.string(), pid: z.int(), renewedAtMs: z.int() });

/** Longer than anything that keeps this process from renewing, such as checking a large index. */
const voidAfterMs = 30 * 60_000;
const renewEveryMs = 60_000;

/** Does `work` as the only one. Throws `busy` if another process holds the lock, and what `work` throws. */
export async function withBackupLock<T>(objects: ObjectStorage, keys: HostKeys, work: () => Promise<T>): Promise<T> {
  const held = await readDocument(objects, keys.lock, lockSchema);
  if (held !== undefined && isHeld(held.value)) throw locked(keys);
  let etag = await write(objects, keys, held?.etag ?? null);
  let renewing: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    renewing = renewing.then(async () => {
      etag = await write(objects, keys, etag).catch(() => etag);
    });
  }, renewEveryMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    await renewing;
    // Not removed but emptied, by the same conditional write: another process may have taken it over.
    await objects.replaceIf(keys.lock, documentBytes({ machine: hostname(), pid: 0, renewedAtMs: 0 }), etag);
  }
}

function isHeld({ machine, pid, renewedAtMs }: z.infer<typeof lockSchema>): boolean {
  if (pid === 0) return false;
  if (machine === hostname()) return pid !== process.pid && isRunning(pid);
  return Date.now() - renewedAtMs < voidAfterMs;
}

async function write(objects: ObjectStorage, keys: HostKeys, expectedEtag: string | null): Promise<string> {
  const state = { machine: hostname(), pid: process.pid, renewedAtMs: Date.now() };
  const written = await objects.replaceIf(keys.lock, documentBytes(state), expectedEtag);
  if (written === 'changed') throw locked(keys);
  return written.etag;
}

function locked(keys: HostKeys): MirrorError {
  return new MirrorError('busy', `another process is working on the backups of ${keys.host}; try again later`);
}
