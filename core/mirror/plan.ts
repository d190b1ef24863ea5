/** From the inventories to what must be copied: the plan of a mirror run and of a reconcile alike. */

import type { CallOptions } from '../call-options.ts';
import { type CopyRequest, heldIn, knownIn, needOf, whatIsKept } from '../copy/decide.ts';
import { conflictError, type Destination, type DestinationOutcome } from '../copy/outcome.ts';
import { isMirrorError } from '../errors.ts';
import type { InstanceId } from '../identifiers.ts';
import type { DestinationStore, InventoryEntry, InventoryOptions, KnownEntry, Store } from '../stores/store.ts';
import { mapInOrder } from '../streams/in-parallel.ts';
import { type Joined, mergeJoin } from '../streams/merge-join.ts';

/** Instances of which servers are asked at once whether what they told earlier still holds. */
const questionsAtOnce = 8;

export interface PlanOptions extends CallOptions {
  /** Look only at ids greater than this one. */
  readonly after?: InstanceId | undefined;
  /** See {@link InventoryOptions.listedSinceMs}. */
  readonly listedSinceMs?: number | undefined;
}

/** What the comparison says of one id. */
export interface PlannedInstance {
  readonly id: InstanceId;
  /** Whether the source lists it; where it does not, nothing is to be copied. */
  readonly atSource: boolean;
  /** What is left to do or to ask; `undefined` when everything is decided. */
  readonly request: CopyRequest | undefined;
  /** What the listings decide already: equal instances and conflicts. */
  readonly decided: readonly DestinationOutcome[];
  /** Destinations that hold something that the source does not list. */
  readonly onlyAt: readonly Destination[];
  /** What the archive knows of the id; `undefined` if that is nothing, or if there is no archive. */
  readonly archived: KnownEntry | undefined;
}

/** Compares the source with every destination; yields each id once, in ascending order. Downloads no instance. */
export async function* planCopies(
  source: Store,
  destinations: readonly Destination[],
  { after, listedSinceMs, signal }: PlanOptions = {},
): AsyncGenerator<PlannedInstance> {
  const options = { after, mayRemember: true, listedSinceMs, signal };
  const inventories = destinations.map(({ store }) => listKnown(store, options));
  const joined = mergeJoin([source.inventory(options), ...inventories]);
  yield* mapInOrder(joined, questionsAtOnce, async (instance) => {
    const planned = planInstance(instance, destinations);
    if (!isDoubtful(instance, planned)) return planned;
    const stores = [source, ...destinations.map(({ store }) => store)];
    return planInstance({ id: instance.id, held: await askRemembered(instance, stores, { signal }) }, destinations);
  });
}

/**
 * What was told earlier is good enough to say that nothing is to be done, and for nothing else: but where no destination
 * knows anything of the id, it is to be copied whatever its hash is.
 */
function isDoubtful({ held }: Joined<InventoryEntry>, { atSource, decided }: PlannedInstance): boolean {
  if (!held.some((entries) => entries.some(({ isRemembered }) => isRemembered))) return false;
  if (held.slice(1).every((entries) => entries.length === 0)) return false;
  return atSource && (decided.length < held.length - 1 || decided.some(({ kind }) => kind !== 'already-equal'));
}

/** Asks the stores again for what they told earlier; where one cannot be asked now, whoever decides asks again. */
function askRemembered(
  { id, held }: Joined<InventoryEntry>,
  stores: readonly Store[],
  options: CallOptions,
): Promise<(readonly InventoryEntry[])[]> {
  return Promise.all(
    held.map(async (entries, index) => {
      if (!entries.some(({ isRemembered }) => isRemembered)) return entries;
      try {
        return (await stores[index]?.lookup(id, options)) ?? [];
      } catch (error) {
        options.signal?.throwIfAborted();
        if (!isMirrorError(error)) throw error;
        return [{ id, md5: undefined, sizeBytes: undefined }];
      }
    }),
  );
}

/** The inventory of a destination; an archive also tells of what it does not list. */
export function listKnown(store: DestinationStore, options: InventoryOptions): AsyncIterable<InventoryEntry> {
  return store.known?.(options) ?? store.inventory(options);
}

/** The decision for one id; pure. `held`: source, then the destinations in their order. */
export function planInstance(
  { id, held }: Joined<InventoryEntry>,
  destinations: readonly Destination[],
): PlannedInstance {
  const [atSource = [], ...atDestinations] = held;
  const entry = atSource[0];
  const archived = knownIn(atDestinations.flat());
  if (entry === undefined) {
    const onlyAt = destinations.filter((_, index) => heldIn(atDestinations[index] ?? []).length > 0);
    return { id, atSource: false, request: undefined, decided: [], onlyAt, archived };
  }
  const lacking: Destination[] = [];
  const undecided: Destination[] = [];
  const decided: DestinationOutcome[] = [];
  for (const [index, destination] of destinations.entries()) {
    switch (needOf(destination.role, atDestinations[index] ?? [], entry.md5)) {
      case 'lacking':
        lacking.push(destination);
        break;
      case 'unknown':
        undecided.push(destination);
        break;
      case 'equal':
        decided.push({ destination, kind: 'already-equal' });
        break;
      case 'conflict':
        decided.push({ destination, kind: 'conflict', error: conflictError(destination, id), at: 'destination' });
    }
  }
  const { md5, sizeBytes } = entry;
  const open = lacking.length + undecided.length > 0;
  const kept = whatIsKept(archived, md5);
  const request = open ? { id, md5, sizeBytes, lacking, undecided, decided, kept } : undefined;
  return { id, atSource: true, request, decided, onlyAt: [], archived };
}
