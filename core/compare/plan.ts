/** From the inventories to what must be copied: the plan of a mirror run and of a reconcile alike. */
import type { CopyRequest } from '../copy/decide.ts';
import { standingOf } from '../copy/decide.ts';
import { conflictError, type Destination, type DestinationOutcome } from '../copy/outcome.ts';
import type { InstanceId } from '../identifiers.ts';
import type { CallOptions, InventoryEntry, InventoryOptions, Store } from '../stores/store.ts';
import { type JoinedInstance, mergeJoin } from './merge-join.ts';

export interface PlanOptions extends CallOptions {
  /** Look only at ids greater than this one. */
  readonly after?: InstanceId | undefined;
  /** Lists the ids that the archive remembers as removed from the source. */
  readonly removed?: ((options: InventoryOptions) => AsyncIterable<InventoryEntry>) | undefined;
  /** Lists the ids that did not come from the source, so that they are not missing there. */
  readonly imported?: ((options: InventoryOptions) => AsyncIterable<InventoryEntry>) | undefined;
}

/** What the comparison says of one id. */
export interface PlannedInstance {
  readonly id: InstanceId;
  /** Whether the source lists it; where it does not, nothing is to be copied. */
  readonly atSource: boolean;
  /** What is left to do or to ask; `undefined` when everything is settled. */
  readonly request: CopyRequest | undefined;
  /** What the listings settle already: equal instances and conflicts. */
  readonly settled: readonly DestinationOutcome[];
  /** Destinations that hold something that the source does not list. */
  readonly onlyAt: readonly Destination[];
  /** Whether the archive remembers it as removed from the source. */
  readonly markedRemoved: boolean;
  /** Whether the archive remembers that it came another way than from the source. */
  readonly imported: boolean;
}

/** Compares the source with every destination; yields each id once, in ascending order. Downloads no instance. */
export async function* planCopies(
  source: Store,
  destinations: readonly Destination[],
  { after, removed = nothing, imported = nothing, signal }: PlanOptions = {},
): AsyncGenerator<PlannedInstance> {
  const stores = [source, ...destinations.map(({ store }) => store)];
  const inventories = stores.map((store) => store.inventory({ after, signal }));
  inventories.push(removed({ after, signal }), imported({ after, signal }));
  for await (const instance of mergeJoin(inventories)) yield planInstance(instance, destinations);
}

export async function* nothing(): AsyncGenerator<InventoryEntry> {}

/** The decision for one id; pure. `held`: source, destinations in their order, and what was removed and imported. */
export function planInstance({ id, held }: JoinedInstance, destinations: readonly Destination[]): PlannedInstance {
  const [atSource = [], ...atDestinations] = held;
  const entry = atSource[0];
  const markedRemoved = (atDestinations[destinations.length]?.length ?? 0) > 0;
  const imported = (atDestinations[destinations.length + 1]?.length ?? 0) > 0;
  if (entry === undefined) {
    const onlyAt = destinations.filter((_, index) => (atDestinations[index]?.length ?? 0) > 0);
    return { id, atSource: false, request: undefined, settled: [], onlyAt, markedRemoved, imported };
  }
  const lacking: Destination[] = [];
  const undecided: Destination[] = [];
  const settled: DestinationOutcome[] = [];
  for (const [index, destination] of destinations.entries()) {
    const there: readonly InventoryEntry[] = atDestinations[index] ?? [];
    switch (standingOf(destination.role, there, entry.md5)) {
      case 'lacking':
        lacking.push(destination);
        break;
      case 'unknown':
        undecided.push(destination);
        break;
      case 'equal':
        settled.push({ destination, kind: 'already-equal' });
        break;
      case 'conflict':
        settled.push({ destination, kind: 'conflict', error: conflictError(destination, id), at: 'destination' });
    }
  }
  const { md5, sizeBytes } = entry;
  const open = lacking.length + undecided.length > 0;
  const request = open ? { id, md5, sizeBytes, lacking, undecided, settled } : undefined;
  return { id, atSource: true, request, settled, onlyAt: [], markedRemoved, imported };
}
