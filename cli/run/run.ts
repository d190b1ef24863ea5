import { replaceConflicts } from '../../core/archive-life/repair/replace-conflicts.ts';
import { loadConfiguration } from '../../core/config/load.ts';
import { successorsOf } from '../../core/config/schema.ts';
import { defaultCeiling, defaultUnadaptedAtOnce } from '../../core/copy/adaptive-concurrency.ts';
import type { SyncReport } from '../../core/mirror/document-sync.ts';
import type { MirrorObserver } from '../../core/mirror/mirror-run.ts';
import { archiveOf, documentSyncOf, removalPartsOf, sourceProofOf } from '../../core/mirror/parts.ts';
import { runMirror } from '../../core/mirror/run-mirror.ts';
import { opennessAt } from '../../core/mirror/schedule/blackouts.ts';
import { noOutcomes } from '../../core/mirror/summary.ts';
import type { WakeUp } from '../../core/mirror/wake-up.ts';
import { Limitations } from '../../core/sidecars/limitations.ts';
import type { StudySyncResult } from '../../core/sidecars/sync-study.ts';
import { parseArchive } from '../archive-argument.ts';
import type { CommandContext } from '../command-context.ts';
import type { ExitCode } from '../exit-codes.ts';
import { FutureTimes } from '../future-times.ts';
import { resolveMirror } from '../named-mirror.ts';
import { startProgress } from '../progress.ts';
import { tellSettled } from '../settled-repairs.ts';
import { tellFindings } from '../sidecar-findings.ts';
import { notifySystemd } from '../systemd.ts';
import type { Terminal } from '../terminal.ts';
import type { RunArguments } from './options.ts';
import { admissionTo } from './run-admission.ts';
import { deletionPolicyOf, tellDeletions } from './run-deletions.ts';
import { openForRun } from './run-opening.ts';
import { pausesOf } from './run-pauses.ts';
import { lookAtTargets } from './run-preflight.ts';
import { progressObserver } from './run-progress.ts';
import { type Problem, problemLine, problemsOf, summarize, summaryLines } from './run-report.ts';
import { watchObserver } from './watch-report.ts';

const pollMs = 5_000;
const compareEveryMs = 24 * 3_600_000;

/**
 * Runs the mirror to its end, prints the summary. Throws a MirrorError if the mirror cannot be begun.
 * @param wakeUp makes a watch look at the source at once
 */
export async function run(
  given: RunArguments,
  { terminal, interruption }: CommandContext,
  wakeUp?: WakeUp,
): Promise<ExitCode> {
  const { source, target, options, values } = given;
  const { dryRun = false, json = false, watch = false } = options;
  const named = resolveMirror({
    source,
    target,
    archive: parseArchive(options.archive, options.endpoint),
    configuration: options.config === undefined ? undefined : await loadConfiguration(options.config),
    values,
  });
  using report = watch ? watchObserver(terminal, { json }) : undefined;
  const futureTimes = new FutureTimes(terminal);
  const opening = { dryRun, report, terminal, onFutureTime: futureTimes.note, signal: interruption };
  await using mirror = await openForRun(named, opening);
  await lookAtTargets(mirror, options, terminal, interruption);
  const limitations = new Limitations(({ message }) => terminal.warn(message));
  const concurrency = options.concurrency ?? named.concurrency ?? defaultCeiling;
  const studiesAtOnce = options.concurrency ?? Math.min(concurrency, defaultUnadaptedAtOnce);
  const findings = tellFindings(terminal);
  const syncReport: SyncReport = {
    onResult: documentProblems(terminal, { json, watch }),
    onFinding: findings.note,
    onSettled: ({ store }, settled) => tellSettled(settled, store.name, terminal),
  };
  const documents =
    options.instancesOnly || mirror.selects !== undefined
      ? undefined
      : documentSyncOf(mirror, limitations, { report: syncReport, studiesAtOnce });
  const archive = archiveOf(mirror.destinations)?.store;
  const settle = { source: mirror.source, archive, limitations, signal: interruption };
  const startedAtMs = performance.now();
  const observer: MirrorObserver = report ?? progressObserver(startProgress(terminal));
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
    documents,
    settleConflicts: options.conflicts === 'replace' ? replaceConflicts(settle) : undefined,
    // What a filter leaves out is not gone from the source.
    ...(mirror.selects === undefined && removalPartsOf(mirror, deletionPolicyOf(options, mirror, terminal))),
    watch: watch
      ? { pollMs: named.pollMs ?? pollMs, compareEveryMs: named.compareEveryMs ?? compareEveryMs }
      : undefined,
    wakeUp,
    draining: interruption,
    observer: {
      ...observer,
      onResult: (result) => {
        observer.onResult?.(result);
        printProblems(problemsOf(result, options.conflicts), terminal, json);
      },
    },
  });
  tellDeletions(end.deletions, options, terminal);
  const { conflicts, deletions } = options;
  const documentCounts = documents?.counts ?? noOutcomes();
  const facts = {
    source: mirror.source.name,
    destinations: mirror.destinations,
    dryRun,
    conflicts,
    deletions,
    documentCounts,
  };
  futureTimes.tell();
  const durationMs = performance.now() - startedAtMs;
  const summary = summarize(end, { ...facts, durationMs, futureTimes: futureTimes.count });
  if (json) terminal.printJson(summary);
  else for (const line of summaryLines(summary)) terminal.print(line);
  return summary.exitCode;
}

function printProblems(problems: readonly Problem[], terminal: Terminal, json: boolean): void {
  for (const problem of problems) {
    if (json) terminal.printJson(problem);
    else terminal.print(problemLine(problem));
  }
}

/** In a watch what failed is compared again, and told of as a whole. */
function documentProblems(
  terminal: Terminal,
  { json, watch }: { readonly json: boolean; readonly watch: boolean },
): (result: StudySyncResult) => void {
  return ({ studyId, outcomes }) => {
    const told = outcomes.filter(({ kind }) => !watch || kind !== 'failed');
    printProblems(
      problemsOf({ id: studyId, outcomes: told }, 'report').map((problem) => ({ ...problem, level: 'study' })),
      terminal,
      json,
    );
  };
}
