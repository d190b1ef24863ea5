import { replaceConflicts } from '../../core/archive-life/repair/replace-conflicts.ts';
import { loadConfiguration } from '../../core/config/load.ts';
import { successorsOf } from '../../core/config/schema.ts';
import { defaultCeiling } from '../../core/copy/adaptive-concurrency.ts';
import type { MirrorObserver } from '../../core/mirror/mirror-run.ts';
import {
  archiveOf,
  rememberInventories,
  removalPartsOf,
  sidecarSyncOf,
  sourceProofOf,
} from '../../core/mirror/parts.ts';
import { runMirror } from '../../core/mirror/run-mirror.ts';
import { opennessAt } from '../../core/mirror/schedule/blackouts.ts';
import type { SyncReport } from '../../core/mirror/sidecar-sync.ts';
import { noOutcomes } from '../../core/mirror/summary.ts';
import type { WakeUp } from '../../core/mirror/wake-up.ts';
import { Limitations } from '../../core/sidecars/limitations.ts';
import type { StudySyncResult } from '../../core/sidecars/sync-study.ts';
import { parseArchive } from '../archive-argument.ts';
import type { CommandContext } from '../command-context.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { tellFinished } from '../finished-repairs.ts';
import { FutureTimes } from '../future-times.ts';
import { hasFilterOption } from '../limit-options.ts';
import { resolveMirror } from '../named-mirror.ts';
import { proveWritable } from '../open-mirror.ts';
import { connecting, type ShownProgress, startProgress } from '../progress.ts';
import { keepLastComparison, keepLastResult } from '../report/keep-result.ts';
import { tellFindings } from '../sidecar-findings.ts';
import { notifySystemd } from '../systemd.ts';
import type { Terminal } from '../terminal.ts';
import { choicesOf, type RunArguments } from './options.ts';
import { admissionTo } from './run-admission.ts';
import { deletionPolicyOf, tellDeletions } from './run-deletions.ts';
import { openForRun } from './run-opening.ts';
import { pausesOf } from './run-pauses.ts';
import { lookAtTargets } from './run-preflight.ts';
import { progressObserver } from './run-progress.ts';
import { type Problem, problemLine, problemsOf, summarize, summaryLines } from './run-report.ts';
import { beatHeart, isCompleteComparison, WatchHealth } from './watch-health.ts';
import { watchObserver } from './watch-report.ts';

const pollMs = 5_000;
const compareEveryMs = 24 * 3_600_000;

/**
 * Runs the mirror to its end, prints the summary. Throws a MirrorError if the mirror cannot be begun.
 * @param wakeUp makes a watch look at the source at once
 * @param health is told what a watch does
 */
export async function run(
  given: RunArguments,
  { terminal, interruption }: CommandContext,
  wakeUp?: WakeUp,
  health = new WatchHealth(),
): Promise<ExitCode> {
  const { source, target, values } = given;
  const { dryRun = false, json = false, watch = false } = given.options;
  const named = resolveMirror({
    source,
    target,
    archive: parseArchive(given.options.archive, given.options.endpoint),
    configuration: given.options.config === undefined ? undefined : await loadConfiguration(given.options.config),
    values,
  });
  const options = choicesOf(given.options, named);
  using report = watch ? watchObserver(terminal, { json }) : undefined;
  const futureTimes = new FutureTimes(terminal);
  const opening = { dryRun, report, terminal, onFutureTime: futureTimes.note, signal: interruption };
  await using mirror = await connecting(terminal, () => openForRun(named, opening));
  if (dryRun && named.archive !== undefined) await proveWritable(named.archive, { signal: interruption });
  await connecting(terminal, () => lookAtTargets(mirror, options, terminal, interruption));
  const limitations = new Limitations(({ message }) => terminal.warn(message));
  const concurrency = options.concurrency ?? named.concurrency ?? defaultCeiling;
  const findings = tellFindings(terminal);
  using progress = watch ? undefined : startProgress(terminal, 'listing');
  const tellDocument = documentProblems(terminal, watch);
  const syncReport: SyncReport = {
    ...sidecarProgress(progress, tellDocument),
    onFinding: findings.note,
    onRepairFinished: ({ store }, finished) => tellFinished(finished, store.name, terminal),
  };
  const sidecars =
    options.instancesOnly || mirror.selects !== undefined
      ? undefined
      : sidecarSyncOf(mirror, limitations, { report: syncReport, ceiling: concurrency });
  const archive = archiveOf(mirror.destinations)?.store;
  const remembers = archive !== undefined || watch;
  const isNarrowed = hasFilterOption(values);
  if (remembers) rememberInventories(mirror, { days: named.askAgainDays, now: () => new Date(), dryRun });
  const replacing = { source: mirror.source, archive, limitations, signal: interruption };
  const startedAtMs = performance.now();
  const observer: MirrorObserver = report ?? (progress === undefined ? {} : progressObserver(progress));
  if (watch) notifySystemd(interruption, terminal);
  const end = await runMirror({
    source: mirror.reader,
    selects: mirror.selects,
    // A dry run copies nothing.
    paused: dryRun ? undefined : pausesOf(mirror, named.source.name),
    admit: admissionTo(mirror, options),
    openness: named.limits.schedule && (() => opennessAt(named.limits.schedule, new Date())),
    feed: mirror.source,
    destinations: mirror.destinations,
    sourceProof: sourceProofOf(mirror, { successors: options.succeed ? 'one-more' : successorsOf(named), dryRun }),
    concurrency,
    dryRun,
    sidecars,
    resolveConflicts: options.conflicts === 'replace' ? replaceConflicts(replacing) : undefined,
    // What a filter leaves out is not gone from the source.
    ...(mirror.selects === undefined && removalPartsOf(mirror, deletionPolicyOf(options, mirror, terminal))),
    watch: watch
      ? { pollMs: named.pollMs ?? pollMs, compareEveryMs: named.compareEveryMs ?? compareEveryMs }
      : undefined,
    wakeUp,
    draining: interruption,
    observer: {
      ...observer,
      onEvent: (event) => {
        observer.onEvent?.(event);
        health.observer.onEvent?.(event);
        if (!isCompleteComparison(event)) return;
        if (!isNarrowed) void keepLastComparison(archive?.objects, terminal);
        if (health.isWell) void beatHeart(options.heartbeat, terminal);
      },
      onResult: (result) => {
        observer.onResult?.(result);
        health.observer.onResult?.(result);
        printProblems(problemsOf(result, options.conflicts), terminal);
      },
    },
  });
  tellDeletions(end.deletions, options, terminal);
  const { conflicts, deletions } = options;
  const sidecarCounts = sidecars?.counts ?? noOutcomes();
  const facts = {
    source: mirror.source.name,
    destinations: mirror.destinations,
    dryRun,
    conflicts,
    deletions,
    sidecarCounts,
  };
  futureTimes.tell();
  const durationMs = performance.now() - startedAtMs;
  const summary = summarize(end, { ...facts, durationMs, futureTimes: futureTimes.count });
  terminal.end();
  terminal.tell(summary, summaryLines(summary));
  if (!dryRun) {
    const isComplete = end.stoppedBy === undefined && end.withdrawn.size === 0 && !end.interrupted;
    if (isComplete && !isNarrowed) await keepLastComparison(archive?.objects, terminal);
    await keepLastResult(archive?.objects, 'run', summary.exitCode, terminal);
  }
  if (!watch && !dryRun && summary.exitCode === exitCodes.ok) await beatHeart(options.heartbeat, terminal);
  return summary.exitCode;
}

function printProblems(problems: readonly Problem[], terminal: Terminal): void {
  for (const problem of problems) terminal.tell(problem, problemLine(problem));
}

/** Shows how far the sidecars are, beside what is told of each. */
function sidecarProgress(
  progress: ShownProgress | undefined,
  tell: (result: StudySyncResult) => void,
): Pick<SyncReport, 'onBegin' | 'onResult'> {
  let [done, total] = [0, 0];
  return {
    onBegin: (studies) => {
      total += studies;
      progress?.phase('sidecars');
    },
    onResult: (result) => {
      done += 1;
      progress?.show({ instances: done, totalInstances: total, unit: 'studies' });
      tell(result);
    },
  };
}

/** In a watch what failed is compared again, and told of as a whole. */
function documentProblems(terminal: Terminal, watch: boolean): (result: StudySyncResult) => void {
  return ({ studyId, outcomes }) => {
    const told = outcomes.filter(({ kind }) => !watch || kind !== 'failed');
    printProblems(
      problemsOf({ id: studyId, outcomes: told }, 'report').map((problem) => ({ ...problem, level: 'study' })),
      terminal,
    );
  };
}
