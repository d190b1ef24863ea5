/** The work of `restore --repair`: mends what a server cannot deliver rightly, and brings back what it lacks. */
import { defaultBudget } from '../../core/copy/copy-instance.ts';
import type { InstanceId } from '../../core/identifiers.ts';
import type { MirrorRunEnd } from '../../core/mirror/mirror-run.ts';
import { runMirror } from '../../core/mirror/run-mirror.ts';
import { findDamaged, repairInstances } from '../../core/repair/mend-server.ts';
import { findMissing, keepDocumentsOf } from '../../core/repair/missing-instances.ts';
import { PendingWrites } from '../../core/repair/pending-writes.ts';
import { replaceOnServer } from '../../core/repair/replace-on-server.ts';
import { ArchiveView, type ViewObserver, type ViewOptions } from '../../core/restore/archive-view.ts';
import type { Archive } from '../../core/stores/archive/archive.ts';
import { EveryVersion } from '../../core/stores/archive/every-version.ts';
import type { OrthancStore } from '../../core/stores/orthanc/orthanc-store.ts';
import { Limitations } from '../../core/studies/limitations.ts';
import { type StudyServer, studyServerOf } from '../../core/studies/study-server.ts';
import type { PutRight } from '../../core/verify/mend.ts';
import type { CommandContext } from '../command-context.ts';
import { startProgress } from '../progress.ts';
import { problemsOf } from '../run/run-report.ts';
import { type ProblemPrinter, unsettledLine } from './print-problems.ts';
import { nothingRepaired, type RepairCounts, type RepairReport } from './repair-report.ts';

export interface RepairArguments {
  readonly archive: Archive;
  readonly server: OrthancStore;
  /** What of the archive counts, and at which moment. */
  readonly part: Pick<ViewOptions, 'at' | 'only' | 'includeRemoved'>;
  /** Of what is missing, only what the archive received since. */
  readonly missingSince: Date | undefined;
  readonly concurrency: number;
  readonly dryRun: boolean;
  readonly problems: ProblemPrinter;
}

/** Repairs a server. Throws a MirrorError if it, or the archive, cannot be listed. */
export async function repair(given: RepairArguments, context: CommandContext): Promise<RepairReport> {
  const limitations = new Limitations(({ message }) => context.terminal.warn(message));
  const studyServer = await studyServerOf(given.server, { signal: context.interruption });
  return new Repair(given, studyServer, limitations, context).run();
}

class Repair {
  readonly #given: RepairArguments;
  readonly #studyServer: StudyServer;
  readonly #limitations: Limitations;
  readonly #context: CommandContext;
  readonly #pending: PendingWrites;
  readonly #putRight: PutRight;
  #counts: RepairCounts = nothingRepaired;

  constructor(given: RepairArguments, studyServer: StudyServer, limitations: Limitations, context: CommandContext) {
    this.#given = given;
    this.#studyServer = studyServer;
    this.#limitations = limitations;
    this.#context = context;
    const { server, archive } = given;
    this.#pending = new PendingWrites(archive.objects, server.name);
    this.#putRight = replaceOnServer({ server, studyServer, safe: archive.objects, limitations });
  }

  async run(): Promise<RepairReport> {
    const { dryRun } = this.#given;
    const startedAtMs = performance.now();
    await this.#mendDamaged();
    const end = this.#interrupted() ? undefined : await this.#bringBack();
    if (!dryRun && !this.#interrupted()) {
      const left = await this.#pending.finishAll({ server: this.#studyServer, limitations: this.#limitations });
      this.#add('unwritten', left);
    }
    const durationMs = performance.now() - startedAtMs;
    return { dryRun, counts: this.#counts, end, interrupted: this.#interrupted(), durationMs };
  }

  /** Reads everything back that the server holds, and mends what is damaged. */
  async #mendDamaged(): Promise<void> {
    const { server, part, dryRun, problems, concurrency: atOnce } = this.#given;
    const show = startProgress(this.#context.terminal);
    let bytes = 0;
    for await (const found of findDamaged(server, (id) => part.only?.has(id) ?? true, { atOnce })) {
      if (this.#interrupted()) return;
      this.#add(found.kind);
      bytes += found.sizeBytes ?? 0;
      show({ instances: this.#counts.sound, bytes });
      if (found.kind === 'damaged' && !dryRun) await this.#mend(found.id);
      else if (found.kind === 'damaged' || found.kind === 'unread') problems.verified(found, server.name);
    }
  }

  async #mend(id: InstanceId): Promise<void> {
    const { archive, server, part, problems } = this.#given;
    const fallback = new ArchiveView(archive, { at: part.at, includeRemoved: true });
    const mend = { server, putRight: this.#putRight, goodCopies: [new EveryVersion(archive)], fallback, budget };
    for await (const { outcome, otherVersion } of repairInstances([id], mend)) {
      if (outcome.kind === 'mended') this.#add('mended');
      else this.#add(outcome.error.disposition === 'reject' ? 'rejected' : 'failed');
      if (otherVersion && outcome.kind === 'mended') this.#add('otherVersion');
      problems.mended(id, server.name, outcome, otherVersion);
    }
  }

  /** Stores what the server lacks. @returns `undefined` if it lacks nothing, or in a dry run. */
  async #bringBack(): Promise<MirrorRunEnd | undefined> {
    const { archive, server, part, missingSince, dryRun, concurrency, problems } = this.#given;
    const { interruption: signal } = this.#context;
    const observer: ViewObserver = {
      onUnsettled: (id) => this.#context.terminal.warn(unsettledLine(id)),
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
    const keep = { at: part.at, archive: archive.objects, server: this.#studyServer, pending: this.#pending, signal };
    await keepDocumentsOf(missing, keep);
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
