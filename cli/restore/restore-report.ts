/** The summary of `restore`, as text and as JSON, and its exit code. Pure. */
import type { MirrorRunEnd } from '../../core/mirror/mirror-run.ts';
import type { RestoredDocument } from '../../core/restore/restore-documents.ts';
import type { Verified } from '../../core/verify/verify.ts';
import { type ExitCode, exitCodeOf, exitCodes } from '../exit-codes.ts';
import { formatBytes, formatCount, formatDuration } from '../format.ts';
import { exitCodeOfRun } from '../run/run-report.ts';

/** Studies by what became of their documents. */
export interface DocumentCounts {
  readonly written: number;
  readonly alreadyEqual: number;
  /** Failures that may pass. */
  readonly failed: number;
  /** Failures that will be the same again. */
  readonly rejected: number;
}

/** Instances by what reading them back showed. */
export interface VerifiedCounts {
  readonly sound: number;
  readonly damaged: number;
  readonly missing: number;
  readonly unread: number;
}

export const noDocuments: DocumentCounts = { written: 0, alreadyEqual: 0, failed: 0, rejected: 0 };
export const nothingVerified: VerifiedCounts = { sound: 0, damaged: 0, missing: 0, unread: 0 };

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
  readonly unsettled: number;
  /** Instances whose version that counts is gone from the archive. */
  readonly lost: number;
  /** Absent where it did not come to that. */
  readonly documents: DocumentCounts | undefined;
  readonly verified: VerifiedCounts | undefined;
  readonly interrupted: boolean;
  readonly durationMs: number;
}

export function countDocument(counts: DocumentCounts, { kind, error }: RestoredDocument): DocumentCounts {
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
        : { ...counts, failed: counts.failed + 1 };
  }
}

export function countVerified(counts: VerifiedCounts, { kind }: Verified): VerifiedCounts {
  const field = kind === 'vanished' ? 'missing' : kind;
  return { ...counts, [field]: counts[field] + 1 };
}

/** The exit code: of the copies, then of the documents, then of the reading back. */
export function exitCodeOfRestore({ end, lost, documents, verified, interrupted }: RestoreReport): ExitCode {
  if (interrupted) return exitCodes.interrupted;
  const ofRun = exitCodeOfRun(end);
  if (ofRun !== exitCodes.ok) return ofRun;
  return exitCodeOf({
    conflicting: 0,
    rejected: lost + (documents?.rejected ?? 0),
    failed: (documents?.failed ?? 0) + (verified?.unread ?? 0),
    differences: (verified?.damaged ?? 0) + (verified?.missing ?? 0),
  });
}

/** The last line of `restore --json`. Fields are only ever added. */
export function jsonSummary(report: RestoreReport) {
  const { dryRun, archive, target, end, removed, unsettled, lost, documents, verified, interrupted, durationMs } =
    report;
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
    bytesCopied: end.summary.bytesCopied,
    notInArchive: report.selective ? null : end.summary.notAtSource,
    removedLeftOut: removed,
    unsettled,
    lost,
    documents: documents ?? noDocuments,
    verified: verified ?? null,
    durationMs: Math.round(durationMs),
    interrupted,
    stoppedBy: stop && { code: stop.code, reason: stop.message },
    exitCode: exitCodeOfRestore(report),
  };
}

/** The summary as lines of text. */
export function summaryLines(report: RestoreReport): readonly string[] {
  const { dryRun, end, removed, unsettled, lost, documents, verified, interrupted, durationMs } = report;
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
    ...(documents === undefined ? [] : [documentsLine(documents)]),
    ...(verified === undefined ? [] : [verifiedLine(verified)]),
    ...(removed === 0 ? [] : [removedLine(removed)]),
    ...(unsettled === 0 ? [] : [`${formatCount(unsettled)} with several versions and no record: the newest was taken`]),
    ...(lost === 0 ? [] : [`${formatCount(lost)} lost by the archive; they could not be restored`]),
    ...(notAtSource === 0 || report.selective
      ? []
      : [`${formatCount(notAtSource)} at the target only; left where they are`]),
    ...(stop === undefined ? [] : [`stopped: ${stop.message} (${stop.code})`]),
    ...(interrupted ? ['interrupted; run the same command again to go on'] : []),
  ];
}

function documentsLine({ written, alreadyEqual, failed, rejected }: DocumentCounts): string {
  const [w, e, r, f] = [written, alreadyEqual, rejected, failed].map(formatCount);
  return `study documents: written ${w}, already equal ${e}, rejected ${r}, failed ${f}`;
}

function verifiedLine({ sound, damaged, missing, unread }: VerifiedCounts): string {
  const [s, d, m, u] = [sound, damaged, missing, unread].map(formatCount);
  return `read back: sound ${s}, damaged ${d}, missing ${m}, unread ${u}`;
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
