/** How long comparisons have not been what they should be: complete, or, while the first one is under way, on the move. Pure. */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { Progress } from '../../mirror/progress.ts';

/** What is remembered of the scheduler between two measurements. */
export const watchedSchema = z.strictObject({
  /** When the mirror was measured for the first time, in seconds since 1970. */
  sinceSeconds: z.int().nonnegative(),
  /** What tells where the comparison stood, and since when it stands there; `null` while none is under way. */
  stands: z.strictObject({ where: z.string(), sinceSeconds: z.int().nonnegative() }).nullable(),
});
export type Watched = z.infer<typeof watchedSchema>;

/** @returns what is to be remembered after a measurement */
export function watchComparison(before: Watched | null, progress: Progress | undefined, nowSeconds: number): Watched {
  const sinceSeconds = before?.sinceSeconds ?? nowSeconds;
  const comparison = progress?.comparison ?? null;
  if (comparison === null) return { sinceSeconds, stands: null };
  const where = createHash('sha256').update(JSON.stringify(comparison)).digest('hex');
  const stood = before?.stands;
  return { sinceSeconds, stands: stood?.where === where ? stood : { where, sinceSeconds: nowSeconds } };
}

/**
 * Seconds since the last complete comparison ended. The first one may take as long as everything takes to be copied: until
 * it ends, its last step forward counts, and before it begins, the first measurement.
 */
export function comparedAgeSeconds(
  { sinceSeconds, stands }: Watched,
  comparedAt: string | null,
  nowSeconds: number,
): number {
  const from = comparedAt === null ? (stands?.sinceSeconds ?? sinceSeconds) : Math.floor(Date.parse(comparedAt) / 1000);
  return Math.max(0, nowSeconds - from);
}
