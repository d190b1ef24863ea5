/** Clocks differ by a little; what an archive holds of a time further ahead than this was written by a wrong one. */
const toleranceMs = 5 * 60_000;

/**
 * @returns whether a time that an archive tells of a record lies in the future. Such a record counts by its place in the
 * order of keys like any other; it is only reported, because every moment before it is told wrongly.
 */
export function isFromFuture(at: Date, now: Date): boolean {
  return at.getTime() - now.getTime() > toleranceMs;
}
