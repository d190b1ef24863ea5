/** The summary of `restore`, as text and as JSON, and its exit code. Pure. */

import type { RestoredSidecar } from '../../core/archive-life/restore/restore-sidecars.ts';
import type { ThawCounts } from '../../core/archive-life/restore/thaw.ts';
import type { Verified } from '../../core/archive-life/verify/verify.ts';
import { thawDollars, thawHours } from '../../core/cloud/estimate/estimate.ts';
import type { MirrorRunEnd } from '../../core/mirror/mirror-run.ts';
import { type ExitCode, exitCodeOf, exitCodes, type Outcome } from '../exit-codes.ts';
import { formatBytes, formatCount, formatDuration } from '../format.ts';
import { reasonOf } from '../next-steps.ts';
import { exitCodeOfRun, plainPolicies } from '../run/run-report.ts';

/** Studies by what became of their sidecars. */
export interface SidecarCounts {
  readonly written: number;
  readonly alreadyEqual: number;
  /** Failures that may pass. */
  readonly failed: number;
  /** Of these, those whose attachments lie in a cold storage class. */
  readonly cold: number;
  /** Failures that will be the same again. */
  readonly rejected: number;
  /** Of all these, those for which a later sidecar could not be read. */
  readonly outdated: number;
  /** Values of the target that differ, and stay as they are. */
  readonly keptValues: number;
  /** Instances that sidecars name, and neither the target nor the archive holds. */
  readonly lost: number;
}

/** Instances by what reading them back showed. */
export interface VerifiedCounts {
  readonly sound: number;
  readonly damaged: number;
  readonly missing: number;
  readonly unverified: number;
  /** Values of sidecars that are not there. */
  readonly differing: number;
}

export const noSidecars: SidecarCounts = {
  written: 0,
  alreadyEqual: 0,
  failed: 0,
  cold: 0,
  rejected: 0,
  outdated: 0,
  keptValues: 0,
  lost: 0,
};
export const nothingVerified: VerifiedCounts = { sound: 0, damaged: 0, missing: 0, unverified: 0, differing: 0 };

export interface RestoreReport {
  readonly dryRun: boolean;
  readonly archive: string;
  readonly target: string;
  readonly end: MirrorRunEnd;
  /** Whether only a part of the archive was asked for. */
  readonly selective: boolean;
  /** Instances that were left out because they were removed from the source. */
  readonly removed: number;
  /** Instances of which the archive keeps several versions and does not know which counts; the newest was taken. */
  readonly undecided: number;
  /** Instances whose version that counts is gone from the archive. */
  readonly lost: number;
  /** Instances of which the archive cannot tell what it had at the moment. */
  readonly unreadable: Pick<Outcome, 'rejected' | 'failed'>;
  /** Whether what is there is made as in the archive. */
  readonly replaces: boolean;
  /** Instances of those restored whose other version was saved. */
  readonly replaced: number;
  /** What an interrupted replacement had still to write and could not. */
  readonly unwritten: number;
  /** Absent where it did not come to that. */
  readonly sidecars: SidecarCounts | undefined;
  readonly verified: VerifiedCounts | undefined;
  /** What was asked of a cold storage class; absent without `--thaw`. */
  readonly thaw: ThawCounts | undefined;
  readonly interrupted: boolean;
  readonly durationMs: number;
}

export function countSidecar(counts: SidecarCounts, restored: RestoredSidecar): SidecarCounts {
  const { kept, lost, outdated } = restored;
  return countKind(restored, {
    ...counts,
    outdated: counts.outdated + (outdated ? 1 : 0),
    keptValues: counts.keptValues + kept.length,
    lost: counts.lost + lost.length,
  });
}

function countKind({ kind, error }: RestoredSidecar, counts: SidecarCounts): SidecarCounts {
  switch (kind) {
    case 'written':
      return { ...counts, written: counts.written + 1 };
    case 'already-equal':
      return { ...counts, alreadyEqual: counts.alreadyEqual + 1 };
    case 'not-held':
      return counts;
    case 'failed':
      return error?.disposition === 'reject'
        ? { ...counts, rejected: counts.rejected + 1 }
        : { ...counts, failed: counts.failed + 1, cold: counts.cold + (error?.code === 'cold' ? 1 : 0) };
  }
}

export function countVerified(counts: VerifiedCounts, { kind }: Verified): VerifiedCounts {
  const field = kind === 'vanished' ? 'missing' : kind;
  return { ...counts, [field]: counts[field] + 1 };
}

/** The exit code: of the copies, then of the sidecars, then of the reading back. Values that are kept are no failure. */
export function exitCodeOfRestore(report: RestoreReport): ExitCode {
  const { dryRun, replaces, end, lost, unreadable, unwritten, sidecars = noSidecars, interrupted, thaw } = report;
  const { verified = nothingVerified } = report;
  if (interrupted) return exitCodes.interrupted;
  // In a dry run nothing resolves the conflicts that `--replace` would.
  const conflicts = dryRun && replaces ? 'keep-target' : 'report';
  const ofRun = exitCodeOfRun(end, { ...plainPolicies, conflicts });
  if (ofRun !== exitCodes.ok && ofRun !== exitCodes.cold) return ofRun;
  const ofThaw = exitCodeOfThaw(thaw);
  if (ofThaw !== exitCodes.ok || ofRun !== exitCodes.ok) return ofThaw || ofRun;
  return exitCodeOf({
    conflicting: 0,
    rejected: lost + unreadable.rejected + sidecars.rejected + sidecars.outdated + sidecars.lost,
    failed: unreadable.failed + sidecars.failed + unwritten + verified.unverified,
    cold: sidecars.cold,
    differences: verified.damaged + verified.missing + verified.differing,
  });
}

/** What was not asked for does not come, however long one waits. */
export function exitCodeOfThaw({
  failed,
  stoppedBy,
}: Pick<ThawCounts, 'failed' | 'stoppedBy'> = nothingAsked): ExitCode {
  return exitCodeOf({ conflicting: 0, rejected: 0, failed, stoppedBy });
}

const nothingAsked = { failed: 0, stoppedBy: undefined };

/** The last line of `restore --json`. Fields are only ever added. */
export function jsonSummary(report: RestoreReport) {
  const { dryRun, archive, target, end, removed, undecided, lost, unreadable, replaced, sidecars, verified } = report;
  const { interrupted, durationMs } = report;
  const { copied, vanished, rejected, failed, conflict, ...others } = end.summary.instances;
  const stop = stopOf(end);
  return {
    type: 'summary',
    dryRun,
    archive,
    target,
    copied,
    alreadyEqual: others['already-equal'],
    vanished,
    conflicting: conflict,
    rejected,
    failed,
    cold: end.summary.cold,
    coldBytes: end.summary.coldBytes,
    thaw: jsonThaw(report.thaw),
    bytesCopied: end.summary.bytesCopied,
    notInArchive: report.selective ? null : end.summary.notAtSource,
    removedLeftOut: removed,
    undecided,
    lost,
    unreadableHistories: unreadable.rejected + unreadable.failed,
    replaced,
    sidecars: sidecars ?? noSidecars,
    verified: verified ?? null,
    durationMs: Math.round(durationMs),
    interrupted,
    stoppedBy: stop && { code: stop.code, reason: reasonOf(stop) },
    exitCode: exitCodeOfRestore(report),
  };
}

/** The part of a summary in JSON about what was asked of a cold storage class. */
export function jsonThaw(thaw: ThawCounts | undefined) {
  return thaw === undefined ? null : { asked: thaw.asked, underWay: thaw.underWay, failed: thaw.failed };
}

/** What was asked of a cold storage class, and when to come again. */
export function thawLine({ asked, underWay, failed, stoppedBy }: ThawCounts): string {
  const counted = `S3 was asked for copies of ${formatCount(asked)}, was at work on those of ${formatCount(underWay)} already`;
  if (failed > 0) {
    const why = stoppedBy === undefined ? '' : ` (${reasonOf(stoppedBy)})`;
    return `${counted}, and could not be asked for those of ${formatCount(failed)}${why}: put that right, and run the same again`;
  }
  return `${counted}: run the same again within a week, after ${thawHours} hours at the most`;
}

/** What to do about what is cold: what it costs and how long it takes before anything is asked for. */
function coldLine({ end: { summary }, thaw }: RestoreReport): string {
  const lies = `of the failed, ${formatCount(summary.cold)} (${formatBytes(summary.coldBytes)}) lie in a cold storage class`;
  if (thaw !== undefined) return lies;
  const dollars = thawDollars({ instances: summary.cold, bytes: summary.coldBytes }).toFixed(2);
  const quote = `about ${dollars} US dollars from Deep Archive, within ${thawHours} hours`;
  return `${lies}; --thaw asks S3 for copies of them (${quote}), then run again`;
}

/** The summary as lines of text. */
export function summaryLines(report: RestoreReport): readonly string[] {
  const { dryRun, end, removed, undecided, lost, replaced, sidecars, verified, interrupted, durationMs, thaw } = report;
  const unreadable = report.unreadable.rejected + report.unreadable.failed;
  const { instances, bytesCopied, notAtSource } = end.summary;
  const rate = dryRun || durationMs === 0 ? '' : `, ${formatBytes((bytesCopied / durationMs) * 1000)}/s`;
  const counted = [
    `${dryRun ? 'would restore' : 'restored'} ${formatCount(instances.copied)}`,
    `already equal ${formatCount(instances['already-equal'])}`,
    `vanished ${formatCount(instances.vanished)}`,
    `conflicting ${formatCount(instances.conflict)}`,
    `rejected ${formatCount(instances.rejected)}`,
    `failed ${formatCount(instances.failed)}`,
  ];
  const stop = stopOf(end);
  return [
    `${counted.join(', ')} (${formatBytes(bytesCopied)} in ${formatDuration(durationMs)}${rate})`,
    ...(end.summary.cold === 0 ? [] : [coldLine(report)]),
    ...(sidecars === undefined || sidecars.cold === 0
      ? []
      : [`of the sidecars that failed, ${formatCount(sidecars.cold)} wait for attachments in a cold storage class`]),
    ...(thaw === undefined || thaw.asked + thaw.underWay + thaw.failed === 0 ? [] : [thawLine(thaw)]),
    ...(replaced === 0 ? [] : [`of these replaced ${formatCount(replaced)}, what was there is saved`]),
    ...(sidecars === undefined ? [] : sidecarsLines(sidecars, dryRun)),
    ...(verified === undefined ? [] : [verifiedLine(verified)]),
    ...(removed === 0 ? [] : [removedLine(removed)]),
    ...(undecided === 0 ? [] : [`${formatCount(undecided)} with several versions and no record: the newest was taken`]),
    ...(lost === 0 ? [] : [`${formatCount(lost)} lost by the archive; they could not be restored`]),
    ...(unreadable === 0 ? [] : [unreadableLine(unreadable)]),
    ...(notAtSource === 0 || report.selective
      ? []
      : [`${formatCount(notAtSource)} at the target only; left where they are`]),
    ...(stop === undefined ? [] : [`stopped: ${reasonOf(stop)} (${stop.code})`]),
    ...(interrupted ? ['interrupted; run the same command again to go on'] : []),
  ];
}

function sidecarsLines(counts: SidecarCounts, dryRun: boolean): readonly string[] {
  const { written, alreadyEqual, failed, rejected, outdated, keptValues, lost } = counts;
  const [w, e, r, f] = [written, alreadyEqual, rejected, failed].map(formatCount);
  return [
    `sidecars: ${dryRun ? 'would write' : 'written'} ${w}, already equal ${e}, rejected ${r}, failed ${f}`,
    ...(keptValues === 0
      ? []
      : [`kept ${formatCount(keptValues)} values that differ; add --replace to have them as in the archive`]),
    ...(outdated === 0
      ? []
      : [`${formatCount(outdated)} studies have values of an older sidecar: the newest cannot be read`]),
    ...(lost === 0 ? [] : [`lost ${formatCount(lost)}: the archive does not hold what its sidecars name`]),
  ];
}

function verifiedLine({ sound, damaged, missing, unverified, differing }: VerifiedCounts): string {
  const [s, d, m, u, v] = [sound, damaged, missing, unverified, differing].map(formatCount);
  return `read back: sound ${s}, damaged ${d}, missing ${m}, not yet verified ${u}; values of sidecars that are not there ${v}`;
}

/** What is said of instances whose history cannot be read. */
export function unreadableLine(count: number): string {
  return `${formatCount(count)} left out because the archive cannot tell what it had of them at that time`;
}

function removedLine(removed: number): string {
  return (
    `${formatCount(removed)} left out because they were removed from the source; ` +
    'add --include-removed to have them too, or --at a time before'
  );
}

function stopOf({ stoppedBy, withdrawn }: MirrorRunEnd) {
  return stoppedBy ?? withdrawn.values().next().value;
}
