/** The comparison as an answer to "are they equal?": every difference of every id, and nothing copied. */
import { heldIn, knownIn, type Standing, standingOf } from '../copy/decide.ts';
import type { Destination } from '../copy/outcome.ts';
import { isMirrorError, type MirrorError } from '../errors.ts';
import type { InstanceId, Md5 } from '../identifiers.ts';
import type { InventoryEntry, Store } from '../stores/store.ts';
import { mapInOrder } from '../streams/in-parallel.ts';
import { type Joined, mergeJoin } from '../streams/merge-join.ts';
import { listKnown, type PlanOptions } from './plan.ts';

/**
 * How one store stands to the source for one id.
 *
 * - `equal`: the same bytes, by MD5.
 * - `missing`: the source holds it, the store does not (an archive: these bytes are not its current version).
 * - `not-at-source`: the store holds it, the source does not.
 * - `conflict`: both hold it, with other bytes.
 * - `removed`: an archive holds it and remembers that the source no longer had it, or never had: known, not a difference.
 * - `unknown`: no hash is to be had from one of the two, or it could not be asked: never counted as equal.
 */
export const comparisonKinds = ['equal', 'missing', 'not-at-source', 'conflict', 'unknown', 'removed'] as const;
export type ComparisonKind = (typeof comparisonKinds)[number];

/** The signs of `rclone check --combined`, with the source on the left; `~` is our own. */
export const comparisonSigns: Readonly<Record<ComparisonKind, string>> = {
  equal: '=',
  missing: '+',
  'not-at-source': '-',
  conflict: '*',
  removed: '~',
  unknown: '!',
};

export interface StoreComparison {
  readonly destination: Destination;
  readonly kind: ComparisonKind;
  /** Why it is unknown, where an error is the reason. */
  readonly error?: MirrorError;
}

/** One id that at least one of the stores holds, with how every destination stands to the source. */
export interface ComparedInstance {
  readonly id: InstanceId;
  readonly atSource: boolean;
  /** The source's hash, if it holds the id and tells. */
  readonly md5: Md5 | undefined;
  readonly comparisons: readonly StoreComparison[];
}

/** Hashes that are asked for at once where the listings do not tell them. */
const lookupsAtOnce = 8;

/**
 * Compares the source with every destination; yields each id once, in ascending order. Hashes that a listing does not
 * tell are asked for one by one; bytes are never downloaded.
 */
export function compareStores(
  source: Store,
  destinations: readonly Destination[],
  { after, signal }: PlanOptions = {},
): AsyncGenerator<ComparedInstance> {
  const inventories = destinations.map(({ store }) => listKnown(store, { after, signal }));
  const joined = mergeJoin([source.inventory({ after, signal }), ...inventories]);
  return mapInOrder(joined, lookupsAtOnce, (instance) => compareInstance(instance, source, destinations, signal));
}

async function compareInstance(
  { id, held }: Joined<InventoryEntry>,
  source: Store,
  destinations: readonly Destination[],
  signal: AbortSignal | undefined,
): Promise<ComparedInstance> {
  const [atSource = [], ...atDestinations] = held;
  if (atSource.length === 0) {
    const comparisons = destinations.flatMap((destination, index) =>
      notAtSource(destination, atDestinations[index] ?? []),
    );
    return { id, atSource: false, md5: undefined, comparisons };
  }
  const listed = destinations.map((destination, index) => ({
    destination,
    there: heldIn(atDestinations[index] ?? []),
  }));
  const someHeld = listed.some(({ there }) => there.length > 0);
  const entry = someHeld ? await withHash(source, id, atSource, signal) : { entries: atSource };
  const md5 = entry.entries[0]?.md5;
  const comparisons = listed.map(async ({ destination, there }): Promise<StoreComparison> => {
    if (entry.error !== undefined) return { destination, kind: 'unknown', error: entry.error };
    const { entries, error } =
      there.length === 0 ? { entries: there } : await withHash(destination.store, id, there, signal);
    if (error !== undefined) return { destination, kind: 'unknown', error };
    return { destination, kind: kindOf(standingOf(destination.role, entries, md5)) };
  });
  return { id, atSource: true, md5, comparisons: await Promise.all(comparisons) };
}

function notAtSource(destination: Destination, there: readonly InventoryEntry[]): StoreComparison[] {
  if (there.length === 0) return [];
  const known = knownIn(there);
  const isExplained = known !== undefined && (known.standing === 'removed' || known.isForeign);
  return [{ destination, kind: isExplained ? 'removed' : 'not-at-source' }];
}

function kindOf(standing: Standing): ComparisonKind {
  return standing === 'lacking' ? 'missing' : standing;
}

interface Hashed {
  readonly entries: readonly InventoryEntry[];
  readonly error?: MirrorError;
}

/** What was listed, or what the store tells when it is asked for the hash that the listing left out. */
async function withHash(
  store: Store,
  id: InstanceId,
  listed: readonly InventoryEntry[],
  signal: AbortSignal | undefined,
): Promise<Hashed> {
  if (listed.every(({ md5 }) => md5 !== undefined)) return { entries: listed };
  try {
    return { entries: await store.lookup(id, { signal }) };
  } catch (error) {
    if (!isMirrorError(error) || signal?.aborted === true) throw error;
    return { entries: [], error };
  }
}
