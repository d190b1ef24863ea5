/**
 * One backup or removal of old backups of a host at a time: a removal must not take away what a backup under way counts
 * on. The lease of a process of this machine that no longer runs is void; that of another machine is so after a while.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { MirrorError } from '../../errors.ts';
import { isRunning } from '../../orthanc-disk/files/work-folder.ts';
import { Lease, type LeaseUse, underLease } from '../../stores/archive/lease.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import type { HostKeys } from './backup-keys.ts';

/** Longer than anything that keeps this process from renewing, such as checking a large index. */
const ttlMs = 30 * 60_000;

/** The leases that this very process holds or asks for. */
const ownLeases = new Set<string>();

/**
 * Does `work` as the only one. Throws `busy` if another process is at work, `lease-lost` if another took over, and what
 * `work` throws.
 */
export async function underBackupLease<T>(
  objects: ObjectStorage,
  { host }: HostKeys,
  signal: AbortSignal | undefined,
  work: (use: LeaseUse) => Promise<T>,
): Promise<T> {
  const owner = `${hostname()}/${process.pid}/${randomUUID()}`;
  const terms = { ttlMs, owner, signal, isGone };
  ownLeases.add(owner);
  try {
    const lease = new Lease(objects, `host-backups/${host}`);
    const outcome = await underLease(lease, terms, async (use) => ({ result: await work(use) }));
    if (outcome !== undefined) return outcome.result;
  } finally {
    ownLeases.delete(owner);
  }
  throw new MirrorError('busy', `another process is working on the backups of ${host}; try again later`);
}

/** A process of this machine that ended; this one may have been given the number of an earlier one. */
function isGone(owner: string): boolean {
  const [machine, pid] = owner.split('/');
  if (machine !== hostname() || ownLeases.has(owner)) return false;
  return Number(pid) === process.pid || !isRunning(Number(pid));
}
