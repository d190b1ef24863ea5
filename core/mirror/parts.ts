/** The parts of a mirror beside the copying of instances, put together from its open stores. */

import { type DeletionLimits, missingSchema } from '../archive-life/deletions/missing.ts';
import { propagateDeletion } from '../archive-life/deletions/propagate-deletion.ts';
import type { Destination } from '../copy/outcome.ts';
import type { Limitations } from '../sidecars/limitations.ts';
import { Archive } from '../stores/archive/archive.ts';
import { StateDocument } from '../stores/archive/state.ts';
import { readCapabilities } from '../stores/orthanc/capabilities.ts';
import { isOrthancStore, type OrthancStore } from '../stores/orthanc/orthanc-store.ts';
import { type MemoryPolicy, memoryBeside, memoryInProcess } from './inventory-memory.ts';
import { RemovalRecorder, type RemovalRecorderOptions } from './record-removals.ts';
import { SidecarSync, type SidecarSyncOptions } from './sidecar-sync.ts';
import { SourceProof, type SourceProofOptions } from './source-proof.ts';

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

/** What keeps sidecars equal. */
export function sidecarSyncOf(
  { source, destinations }: MirrorStores,
  limitations: Limitations,
  options: Pick<SidecarSyncOptions, 'report' | 'ceiling'> = {},
): SidecarSync {
  const found = archiveOf(destinations);
  const archive = found && { destination: found.destination, objects: found.store.objects };
  return new SidecarSync({ source, targets: targetsOf(destinations), archive, limitations, ...options });
}

export interface SourceProofPolicy {
  /** See {@link SourceProofOptions.successors}; absent: none but those that the archive has had. */
  readonly successors?: SourceProofOptions['successors'] | undefined;
  readonly dryRun?: boolean | undefined;
}

/** What holds the mirror to the one source of its archive; without an archive there is nothing to hold it to. */
export function sourceProofOf(
  { source, destinations }: MirrorStores,
  policy: SourceProofPolicy = {},
): SourceProof | undefined {
  const archive = archiveOf(destinations)?.store;
  if (archive === undefined) return undefined;
  const { successors = 0, dryRun } = policy;
  return new SourceProof({
    archive,
    feed: source,
    name: source.name,
    serverIdentifier: async (options) => (await readCapabilities(source.client, options)).serverIdentifier,
    successors,
    now: () => new Date(),
    dryRun,
  });
}

/** Lets comparisons use what the servers told earlier; see `InventoryMemory`. */
export function rememberInventories({ source, destinations }: MirrorStores, policy: MemoryPolicy): void {
  const archive = archiveOf(destinations)?.store;
  for (const server of [source, ...targetsOf(destinations).map(({ store }) => store)]) {
    // An archive has one source, however it is reached: what a run learned of it serves the stack.
    const called = server === source ? 'source' : server.name;
    server.remember(archive === undefined ? memoryInProcess(policy) : memoryBeside(archive.objects, called, policy));
  }
}

export interface DeletionPolicy {
  /** Whether what is gone from the source is deleted at the targets. */
  readonly propagate: boolean;
  readonly limits: DeletionLimits;
  readonly now: () => Date;
  readonly onGone?: RemovalRecorderOptions['onGone'];
}

/** What takes note of removals; without an archive there is no place to do so, and nothing is done. */
export interface RemovalParts {
  readonly gone?: RemovalRecorder;
}

/** What takes note of what is gone from the source, and acts on it as the policy says. */
export function removalPartsOf({ source, destinations }: MirrorStores, policy: DeletionPolicy): RemovalParts {
  const archive = archiveOf(destinations)?.store;
  if (archive === undefined) return {};
  const { propagate, limits, now, onGone } = policy;
  const targets = propagate ? targetsOf(destinations).map(({ store }) => store) : [];
  const gone = new RemovalRecorder({
    document: new StateDocument(archive.objects, 'missing', missingSchema),
    limits,
    deletesAtTargets: propagate,
    now,
    isAtSource: async (id, options) => (await source.lookup(id, options)).length > 0,
    propagate: (id, options) => propagateDeletion(id, { source, archive, targets }, options),
    onGone,
  });
  return { gone };
}
