/** What `run` prints: a line for each instance that could not be mirrored, and the summary, as text and as JSON. */

import type { z } from 'zod';
import type { ConflictPolicy } from '../../core/archive-life/repair/conflict-policy.ts';
import type { CopyResult, Destination } from '../../core/copy/outcome.ts';
import { MirrorError } from '../../core/errors.ts';
import type { MirrorRunEnd } from '../../core/mirror/mirror-run.ts';
import { noOutcomes, type OutcomeCounts } from '../../core/mirror/summary.ts';
import { type ExitCode, exitCodeOf } from '../exit-codes.ts';
import { formatBytes, formatCount, formatDuration } from '../format.ts';
import { reasonOf } from '../next-steps.ts';
import { type problemLineSchema, problemOutcomes, type runSummarySchema } from './output.ts';

export type RunSummary = z.output<typeof runSummarySchema>;
type JsonCounts = RunSummary['sidecars'];

/** An instance that did not arrive at a destination. */
export type Problem = z.output<typeof problemLineSchema>;

/** The problems of one instance: none, or one for each destination that did not get it. */
export function problemsOf(
  { id, outcomes }: { readonly id: string; readonly outcomes: CopyResult['outcomes'] },
  conflicts: ConflictPolicy = 'report',
): readonly Problem[] {
  return outcomes.flatMap(({ destination, kind, error }) => {
    const outcome = problemOutcomes.find((one) => one === kind);
    if (outcome === undefined || (outcome === 'conflict' && conflicts === 'keep-target')) return [];
    const reason = error && reasonOf(error);
    return [{ type: 'problem', id, destination: destination.store.name, outcome, code: error?.code, reason }];
  });
}

/** A problem as one line of text. */
export function problemLine({ outcome, id, destination, code, reason }: Problem): string {
  return `${outcome}  ${id}  ${destination}  ${reason ?? 'no reason known'} (${code ?? 'unknown'})`;
}

/** What a run makes of conflicts and deletions, and what became of the sidecars. */
export interface RunPolicies {
  /** What becomes of conflicts; `keep-target` makes them no failure. */
  readonly conflicts: ConflictPolicy;
  readonly deletions: 'off' | 'propagate';
  /** Studies by the worst that happened to their document. */
  readonly sidecarCounts: OutcomeCounts;
}

/** Instances only, conflicts reported, nothing deleted. */
export const plainPolicies: RunPolicies = { conflicts: 'report', deletions: 'off', sidecarCounts: noOutcomes() };

export interface RunFacts extends RunPolicies {
  readonly source: string;
  readonly destinations: readonly Destination[];
  readonly dryRun: boolean;
  readonly durationMs: number;
  readonly futureTimes: number;
}

/** Everything that is told of a run that has ended. */
export function summarize(end: MirrorRunEnd, facts: RunFacts): RunSummary {
  const { summary, withdrawn, interrupted } = end;
  return {
    type: 'summary',
    dryRun: facts.dryRun,
    source: facts.source,
    ...jsonCounts(summary.instances),
    destinations: facts.destinations.map((destination) => ({
      name: destination.store.name,
      role: destination.role,
      ...jsonCounts(summary.destinations.get(destination.store.name) ?? noOutcomes()),
      withdrawn: jsonReason(withdrawn.get(destination)),
    })),
    sidecars: jsonCounts(facts.sidecarCounts),
    bytesCopied: summary.bytesCopied,
    copiedUnsized: summary.copiedUnsized,
    notAtSource: summary.notAtSource,
    futureTimes: facts.futureTimes,
    durationMs: Math.round(facts.durationMs),
    interrupted,
    stoppedBy: jsonReason(end.stoppedBy),
    exitCode: exitCodeOfRun(end, facts),
  };
}

/** The exit code of a run: an interruption, a server that refused us, the guard, then what became of everything. */
export function exitCodeOfRun(
  { summary, withdrawn, stoppedBy, interrupted, deletions: verdict }: MirrorRunEnd,
  { conflicts, deletions, sidecarCounts }: RunPolicies = plainPolicies,
): ExitCode {
  const { conflicting, rejected, failed } = jsonCounts(summary.instances);
  const guarded = deletions === 'propagate' && verdict?.kind === 'guarded';
  const kept = verdict?.kind === 'gone' ? verdict.kept.length : 0;
  const stop = stoppedBy ?? withdrawn.values().next().value ?? (guarded ? guardError(verdict.reason) : undefined);
  return exitCodeOf({
    conflicting: conflicts === 'keep-target' ? 0 : conflicting,
    rejected: rejected + sidecarCounts.rejected + kept,
    failed: failed + sidecarCounts.failed,
    cold: summary.cold,
    interrupted,
    stoppedBy: stop,
  });
}

function guardError(reason: string): MirrorError {
  return new MirrorError('deletion-guard', `${reason}; nothing was deleted`);
}

/** The summary as lines of text. */
export function summaryLines(summary: RunSummary): readonly string[] {
  const { dryRun, bytesCopied, copiedUnsized, durationMs } = summary;
  const { destinations, sidecars, notAtSource, interrupted, stoppedBy } = summary;
  const rate = durationMs > 0 ? `, ${formatBytes((bytesCopied / durationMs) * 1000)}/s` : '';
  const amount = dryRun
    ? `${formatBytes(bytesCopied)}${copiedUnsized === 0 ? '' : `, and ${formatCount(copiedUnsized)} of unknown size`}`
    : `${formatBytes(bytesCopied)} in ${formatDuration(durationMs)}${rate}`;
  return [
    `${countsText(summary, dryRun)} (${amount})`,
    ...destinations.map((one) => `  ${one.role} ${one.name}: ${countsText(one, dryRun)}`),
    ...(countOfJson(sidecars) > 0 ? [`  sidecars: ${countsText(sidecars, dryRun)}`] : []),
    ...(notAtSource > 0 ? [`${formatCount(notAtSource)} not at the source`] : []),
    ...destinations.flatMap(({ name, withdrawn }) =>
      withdrawn === undefined ? [] : [`${name} was left out: ${withdrawn.reason} (${withdrawn.code})`],
    ),
    ...(stoppedBy === undefined ? [] : [`stopped: ${stoppedBy.reason} (${stoppedBy.code})`]),
    ...(interrupted ? ['interrupted; run the same command again to go on'] : []),
  ];
}

function countsText(counts: JsonCounts, dryRun: boolean): string {
  const { copied, alreadyEqual, vanished, conflicting, rejected, failed } = counts;
  return [
    `${dryRun ? 'would copy' : 'copied'} ${formatCount(copied)}`,
    `already equal ${formatCount(alreadyEqual)}`,
    `vanished ${formatCount(vanished)}`,
    `conflicting ${formatCount(conflicting)}`,
    `rejected ${formatCount(rejected)}`,
    `failed ${formatCount(failed)}`,
  ].join(', ');
}

function countOfJson(counts: JsonCounts): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

function jsonCounts(counts: OutcomeCounts): JsonCounts {
  const { copied, vanished, rejected, failed } = counts;
  return { copied, alreadyEqual: counts['already-equal'], vanished, conflicting: counts.conflict, rejected, failed };
}

function jsonReason(error: MirrorError | undefined): RunSummary['stoppedBy'] {
  return error && { code: error.code, reason: reasonOf(error) };
}
