/** Which host backups are kept, by their times alone. Pure. */

/** How many of the newest days, weeks and months keep one backup each; the last of its day, week or month. */
export interface RetentionRule {
  readonly daily: number;
  readonly weekly: number;
  readonly monthly: number;
}

/** A backup by name and time. */
export interface DatedBackup {
  readonly id: string;
  readonly takenAt: Date;
}

const dayMs = 86_400_000;

/** How far the clock of a host and that of an archive may differ. */
const clockToleranceMs = 3_600_000;

/**
 * The time of a backup for the rule, which is the archive's own: when it received the manifest. `undefined` if it cannot
 * be relied on, because one of the two times lies in the future, or they differ: a clock was wrong, or the archive was
 * copied, or somebody wrote the manifest again.
 */
export function reliableTime(toldAt: Date, writtenAt: Date, now: Date): Date | undefined {
  const latest = now.getTime() + clockToleranceMs;
  if (toldAt.getTime() > latest || writtenAt.getTime() > latest) return undefined;
  return Math.abs(toldAt.getTime() - writtenAt.getTime()) <= clockToleranceMs ? writtenAt : undefined;
}

/**
 * The backups that a rule keeps. The newest is always kept: a rule can never leave nothing.
 * Days, weeks (from Monday) and months are those of UTC.
 */
export function keptBackups(backups: readonly DatedBackup[], rule: RetentionRule): ReadonlySet<string> {
  const newestFirst = backups.toSorted((left, right) => right.takenAt.getTime() - left.takenAt.getTime());
  const periods: readonly (readonly [number, (at: Date) => string | number])[] = [
    [rule.daily, (at) => Math.floor(at.getTime() / dayMs)],
    // 1 January 1970 was a Thursday.
    [rule.weekly, (at) => Math.floor((at.getTime() / dayMs + 3) / 7)],
    [rule.monthly, (at) => at.toISOString().slice(0, 7)],
  ];
  const kept = new Set(newestFirst.slice(0, 1).map(({ id }) => id));
  for (const [count, periodOf] of periods) {
    const seen = new Set<string | number>();
    for (const { id, takenAt } of newestFirst) {
      if (seen.size >= count) break;
      const period = periodOf(takenAt);
      if (seen.has(period)) continue;
      seen.add(period);
      kept.add(id);
    }
  }
  return kept;
}
