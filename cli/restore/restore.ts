/** The work of `restore`: opens archive and target, copies, restores documents, verifies, reports. */

import { MirrorError } from '../../core/errors.ts';
import type { OrthancId } from '../../core/identifiers.ts';
import { runMirror } from '../../core/mirror/run-mirror.ts';
import { ArchiveView, type ViewOptions } from '../../core/restore/archive-view.ts';
import { readBack } from '../../core/restore/read-back.ts';
import { restoreDocuments } from '../../core/restore/restore-documents.ts';
import { selectInstances } from '../../core/restore/select-instances.ts';
import { selectsAll } from '../../core/restore/selection.ts';
import type { Archive } from '../../core/stores/archive/archive.ts';
import type { Store } from '../../core/stores/store.ts';
import { verifyStore } from '../../core/verify/verify.ts';
import type { CommandContext } from '../command-context.ts';
import type { RestoreOptionValues } from '../commands/restore.ts';
import type { ExitCode } from '../exit-codes.ts';
import { startProgress } from '../progress.ts';
import { progressObserver } from '../run/run-progress.ts';
import { problemsOf } from '../run/run-report.ts';
import { lookAtTarget } from './look-at-target.ts';
import { momentOf, openArchiveToRead, openTarget, type RestoreTarget, selectionOf } from './open-restore.ts';
import { ProblemPrinter } from './print-problems.ts';
import { repair } from './repair.ts';
import { exitCodeOfRepair, jsonRepairSummary, repairSummaryLines } from './repair-report.ts';
import {
  countDocument,
  countVerified,
  type DocumentCounts,
  exitCodeOfRestore,
  jsonSummary,
  noDocuments,
  nothingVerified,
  type RestoreReport,
  summaryLines,
  type VerifiedCounts,
} from './restore-report.ts';

export interface RestoreArguments {
  readonly options: RestoreOptionValues;
  /** All option values, those of the server included. */
  readonly values: unknown;
}

const defaultConcurrency = 16;

/** Restores everything that is selected, prints the summary. Throws a MirrorError if it cannot be begun. */
export async function restore({ options, values }: RestoreArguments, context: CommandContext): Promise<ExitCode> {
  const { terminal, interruption } = context;
  await using opened = new AsyncDisposableStack();
  const wanted = { selection: selectionOf(options), at: momentOf(options.at) };
  const archive = await openArchiveToRead(options.archive, options.endpoint, { signal: interruption });
  opened.defer(() => archive.close());
  const target = await openTarget(options.to, values, {
    archive,
    signal: interruption,
    warn: (line) => terminal.warn(line),
  });
  opened.defer(() => target.store.close());
  const part = await partOf(archive, wanted, options, context);
  if (target.server !== undefined) {
    const say = (line: string) => terminal.say(line);
    const look = { force: options.force === true, say, signal: interruption };
    await lookAtTarget(new ArchiveView(archive, part), target.server, look);
  }
  if (options.repair === true) return await repairTarget(archive, target, part, options, context);
  const report = await new Restore(archive, target, part, options, context).run();
  if (options.json === true) terminal.printJson(jsonSummary(report));
  else for (const line of summaryLines(report)) terminal.print(line);
  return exitCodeOfRestore(report);
}

async function repairTarget(
  archive: Archive,
  { server }: RestoreTarget,
  part: Part,
  options: RestoreOptionValues,
  context: CommandContext,
): Promise<ExitCode> {
  const { terminal, interruption } = context;
  const { dryRun = false, json = false } = options;
  if (server === undefined) throw new MirrorError('configuration', '--repair needs a server: --to http://…');
  const problems = new ProblemPrinter(terminal, json);
  const concurrency = options.concurrency ?? defaultConcurrency;
  const missingSince = momentOf(options.missingSince, 'start');
  const done = await repair({ archive, server, part, missingSince, concurrency, dryRun, problems }, context);
  const again = options.verify === true && !done.interrupted;
  const verified = again
    ? await verifyRestored(new ArchiveView(archive, part), server, problems, interruption)
    : undefined;
  const report = { ...done, verified };
  if (json) terminal.printJson(jsonRepairSummary(report));
  else for (const line of repairSummaryLines(report)) terminal.print(line);
  return exitCodeOfRepair(report);
}

/** What of the archive is restored. */
interface Part extends Pick<ViewOptions, 'at' | 'only' | 'includeRemoved'> {
  /** Studies whose documents are restored; absent: all. */
  readonly studies: ReadonlySet<OrthancId> | undefined;
}

async function partOf(
  archive: Archive,
  { selection, at }: { readonly selection: ReturnType<typeof selectionOf>; readonly at: Date | undefined },
  { includeRemoved }: RestoreOptionValues,
  { terminal, interruption: signal }: CommandContext,
): Promise<Part> {
  if (selectsAll(selection)) return { at, includeRemoved, only: undefined, studies: undefined };
  terminal.say('looking for what is selected');
  const { instances, studies } = await selectInstances(archive, selection, { at, includeRemoved, signal });
  return { at, includeRemoved, only: instances, studies };
}

class Restore {
  readonly #archive: Archive;
  readonly #target: RestoreTarget;
  readonly #part: Part;
  readonly #options: RestoreOptionValues;
  readonly #context: CommandContext;
  readonly #problems: ProblemPrinter;

  constructor(
    archive: Archive,
    target: RestoreTarget,
    part: Part,
    options: RestoreOptionValues,
    context: CommandContext,
  ) {
    this.#archive = archive;
    this.#target = target;
    this.#part = part;
    this.#options = options;
    this.#context = context;
    this.#problems = new ProblemPrinter(context.terminal, options.json === true);
  }

  async run(): Promise<RestoreReport> {
    const startedAtMs = performance.now();
    const { dryRun = false, verify = false } = this.#options;
    const { end, removed, documents } = await this.#copy(dryRun);
    const goesOn = !dryRun && !end.interrupted && end.stoppedBy === undefined && end.withdrawn.size === 0;
    const verified =
      goesOn && verify
        ? await verifyRestored(this.#view(), this.#target.store, this.#problems, this.#context.interruption)
        : undefined;
    return {
      dryRun,
      archive: this.#archive.name,
      target: this.#target.store.name,
      end,
      selective: this.#part.only !== undefined,
      removed,
      documents,
      verified,
      interrupted: this.#context.interruption.aborted,
      durationMs: performance.now() - startedAtMs,
    };
  }

  async #copy(dryRun: boolean) {
    const { interruption, terminal } = this.#context;
    let removed = 0;
    // Where the server must be compared again, the archive is listed a second time.
    let isPlanned = false;
    let documents: DocumentCounts | undefined;
    const source = this.#view(() => {
      if (!isPlanned) removed += 1;
    });
    const progress = progressObserver(startProgress(terminal));
    const end = await runMirror({
      source,
      destinations: [{ role: 'target', store: this.#target.store }],
      concurrency: this.#options.concurrency ?? defaultConcurrency,
      dryRun,
      draining: interruption,
      afterCopying: async () => {
        documents = await this.#documents();
      },
      observer: {
        ...progress,
        onPlanComplete: () => {
          isPlanned = true;
          progress.onPlanComplete?.();
        },
        onResult: (result) => {
          progress.onResult?.(result);
          for (const problem of problemsOf(result)) this.#problems.instance(problem);
        },
      },
    });
    return { end, removed, documents };
  }

  async #documents(): Promise<DocumentCounts> {
    const { at, studies } = this.#part;
    const { interruption: draining } = this.#context;
    let counts = noDocuments;
    for await (const one of restoreDocuments(this.#archive.objects, this.#target.documents, {
      at,
      studies,
      draining,
    })) {
      counts = countDocument(counts, one);
      this.#problems.document(one, this.#target.store.name);
    }
    return counts;
  }

  #view(onRemoved?: () => void): ArchiveView {
    const { at, only, includeRemoved } = this.#part;
    return new ArchiveView(this.#archive, { at, only, includeRemoved, onRemoved });
  }
}

/** Reads back and hashes what a view of the archive promises. */
async function verifyRestored(
  view: ArchiveView,
  target: Store,
  problems: ProblemPrinter,
  interruption: AbortSignal,
): Promise<VerifiedCounts> {
  let counts = nothingVerified;
  for await (const one of verifyStore(readBack(view, target))) {
    counts = countVerified(counts, one);
    problems.verified(one, target.name);
    if (interruption.aborted) break;
  }
  return counts;
}
