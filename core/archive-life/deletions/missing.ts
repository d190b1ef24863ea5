/**
 * Which instances are really gone from the source. Pure.
 *
 * An instance counts as gone when two complete listings in a row did not show it and the grace period is over. What
 * was not listed is collected during a comparison; the guard decides at its end.
 */
import * as z from 'zod';
import { type InstanceId, isInstanceId } from '../../identifiers.ts';
import { listOf } from '../../json.ts';

/** Bounds of what may be taken for gone at once. */
export interface DeletionLimits {
  /** More instances than this are not a deletion but an accident. */
  readonly maxCount: number;
  /** The same as a share of what the source lists, in percent. */
  readonly maxPercent: number;
  /** An instance must be missing for so long. */
  readonly graceMs: number;
}

export const defaultDeletionLimits: DeletionLimits = { maxCount: 1000, maxPercent: 1, graceMs: 24 * 60 * 60 * 1000 };

const idSchema = z.custom<InstanceId>(isInstanceId, 'not an Orthanc id');

/** What is remembered between comparisons: `state/<mirror>/missing.json`. */
export const missingSchema = z.strictObject({
  version: z.literal(1),
  /** Missing in the last complete listing, with the time when each was first found missing. */
  previous: listOf(z.tuple([idSchema, z.iso.datetime()])),
  /** The listing under way: what it did not show so far, and how much it showed. */
  current: z.strictObject({
    ids: listOf(idSchema),
    /** All that were missing; more than `ids` when they were too many to be a deletion. */
    count: z.int().nonnegative(),
    listed: z.int().nonnegative(),
  }),
});
export type Missing = z.infer<typeof missingSchema>;

export const nothingMissing: Missing = { version: 1, previous: [], current: { ids: [], count: 0, listed: 0 } };

/** The state when a new listing begins: what an unfinished one collected is forgotten. */
export function beginListing(missing: Missing): Missing {
  return { ...missing, current: nothingMissing.current };
}

/** The state after a part of a listing: `listed` ids at the source and `notAtSource` that only others hold. */
export function noteListed(
  missing: Missing,
  listed: number,
  notAtSource: readonly InstanceId[],
  { maxCount }: DeletionLimits,
): Missing {
  const { current } = missing;
  return {
    ...missing,
    current: {
      // One more than the limit is enough to know that it is exceeded.
      ids: [...current.ids, ...notAtSource].slice(0, maxCount + 1),
      count: current.count + notAtSource.length,
      listed: current.listed + listed,
    },
  };
}

/** What a complete listing allows. */
export type DeletionVerdict =
  | { readonly kind: 'none' }
  /** These are gone. */
  | { readonly kind: 'gone'; readonly ids: readonly InstanceId[] }
  /** Too much is missing to believe it; nothing may be deleted, and somebody must look. */
  | { readonly kind: 'guarded'; readonly count: number; readonly reason: string };

/** Ends a complete listing: says what is gone, and the state to keep for the next one. */
export function completeListing(
  missing: Missing,
  limits: DeletionLimits,
  now: Date,
): { readonly verdict: DeletionVerdict; readonly next: Missing } {
  const { ids, count, listed } = missing.current;
  const guard = guardReason(count, listed, limits);
  // A listing that is not believed is no evidence: neither for the next one.
  if (guard !== undefined) return { verdict: { kind: 'guarded', count, reason: guard }, next: beginListing(missing) };
  // A clock that was ahead must not delay what is gone until it is as late as it was.
  const firstMissed = new Map(
    missing.previous.map(([id, since]): [InstanceId, number] => [id, Math.min(Date.parse(since), now.getTime())]),
  );
  const gone = ids.filter((id) => {
    const since = firstMissed.get(id);
    return since !== undefined && now.getTime() - since >= limits.graceMs;
  });
  const previous = ids.map((id): [InstanceId, string] => [
    id,
    new Date(firstMissed.get(id) ?? now.getTime()).toISOString(),
  ]);
  const verdict: DeletionVerdict = gone.length === 0 ? { kind: 'none' } : { kind: 'gone', ids: gone };
  return { verdict, next: { ...beginListing(missing), previous } };
}

function guardReason(count: number, listed: number, { maxCount, maxPercent }: DeletionLimits): string | undefined {
  if (count === 0) return undefined;
  if (listed === 0) return 'the source lists nothing at all';
  if (count > maxCount) return `${count} instances are missing at the source, more than the limit of ${maxCount}`;
  const percent = (100 * count) / (listed + count);
  if (percent > maxPercent) {
    return `${count} instances are missing at the source, ${percent.toFixed(1)} % of all, more than the limit of ${maxPercent} %`;
  }
  return undefined;
}

/** The state after `ids` were dealt with. */
export function forget(missing: Missing, ids: readonly InstanceId[]): Missing {
  const done = new Set<InstanceId>(ids);
  return { ...missing, previous: missing.previous.filter(([id]) => !done.has(id)) };
}
