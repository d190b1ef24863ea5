/** The parts of a mirror beside the copying of instances, put together from its open stores. */
import type { PlanOptions } from '../compare/plan.ts';
import type { Destination } from '../copy/outcome.ts';
import { GoneKeeper, type GoneKeeperOptions } from '../deletions/gone-keeper.ts';
import { importedInventory } from '../deletions/imports.ts';
import { type DeletionLimits, missingSchema } from '../deletions/missing.ts';
import { propagateDeletion } from '../deletions/propagate-deletion.ts';
import { keepRecord, removedInventory } from '../deletions/removals.ts';
import type { InstanceId } from '../identifiers.ts';
import { Archive } from '../stores/archive/archive.ts';
import { StateDocument } from '../stores/archive/state.ts';
import { isOrthancStore, type OrthancStore } from '../stores/orthanc/orthanc-store.ts';
import type { Limitations } from '../studies/limitations.ts';
import type { StudySyncResult } from '../studies/sync-study.ts';
import { DocumentSync } from './document-sync.ts';

/** The open stores of a mirror. */
export interface MirrorStores {
  readonly source: OrthancStore;
  readonly destinations: readonly Destination[];
}

/** @returns the archive among the destinations, with its part in the mirror. */
export function archiveOf(
  destinations: readonly Destination[],
): { destination: Destination; store: Archive } | undefined {
  for (const destination of destinations) {
    if (destination.store instanceof Archive) return { destination, store: destination.store };
  }
  return undefined;
}

function targetsOf(destinations: readonly Destination[]): readonly { destination: Destination; store: OrthancStore }[] {
  return destinations.flatMap((destination) => {
    const { store } = destination;
    return isOrthancStore(store) ? [{ destination, store }] : [];
  });
}

/** What keeps study documents equal. */
export function documentSyncOf(
  { source, destinations }: MirrorStores,
  limitations: Limitations,
  onResult?: (result: StudySyncResult) => void,
): DocumentSync {
  const found = archiveOf(destinations);
  const archive = found && { destination: found.destination, objects: found.store.objects };
  return new DocumentSync({ source, targets: targetsOf(destinations), archive, limitations, onResult });
}

export interface DeletionPolicy {
  /** Whether what is gone from the source is deleted at the targets. */
  readonly propagate: boolean;
  readonly limits: DeletionLimits;
  readonly now: () => Date;
  readonly onGone?: GoneKeeperOptions['onGone'];
}

/** What takes note of removals; without an archive there is no place to do so, and nothing is done. */
export interface RemovalParts {
  readonly gone?: GoneKeeper;
  readonly removed?: PlanOptions['removed'];
  readonly imported?: PlanOptions['imported'];
  readonly onReturned?: (id: InstanceId) => Promise<void>;
}

/** What takes note of what is gone from the source, and acts on it as the policy says. */
export function removalPartsOf({ source, destinations }: MirrorStores, policy: DeletionPolicy): RemovalParts {
  const archive = archiveOf(destinations)?.store;
  if (archive === undefined) return {};
  const { objects } = archive;
  const { propagate, limits, now, onGone } = policy;
  const targets = propagate ? targetsOf(destinations).map(({ store }) => store) : [];
  const gone = new GoneKeeper({
    document: new StateDocument(objects, 'missing', missingSchema),
    limits,
    deletesAtTargets: propagate,
    now,
    propagate: (id, options) => propagateDeletion(id, { source, archive, targets, now }, options),
    onGone,
  });
  return {
    gone,
    removed: (options) => removedInventory(objects, options),
    imported: (options) => importedInventory(objects, options),
    onReturned: (id) => keepRecord(objects, { id, at: now(), kind: 'returned' }),
  };
}
