/** The work of `restore --repair`: repairs what a server cannot deliver rightly, and brings back what it lacks. */
import { KeptRepairs } from '../../core/archive-life/kept-repairs.ts';
import { findMissing, keepSidecarsOf } from '../../core/archive-life/repair/missing-instances.ts';
import { findDamaged, repairInstances } from '../../core/archive-life/repair/repair-server.ts';
import { repairOnServer } from '../../core/archive-life/repair/replace-on-server.ts';
import { ArchiveView, type ViewObserver, type ViewOptions } from '../../core/archive-life/restore/archive-view.ts';
import type { PutRight } from '../../core/archive-life/verify/repair.ts';
import { defaultBudget } from '../../core/copy/copy-context.ts';
import type { InstanceId } from '../../core/identifiers.ts';
import type { MirrorRunEnd } from '../../core/mirror/mirror-run.ts';
import { runMirror } from '../../core/mirror/run-mirror.ts';
import type { SidecarFindings } from '../../core/sidecars/sidecar-state.ts';
import type { Archive } from '../../core/stores/archive/archive.ts';
import { EveryVersion } from '../../core/stores/archive/every-version.ts';
import type { CommandContext } from '../command-context.ts';
import { finishRepairs } from '../finished-repairs.ts';
import { startProgress } from '../progress.ts';
import { problemsOf } from '../run/run-report.ts';
import type { UnreadableHistories } from '../unreadable-histories.ts';
import type { TargetServer } from './open-target.ts';
import { type ProblemPrinter, undecidedLine } from './print-problems.ts';
import { nothingRepaired, type RepairCounts, type RepairReport } from './repair-report.ts';

export interface RepairArguments {
  readonly archive: Archive;
  readonly server: TargetServer;
  /** What of the archive counts, and at which moment. */
  readonly part: Pick<ViewOptions, 'at' | 'only' | 'includeRemoved' | 'onUnreadable'>;
  /** Of what is missing, only what the archive received since. */
  readonly missingSince: Date | undefined;
  readonly concurrency: number;
  readonly dryRun: boolean;
  /** Put the archive's version also in the place of what is nowhere else and cannot be saved. */
  readonly replace: boolean;
  readonly problems: ProblemPrinter;
  readonly findings: SidecarFindings;
  readonly histories: UnreadableHistories;
}

/** Repairs a server. Throws a MirrorError if it, or the archive, cannot be listed. */
export async function repair(given: RepairArguments, context: CommandContext): Promise<RepairReport> {
  return new Repair(given, context).run();
}

class Repair {
  readonly #given: RepairArguments;
  readonly #context: CommandContext;
  readonly #putRight: PutRight;
  #counts: RepairCounts = nothingRepaired;

  constructor(given: RepairArguments, context: CommandContext) {
    this.#given = given;
    this.#context = context;
    const { server, archive, replace: evenUnreadable } = given;
    const { store, studyServer, limitations } = server;
    const safe = archive.objects;
    this.#putRight = repairOnServer({ server: store, studyServer, safe, limitations, evenUnreadable });
  }

  async run(): Promise<RepairReport> {
    const { dryRun } = this.#given;
    const startedAtMs = performance.now();
    await this.#repairDamaged();
    const end = this.#interrupted() ? undefined : await this.#bringBack();
    if (!dryRun && !this.#interrupted()) {
      const { archive, server } = this.#given;
      const { studyServer, limitations } = server;
      this.#add(
        'unwritten',
        await finishRepairs(archive, { server: studyServer, limitations }, this.#context.terminal),
      );
    }
    const durationMs = performance.now() - startedAtMs;
    const { findings, histories } = this.#given;
    const damagedSidecars = findings.count('sidecar-damaged');
    const unreadable = histories.outcome;
    return {
      dryRun,
      counts: this.#counts,
      damagedSidecars,
      unreadable,
      end,
      interrupted: this.#interrupted(),
      durationMs,
    };
  }

  /** Reads everything back that the server holds, and repairs what is damaged. */
  async #repairDamaged(): Promise<void> {
    const { part, dryRun, problems, concurrency: atOnce } = this.#given;
    const server = this.#given.server.store;
    using shown = startProgress(this.#context.terminal, 'reading back');
    let bytes = 0;
    for await (const found of findDamaged(server, (id) => part.only?.has(id) ?? true, { atOnce })) {
      if (this.#interrupted()) return;
      this.#add(found.kind);
      bytes += found.sizeBytes ?? 0;
      shown.show({ instances: this.#counts.sound, bytes });
      if (found.kind === 'damaged' && !dryRun) await this.#repair(found.id);
      else if (found.kind === 'damaged' || found.kind === 'unverified') problems.verified(found, server.name);
    }
  }

  async #repair(id: InstanceId): Promise<void> {
    const { archive, part, problems } = this.#given;
    const server = this.#given.server.store;
    const fallback = new ArchiveView(archive, { at: part.at, includeRemoved: true });
    const repair = { server, putRight: this.#putRight, goodCopies: [new EveryVersion(archive)], fallback, budget };
    for await (const { outcome, otherVersion } of repairInstances([id], repair)) {
      if (outcome.kind === 'repaired') this.#add('repaired');
      else this.#add(outcome.error.disposition === 'reject' ? 'rejected' : 'failed');
      if (outcome.kind !== 'repaired' && outcome.error.code === 'cold') this.#add('cold');
      if (otherVersion && outcome.kind === 'repaired') this.#add('otherVersion');
      problems.repaired(id, server.name, outcome, otherVersion);
    }
  }

  /** Stores what the server lacks. @returns `undefined` if it lacks nothing, or in a dry run. */
  async #bringBack(): Promise<MirrorRunEnd | undefined> {
    const { archive, part, missingSince, dryRun, concurrency, problems, findings } = this.#given;
    const { store: server, studyServer } = this.#given.server;
    const { interruption: signal } = this.#context;
    const observer: ViewObserver = {
      onUndecided: (id) => this.#context.terminal.warn(undecidedLine(id)),
      onLost: (id, md5) => {
        this.#add('rejected');
        problems.lost(id, archive.name, md5);
      },
    };
    const view = new ArchiveView(archive, { ...part, since: missingSince, observer });
    const missing = await findMissing(view, server, { signal });
    this.#add('missing', missing.size);
    if (dryRun) for (const id of missing) problems.missing(id, server.name);
    if (dryRun || missing.size === 0) return undefined;
    const { objects } = archive;
    const kept = new KeptRepairs(objects, studyServer.client);
    const { note: onFinding } = findings;
    await keepSidecarsOf(missing, { at: part.at, archive: objects, server: studyServer, kept, onFinding, signal });
    return runMirror({
      source: new ArchiveView(archive, { ...part, only: missing }),
      destinations: [{ role: 'target', store: server }],
      concurrency,
      draining: signal,
      observer: {
        onResult: (result) => {
          for (const problem of problemsOf(result)) problems.instance(problem);
        },
      },
    });
  }

  #add(field: keyof RepairCounts, by = 1): void {
    this.#counts = { ...this.#counts, [field]: this.#counts[field] + by };
  }

  #interrupted(): boolean {
    return this.#context.interruption.aborted;
  }
}

const budget = defaultBudget();
