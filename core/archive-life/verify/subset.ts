/** Which instances, and other resources with an id, a verification looks at. Pure. */
import { MirrorError } from '../../errors.ts';
import type { InstanceId, OrthancId } from '../../identifiers.ts';

/** A part of the resources, chosen by id: ids are hashes, so each part is about as large as any other. */
export type Subset =
  /** The n-th of t parts, `1 <= n <= t`; all t parts together are everything. */
  | { readonly kind: 'part'; readonly n: number; readonly t: number }
  /** So many percent, spread over all ids; `seed` chooses other ones each time. */
  | { readonly kind: 'percent'; readonly percent: number; readonly seed: number };

const idSpace = 2 ** 32;

/** Where an id lies among all possible ids: 0 up to, not including, 1. */
export function positionOf(id: OrthancId): number {
  return Number.parseInt(id.slice(0, 8), 16) / idSpace;
}

/** The smallest id that lies at or after `position`; what an inventory starts after, less one step. */
export function idBefore(position: number): InstanceId | undefined {
  const first = Math.ceil(position * idSpace) - 1;
  if (first < 0) return undefined;
  return `${first.toString(16).padStart(8, '0')}-ffffffff-ffffffff-ffffffff-ffffffff` as InstanceId;
}

/** @returns whether `id` belongs to the subset. */
export function isInSubset(id: OrthancId, subset: Subset): boolean {
  if (subset.kind === 'part') return Math.floor(positionOf(id) * subset.t) === subset.n - 1;
  // Other digits than the position, so that a percentage is spread evenly over the whole listing.
  const digits = (Number.parseInt(id.slice(9, 17), 16) ^ subset.seed) >>> 0;
  return digits / idSpace < subset.percent / 100;
}

export interface RangeOptions {
  readonly subset?: Subset | undefined;
  /** Only ids above `after` and with a position below `before` (see {@link positionOf}). */
  readonly after?: InstanceId | undefined;
  readonly before?: number | undefined;
}

/** What of a listing in the order of ids is looked at. */
export interface IdRange {
  /** The listing begins behind this id. */
  readonly after: InstanceId | undefined;
  /** Whether the listing may end here. */
  isBehind(id: OrthancId): boolean;
  includes(id: OrthancId): boolean;
}

/** The range of ids that a subset, and bounds, leave. */
export function rangeOf({ subset, after, before }: RangeOptions): IdRange {
  const end = before ?? (subset?.kind === 'part' ? subset.n / subset.t : 1);
  return {
    after: after ?? (subset?.kind === 'part' ? idBefore((subset.n - 1) / subset.t) : undefined),
    isBehind: (id) => positionOf(id) >= end,
    includes: (id) => positionOf(id) < end && (subset === undefined || isInSubset(id, subset)),
  };
}

/** Reads `3/30` or `10%`. Throws `configuration` for anything else. */
export function parseSubset(text: string, seed: number): Subset {
  const part = /^(\d+)\/(\d+)$/.exec(text);
  if (part !== null) {
    const [n, t] = [Number(part[1]), Number(part[2])];
    if (n >= 1 && n <= t) return { kind: 'part', n, t };
  }
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(text);
  if (percent !== null && Number(percent[1]) > 0 && Number(percent[1]) <= 100) {
    return { kind: 'percent', percent: Number(percent[1]), seed };
  }
  throw new MirrorError(
    'configuration',
    `the subset "${text}" is neither n/t with n from 1 to t (3/30: the third of thirty parts; for the days of a month t is ` +
      '31) nor a percentage above 0 (10%)',
  );
}
