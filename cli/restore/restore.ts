/** The work of `restore`: opens archive and target, copies, restores sidecars, verifies, reports. */

import { replaceConflicts } from '../../core/archive-life/repair/replace-conflicts.ts';
import { ArchiveView, type ViewObserver, type ViewOptions } from '../../core/archive-life/restore/archive-view.ts';
import { readBack } from '../../core/archive-life/restore/read-back.ts';
import { replaceInFolder } from '../../core/archive-life/restore/replace-in-folder.ts';
import {
  type RestoreChoices,
  type RestoredSidecar,
  restoreSidecars,
} from '../../core/archive-life/restore/restore-sidecars.ts';
import { selectInstances } from '../../core/archive-life/restore/select-instances.ts';
import { selectsAll } from '../../core/archive-life/restore/selection.ts';
import { Thaw } from '../../core/archive-life/restore/thaw.ts';
import { verifyStore } from '../../core/archive-life/verify/verify.ts';
import { defaultCeiling, defaultUnadaptedAtOnce } from '../../core/copy/adaptive-concurrency.ts';
import type { CopyResult } from '../../core/copy/outcome.ts';
import { MirrorError } from '../../core/errors.ts';
import type { InstanceId, OrthancId } from '../../core/identifiers.ts';
import { runMirror } from '../../core/mirror/run-mirror.ts';
import { Limitations } from '../../core/sidecars/limitations.ts';
import { SidecarFindings } from '../../core/sidecars/sidecar-state.ts';
import type { Archive } from '../../core/stores/archive/archive.ts';
import type { ObjectStorage } from '../../core/stores/archive/object-storage.ts';
import type { Store } from '../../core/stores/store.ts';
import type { CommandContext } from '../command-context.ts';
import type { ExitCode } from '../exit-codes.ts';
import { finishRepairs } from '../finished-repairs.ts';
import { FutureTimes } from '../future-times.ts';
import { momentOf, openArchiveToRead, requireBegun, selectionOf } from '../open-archive.ts';
import { connecting, type ShownProgress, startProgress } from '../progress.ts';
import { progressObserver } from '../run/run-progress.ts';
import { problemsOf } from '../run/run-report.ts';
import { UnreadableHistories } from '../unreadable-histories.ts';
import { lookAtTarget } from './look-at-target.ts';
import { openTarget, type RestoreTarget, requirePlace } from './open-target.ts';
import type { RestoreOptionValues } from './options.ts';
import { ProblemPrinter, undecidedLine } from './print-problems.ts';
import { repair } from './repair.ts';
import { exitCodeOfRepair, jsonRepairSummary, repairSummaryLines } from './repair-report.ts';
import {
  countSidecar,
  countVerified,
  exitCodeOfRestore,
  jsonSummary,
  noSidecars,
  nothingVerified,
  type RestoreReport,
  type SidecarCounts,
  summaryLines,
  type VerifiedCounts,
} from './restore-report.ts';

export interface RestoreArguments {
  readonly options: RestoreOptionValues;
  /** All option values, those of the server included. */
  readonly values: unknown;
}

/** Restores everything that is selected, prints the summary. Throws a MirrorError if it cannot be begun. */
export async function restore({ options, values }: RestoreArguments, context: CommandContext): Promise<ExitCode> {
  const { terminal, interruption } = context;
  await using opened = new AsyncDisposableStack();
  const wanted = { selection: selectionOf(options), at: momentOf(options.at) };
  requirePlace(options.to);
  const futureTimes = new FutureTimes(terminal);
  const notAsked = (key: string, { message }: MirrorError) => terminal.warn(`${key}: ${message}`);
  const thaw = options.thaw === true ? new Thaw(notAsked) : undefined;
  const onCold = thaw && ((objects: ObjectStorage, key: string) => thaw.ask(objects, key));
  const reading = { signal: interruption, onFutureTime: futureTimes.note, onCold };
  const archive = await openArchiveToRead(options.archive, options.endpoint, reading);
  opened.defer(() => archive.close());
  const warn = (line: string) => terminal.warn(line);
  const target = await connecting(terminal, () =>
    openTarget(options.to, values, { archive, signal: interruption, warn }),
  );
  opened.defer(() => target.store.close());
  const problems = new ProblemPrinter(terminal);
  const findings = new SidecarFindings((finding) => problems.finding(finding, archive.name));
  const histories = new UnreadableHistories((id, error) => problems.history(id, archive.name, error));
  const part = await partOf(archive, wanted, options, { findings, histories }, context);
  if (target.server !== undefined) {
    const say = (line: string) => terminal.say(line);
    const look = { force: options.force === true, say, signal: interruption };
    const { store } = target.server;
    await connecting(terminal, () => lookAtTarget(new ArchiveView(archive, part), store, look));
  }
  const given = { archive, target, part, options, problems, findings, histories, thaw };
  if (options.repair === true) {
    const exitCode = await repairTarget(given, context);
    futureTimes.tell();
    return exitCode;
  }
  const report = await new Restore(given, context).run();
  const { instances } = report.end.summary;
  // By what there is, not by the clock of who made the archive: its objects may be older than its manifest.
  const found = Object.values(instances).reduce((sum, count) => sum + count, report.removed + report.lost);
  if (found === 0 && !report.interrupted) requireBegun(archive, wanted.at);
  futureTimes.tell();
  terminal.end();
  terminal.tell({ ...jsonSummary(report), futureTimes: futureTimes.count }, summaryLines(report));
  return exitCodeOfRestore(report);
}

interface Given {
  readonly archive: Archive;
  readonly target: RestoreTarget;
  readonly part: Part;
  readonly options: RestoreOptionValues;
  readonly problems: ProblemPrinter;
  readonly findings: SidecarFindings;
  readonly histories: UnreadableHistories;
  /** Asks for copies of what is cold, if that is wanted. */
  readonly thaw: Thaw | undefined;
}

async function repairTarget(
  { archive, target, part, options, problems, findings, histories, thaw }: Given,
  context: CommandContext,
): Promise<ExitCode> {
  const { terminal, interruption } = context;
  const { server } = target;
  const { dryRun = false, replace = false } = options;
  if (server === undefined) throw new MirrorError('configuration', '--repair needs a server: --to http://…');
  const concurrency = options.concurrency ?? defaultUnadaptedAtOnce;
  const missingSince = momentOf(options.missingSince, 'start');
  const given = { archive, server, part, missingSince, concurrency, dryRun, replace, problems, findings, histories };
  const done = await repair(given, context);
  const again = options.verify === true && !done.interrupted;
  using shown = again ? startProgress(terminal, 'reading back') : undefined;
  const verified =
    shown && (await verifyRestored(new ArchiveView(archive, part), server.store, problems, { interruption, shown }));
  const report = { ...done, verified, thaw: thaw?.counts };
  terminal.end();
  terminal.tell(jsonRepairSummary(report), repairSummaryLines(report));
  return exitCodeOfRepair(report);
}

/** What of the archive is restored. */
interface Part extends Pick<ViewOptions, 'at' | 'only' | 'includeRemoved' | 'onUnreadable'> {
  /** Studies whose sidecars are restored; absent: all. */
  readonly studies: ReadonlySet<OrthancId> | undefined;
}

async function partOf(
  archive: Archive,
  { selection, at }: { readonly selection: ReturnType<typeof selectionOf>; readonly at: Date | undefined },
  { includeRemoved }: RestoreOptionValues,
  { findings, histories }: Pick<Given, 'findings' | 'histories'>,
  { terminal, interruption: signal }: CommandContext,
): Promise<Part> {
  const moment = { at, includeRemoved, onUnreadable: histories.note };
  if (selectsAll(selection)) return { ...moment, only: undefined, studies: undefined };
  using _ = startProgress(terminal, 'looking for what is selected');
  const selecting = { ...moment, onFinding: findings.note, signal };
  const { instances, studies } = await selectInstances(archive, selection, selecting);
  if (instances.size === 0) {
    throw new MirrorError(
      'nothing-matches',
      `nothing in ${archive.name} matches what was selected: check --patient, --study, --series, --since, --until; ` +
        "'find' lists the studies",
    );
  }
  return { ...moment, only: instances, studies };
}

class Restore {
  readonly #given: Given;
  readonly #context: CommandContext;
  /** In a dry run: the instances that would come. */
  readonly #expected = new Set<OrthancId>();
  #replaced = 0;
  #shown: Pick<ShownProgress, 'show' | 'phase'> = { show: () => undefined, phase: () => undefined };

  constructor(given: Given, context: CommandContext) {
    this.#given = given;
    this.#context = context;
  }

  async run(): Promise<RestoreReport> {
    using shown = startProgress(this.#context.terminal, 'listing');
    this.#shown = shown;
    const startedAtMs = performance.now();
    const { archive, target, part, options, problems, thaw } = this.#given;
    const { dryRun = false, replace = false, verify = false } = options;
    const { end, left, written } = await this.#copy(dryRun);
    this.#tellUnidentified();
    const goesOn = !end.interrupted && end.stoppedBy === undefined && end.withdrawn.size === 0;
    const sidecars = dryRun && goesOn ? await this.#sidecars(true) : written?.sidecars;
    const readsBack = goesOn && !dryRun && verify;
    const verified = readsBack
      ? await verifyRestored(this.#view(), target.store, problems, { ...this.#context, shown: this.#shown })
      : undefined;
    const differing = readsBack ? await this.#differingValues() : 0;
    return {
      dryRun,
      archive: archive.name,
      target: target.store.name,
      end,
      selective: part.only !== undefined,
      ...left,
      unreadable: this.#given.histories.outcome,
      replaces: replace,
      replaced: this.#replaced,
      unwritten: written?.unwritten ?? 0,
      sidecars,
      verified: verified && { ...verified, differing },
      thaw: thaw?.counts,
      interrupted: this.#context.interruption.aborted,
      durationMs: performance.now() - startedAtMs,
    };
  }

  async #copy(dryRun: boolean) {
    const { archive, target, options, problems } = this.#given;
    const { interruption, terminal } = this.#context;
    const left = { removed: 0, undecided: 0, lost: 0 };
    // Where the server must be compared again, the archive is listed a second time.
    let isPlanned = false;
    let written: { readonly unwritten: number; readonly sidecars: SidecarCounts } | undefined;
    const source = this.#view({
      onRemoved: () => {
        if (!isPlanned) left.removed += 1;
      },
      onUndecided: (id) => {
        if (isPlanned) return;
        left.undecided += 1;
        terminal.warn(undecidedLine(id));
      },
      onLost: (id, md5) => {
        if (isPlanned) return;
        left.lost += 1;
        problems.lost(id, archive.name, md5);
      },
    });
    const progress = progressObserver(this.#shown);
    const end = await runMirror({
      source,
      destinations: [{ role: 'target', store: target.store }],
      concurrency: options.concurrency ?? defaultCeiling,
      dryRun,
      draining: interruption,
      resolveConflicts: options.replace === true ? this.#replacing() : undefined,
      afterCopying: async () => {
        const unwritten = await this.#finishRepairs();
        written = { unwritten, sidecars: await this.#sidecars(false) };
      },
      observer: {
        ...progress,
        onPlanComplete: () => {
          isPlanned = true;
          progress.onPlanComplete?.();
        },
        onResult: (result) => {
          progress.onResult?.(result);
          if (dryRun) this.#tellInstance(result);
          for (const problem of problemsOf(result)) problems.instance(problem);
        },
      },
    });
    return { end, left, written };
  }

  /** Puts the versions of the moment in the place of others, which are saved before. */
  #replacing(): (result: CopyResult) => Promise<CopyResult> {
    const { archive, target, problems } = this.#given;
    const onReplaced = (id: InstanceId, savedUnder: string | undefined) => {
      this.#replaced += 1;
      problems.replaced(id, target.store.name, savedUnder);
    };
    if (target.folder !== undefined) return replaceInFolder(this.#view(), target.folder, onReplaced);
    return replaceConflicts({
      source: this.#view(),
      archive,
      sourceIsArchive: true,
      limitations: target.server?.limitations ?? new Limitations(),
      onReplaced: (id, _, savedUnder) => onReplaced(id, savedUnder),
    });
  }

  #tellInstance({ id, outcomes }: CopyResult): void {
    const { target, options, problems } = this.#given;
    for (const { kind } of outcomes) {
      const isReplaced = kind === 'conflict' && options.replace === true;
      if (kind === 'copied') this.#expected.add(id);
      if (kind !== 'copied' && !isReplaced) continue;
      const change = isReplaced ? 'replace' : 'add';
      problems.change({ change, level: 'instances', id, what: 'instance' }, target.store.name);
    }
  }

  /** What a repair or a replacement that was killed had still to write. @returns how much of it is not written yet */
  async #finishRepairs(): Promise<number> {
    const { archive, target } = this.#given;
    if (target.server === undefined) return 0;
    const { studyServer, limitations } = target.server;
    return finishRepairs(archive, { server: studyServer, limitations }, this.#context.terminal);
  }

  #tellUnidentified(): void {
    const { folder } = this.#given.target;
    if (folder === undefined || folder.unidentified === 0) return;
    const what =
      'instances lie under unidentified/, because their own headers do not tell the ids that the archive has';
    this.#context.terminal.warn(`${folder.unidentified} ${what}: find out who wrote them there`);
  }

  async #sidecars(dryRun: boolean): Promise<SidecarCounts> {
    const { archive, target, options, problems } = this.#given;
    let counts = noSidecars;
    let studies = 0;
    this.#shown.phase('sidecars');
    const choices = {
      replace: options.replace,
      ...(dryRun && { dryRun: { expected: (id: OrthancId) => this.#expected.has(id) } }),
    };
    for await (const one of this.#restoreSidecars(choices)) {
      counts = countSidecar(counts, one);
      studies += 1;
      this.#shown.show({ instances: studies, unit: 'studies' });
      problems.document(one, target.store.name, archive.name);
      if (dryRun) problems.changes(one.changes, target.store.name);
    }
    return counts;
  }

  /** Compares the values of the sidecars with what the target holds now. @returns how many are not there. */
  async #differingValues(): Promise<number> {
    const { target, options, problems } = this.#given;
    let count = 0;
    const choices = { replace: options.replace, dryRun: { expected: () => false } };
    for await (const { changes } of this.#restoreSidecars(choices)) {
      count += changes.length;
      problems.differing(changes, target.store.name);
    }
    return count;
  }

  #restoreSidecars(choices: RestoreChoices): AsyncGenerator<RestoredSidecar> {
    const { archive, target, part, options, findings, thaw } = this.#given;
    const { at, studies } = part;
    return restoreSidecars(archive.objects, target.sidecars, {
      ...choices,
      at,
      studies,
      onFinding: findings.note,
      draining: this.#context.interruption,
      atOnce: options.concurrency ?? defaultUnadaptedAtOnce,
      thaw: thaw && ((key) => thaw.ask(archive.objects, key)),
    });
  }

  #view(observer?: ViewObserver): ArchiveView {
    const { archive, part } = this.#given;
    return new ArchiveView(archive, { ...part, observer });
  }
}

/** Reads back and hashes what a view of the archive promises. */
async function verifyRestored(
  view: ArchiveView,
  target: Store,
  problems: ProblemPrinter,
  {
    interruption,
    shown,
  }: { readonly interruption: AbortSignal; readonly shown: Pick<ShownProgress, 'show' | 'phase'> },
): Promise<VerifiedCounts> {
  let counts = nothingVerified;
  let [instances, bytes] = [0, 0];
  shown.phase('reading back');
  for await (const one of verifyStore(readBack(view, target))) {
    counts = countVerified(counts, one);
    instances += 1;
    if (one.kind === 'sound') bytes += one.sizeBytes ?? 0;
    shown.show({ instances, bytes });
    problems.verified(one, target.name);
    if (interruption.aborted) break;
  }
  return counts;
}
