/** The work of `run`: opens the stores, mirrors, reports. */
import type { z } from 'zod';
import { loadConfiguration } from '../../core/config/load.ts';
import { replaceConflicts } from '../../core/conflicts/settle.ts';
import { archiveOf, documentSyncOf, removalPartsOf } from '../../core/mirror/parts.ts';
import { runMirror } from '../../core/mirror/run-mirror.ts';
import { noOutcomes } from '../../core/mirror/summary.ts';
import type { WakeUp } from '../../core/mirror/wake-up.ts';
import { opennessAt } from '../../core/schedule/blackouts.ts';
import { Limitations } from '../../core/studies/limitations.ts';
import type { StudySyncResult } from '../../core/studies/sync-study.ts';
import { parseArchive } from '../archive-argument.ts';
import type { CommandContext } from '../command-context.ts';
import type { runOptionValues } from '../commands/run.ts';
import type { ExitCode } from '../exit-codes.ts';
import { resolveMirror } from '../named-mirror.ts';
import { openMirror } from '../open-mirror.ts';
import { startProgress } from '../progress.ts';
import { notifySystemd } from '../systemd.ts';
import type { Terminal } from '../terminal.ts';
import { deletionPolicyOf, tellDeletions } from './run-deletions.ts';
import { pausesOf } from './run-pauses.ts';
import { lookAtTargets } from './run-preflight.ts';
import { progressObserver } from './run-progress.ts';
import { type Problem, problemLine, problemsOf, summarize, summaryLines } from './run-report.ts';

export interface RunArguments {
  readonly source: string;
  readonly target: string | undefined;
  readonly options: z.output<typeof runOptionValues>;
  /** All option values, those of the servers included. */
  readonly values: unknown;
}

const defaultConcurrency = 16;
const pollMs = 5_000;
const reconcileMs = 24 * 3_600_000;

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
  await using mirror = await openMirror(named, {
    createArchive: !dryRun,
    signal: interruption,
    warn: (line) => terminal.warn(line),
  });
  await lookAtTargets(mirror, options, terminal, interruption);
  const limitations = new Limitations(({ message }) => terminal.warn(message));
  const documents =
    options.instancesOnly || mirror.selects !== undefined
      ? undefined
      : documentSyncOf(mirror, limitations, documentProblems(terminal, json));
  const archive = archiveOf(mirror.destinations)?.store;
  const settle = { source: mirror.source, archive, limitations, signal: interruption };
  const startedAtMs = performance.now();
  const progress = progressObserver(startProgress(terminal));
  if (watch) notifySystemd(interruption, terminal);
  const end = await runMirror({
    source: mirror.reader,
    selects: mirror.selects,
    // A dry run copies nothing.
    paused: dryRun ? undefined : pausesOf(mirror, named.source.name),
    closedUntil: () => opennessAt(named.limits.schedule, new Date()).closedUntil,
    feed: mirror.source,
    destinations: mirror.destinations,
    concurrency: options.concurrency ?? named.concurrency ?? defaultConcurrency,
    dryRun,
    documents,
    settleConflicts: options.conflicts === 'replace' ? replaceConflicts(settle) : undefined,
    // What a filter leaves out is not gone from the source.
    ...(mirror.selects === undefined && removalPartsOf(mirror, deletionPolicyOf(options, mirror, terminal))),
    watch: watch ? { pollMs: named.pollMs ?? pollMs, reconcileMs } : undefined,
    wakeUp,
    draining: interruption,
    observer: {
      ...progress,
      onResult: (result) => {
        progress.onResult?.(result);
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
  const summary = summarize(end, { ...facts, durationMs: performance.now() - startedAtMs });
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

function documentProblems(terminal: Terminal, json: boolean): (result: StudySyncResult) => void {
  return ({ studyId, outcomes }) => {
    printProblems(
      problemsOf({ id: studyId, outcomes }, 'report').map((problem) => ({ ...problem, level: 'study' })),
      terminal,
      json,
    );
  };
}
