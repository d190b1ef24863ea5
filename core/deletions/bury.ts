import type { InstanceId } from '../identifiers.ts';
import type { Archive } from '../stores/archive/archive.ts';
import type { CallOptions, DestinationStore, Store } from '../stores/store.ts';

/** A target that can delete an instance. */
export interface DeletingStore extends DestinationStore {
  /** Deletes an instance; nothing happens if it is not there. Never retried after an unclear answer by itself. */
  delete(id: InstanceId, options?: CallOptions): Promise<void>;
}

export interface Burial {
  readonly source: Store;
  /** Where the removal is recorded first; nothing is ever deleted there. */
  readonly archive: Pick<Archive, 'recordRemoval'> | undefined;
  /** Targets at which it is deleted; empty unless deletions are propagated. */
  readonly targets: readonly DeletingStore[];
  /** Called for what was really done. */
  readonly onBuried?: (id: InstanceId) => void;
}

/**
 * Takes note that an instance is gone from the source, and deletes it at the targets. The source is asked once more:
 * if it has the instance after all, or does not answer, nothing happens.
 */
export async function bury(id: InstanceId, burial: Burial, options: CallOptions = {}): Promise<void> {
  const { source, archive, targets } = burial;
  if ((await source.lookup(id, options)).length > 0) return;
  await archive?.recordRemoval(id, options);
  for (const target of targets) await target.delete(id, options);
  burial.onBuried?.(id);
}
