/**
 * Carries the deletion of an instance at the source over: to the archive as a record, to the targets as a deletion.
 * Nothing is deleted at a target that did not come from the source, or of which the archive does not hold the very bytes.
 */

import type { CallOptions } from '../../call-options.ts';
import type { InstanceId, Md5 } from '../../identifiers.ts';
import type { Archive } from '../../stores/archive/archive.ts';
import { type ArchivedVersion, isForeign } from '../../stores/archive/history.ts';
import { md5ReadBack } from '../../stores/md5-read-back.ts';
import type { InventoryEntry, Store } from '../../stores/store.ts';

/** A target that can delete an instance. */
export interface DeletingStore extends Store {
  /** Deletes an instance; nothing happens if it is not there. Never retried after an unclear answer by itself. */
  delete(id: InstanceId, options?: CallOptions): Promise<void>;
}

export interface DeletionParts {
  readonly source: Store;
  /** Where the removal is recorded first, and what a target holds must lie; nothing is ever deleted there. */
  readonly archive: Archive;
  /** Targets at which it is deleted; empty unless deletions are propagated. */
  readonly targets: readonly DeletingStore[];
}

export interface PropagateOptions extends CallOptions {
  /** Only say what would be done. */
  readonly dryRun?: boolean | undefined;
}

/** What a target holds of a deleted instance and keeps, because nothing else does. */
export interface KeptCopy {
  readonly id: InstanceId;
  /** Name of the target. */
  readonly destination: string;
  readonly reason: string;
}

export type Propagated =
  /** The source holds it after all, or it did not come from there: nothing was done. */
  | { readonly kind: 'not-gone' }
  /** The archive has the record; every target that held bytes that the archive has does not hold them any more. */
  | { readonly kind: 'gone'; readonly kept: readonly KeptCopy[] };

/** Asks the source once more, records the removal, and deletes at the targets. Throws what the stores throw. */
export async function propagateDeletion(
  id: InstanceId,
  { source, archive, targets }: DeletionParts,
  options: PropagateOptions = {},
): Promise<Propagated> {
  const { dryRun = false, ...call } = options;
  if ((await source.lookup(id, call)).length > 0) return { kind: 'not-gone' };
  const history = await archive.history.of(id, call);
  if (history.versions.length === 0 || isForeign(history)) return { kind: 'not-gone' };
  if (!dryRun) await archive.recordRemoval(id, call);
  const kept: KeptCopy[] = [];
  for (const target of targets) {
    const [held] = await target.lookup(id, call);
    if (held === undefined) continue;
    if (!(await isArchived(held, target, history.versions, call))) kept.push(keptCopy(id, target));
    else if (!dryRun) await target.delete(id, call);
  }
  return { kind: 'gone', kept };
}

/** Whether the archive holds the very bytes that a target holds. */
async function isArchived(
  held: InventoryEntry,
  target: Store,
  versions: readonly ArchivedVersion[],
  call: CallOptions,
): Promise<boolean> {
  const md5: Md5 = held.md5 ?? (await md5ReadBack(target, held.id, call));
  const isSame = (version: ArchivedVersion) =>
    version.md5 === md5 && (held.sizeBytes === undefined || version.sizeBytes === held.sizeBytes);
  return versions.some(isSame);
}

function keptCopy(id: InstanceId, { name }: Store): KeptCopy {
  const reason =
    `the source deleted instance ${id}; ${name} holds other bytes of it than the archive has, so that they were not ` +
    'deleted there. If nobody needs them, delete them by hand';
  return { id, destination: name, reason };
}
