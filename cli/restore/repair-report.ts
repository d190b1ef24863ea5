/** The summary of `restore --repair`, as text and as JSON, and its exit code. Pure. */
import type { ThawCounts } from '../../core/archive-life/restore/thaw.ts';
import type { MirrorRunEnd } from '../../core/mirror/mirror-run.ts';
import { type ExitCode, exitCodeOf, exitCodes, type Outcome } from '../exit-codes.ts';
import { formatCount, formatDuration } from '../format.ts';
import { exitCodeOfRun } from '../run/run-report.ts';
import { exitCodeOfThaw, jsonThaw, thawLine, unreadableLine, type VerifiedCounts } from './restore-report.ts';

/** What was found and what became of it, in instances; `unwritten` in resources. */
export interface RepairCounts {
  /** What reading everything back showed. */
  readonly sound: number;
  readonly damaged: number;
  readonly unverified: number;
  readonly vanished: number;
  /** What became of the damaged ones. */
  readonly repaired: number;
  /** Of those repaired, how many have another version now than the server's index promised. */
  readonly otherVersion: number;
  readonly rejected: number;
  readonly failed: number;
  /** Of the failed, those whose good copy lies in a cold storage class. */
  readonly cold: number;
  /** What the archive holds and the server lacked. */
  readonly missing: number;
  /** What users attached to these is still to be written. */
  readonly unwritten: number;
}

export const nothingRepaired: RepairCounts = {
  sound: 0,
  damaged: 0,
  unverified: 0,
  vanished: 0,
  repaired: 0,
  otherVersion: 0,
  rejected: 0,
  failed: 0,
  cold: 0,
  missing: 0,
  unwritten: 0,
};

export interface RepairReport {
  readonly dryRun: boolean;
  readonly counts: RepairCounts;
  /** Sidecars of the archive that could not be read: the one before each of them counted. */
  readonly damagedSidecars: number;
  /** Instances of which the archive cannot tell what it had at the moment. */
  readonly unreadable: Pick<Outcome, 'rejected' | 'failed'>;
  /** How bringing back what was missing ended; absent if nothing was. */
  readonly end: MirrorRunEnd | undefined;
  readonly interrupted: boolean;
  readonly durationMs: number;
  /** Reading everything back once more, if that was asked for. */
  readonly verified?: VerifiedCounts | undefined;
  /** What was asked of a cold storage class; absent without `--thaw`. */
  readonly thaw?: ThawCounts | undefined;
}

/**
 * The exit code: in a dry run whether there is something to repair, else whether everything is repaired. What has another
 * version now than it had is not: its own is lost.
 */
export function exitCodeOfRepair(report: RepairReport): ExitCode {
  const { dryRun, counts, damagedSidecars, unreadable, end, interrupted, verified, thaw } = report;
  if (interrupted) return exitCodes.interrupted;
  const ofRun = end === undefined ? exitCodes.ok : exitCodeOfRun(end);
  if (ofRun !== exitCodes.ok && ofRun !== exitCodes.cold) return ofRun;
  const ofThaw = exitCodeOfThaw(thaw);
  if (ofThaw !== exitCodes.ok || ofRun !== exitCodes.ok) return ofThaw || ofRun;
  const { damaged, missing, rejected, failed, cold, unverified, unwritten, otherVersion } = counts;
  return exitCodeOf({
    conflicting: 0,
    rejected: rejected + otherVersion + damagedSidecars + unreadable.rejected,
    failed: failed + unverified + unwritten + unreadable.failed + (verified?.unverified ?? 0),
    cold,
    differences: (dryRun ? damaged + missing : 0) + (verified?.damaged ?? 0) + (verified?.missing ?? 0),
  });
}

/** The last line of `restore --repair --json`. Fields are only ever added. */
export function jsonRepairSummary(report: RepairReport) {
  const { dryRun, counts, damagedSidecars, unreadable, end, interrupted, durationMs, verified } = report;
  return {
    type: 'summary',
    dryRun,
    ...counts,
    damagedSidecars,
    unreadableHistories: unreadable.rejected + unreadable.failed,
    broughtBack: end?.summary.instances.copied ?? 0,
    thaw: jsonThaw(report.thaw),
    verified: verified ?? null,
    durationMs: Math.round(durationMs),
    interrupted,
    exitCode: exitCodeOfRepair(report),
  };
}

/** The summary as lines of text. */
export function repairSummaryLines(report: RepairReport): readonly string[] {
  const { counts, damagedSidecars, end, interrupted, durationMs, thaw } = report;
  const { sound, damaged, unverified, repaired, otherVersion, rejected, failed, cold, missing, unwritten } = counts;
  const allCold = cold + (end?.summary.cold ?? 0);
  const broughtBack = end?.summary.instances.copied ?? 0;
  const unreadable = report.unreadable.rejected + report.unreadable.failed;
  return [
    `sound ${formatCount(sound)}, damaged ${formatCount(damaged)}, not yet verified ${formatCount(unverified)}, ` +
      `missing ${formatCount(missing)} (read in ${formatDuration(durationMs)})`,
    `repaired ${formatCount(repaired)}, rejected ${formatCount(rejected)}, failed ${formatCount(failed)}, ` +
      `brought back ${formatCount(broughtBack)}`,
    ...(allCold === 0
      ? []
      : [`good copies of ${formatCount(allCold)} lie in a cold storage class; --thaw asks for them`]),
    ...(thaw === undefined ? [] : [thawLine(thaw)]),
    ...(otherVersion === 0
      ? []
      : [`${formatCount(otherVersion)} of the repaired have another version than the server had: its own is nowhere`]),
    ...(damagedSidecars === 0
      ? []
      : [`sidecars of the archive that could not be read ${formatCount(damagedSidecars)}`]),
    ...(unreadable === 0 ? [] : [unreadableLine(unreadable)]),
    ...(unwritten === 0
      ? []
      : [`what users attached to ${formatCount(unwritten)} resources is still to be written; run again`]),
    ...(interrupted ? ['interrupted; run the same command again to go on'] : []),
  ];
}
