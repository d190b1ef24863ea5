/** Keeps the sidecars of archive and targets equal to the source: what is not in the DICOM bytes. */
import { type FinishedRepair, KeptRepairs } from '../archive-life/kept-repairs.ts';
import type { CallOptions } from '../call-options.ts';
import { defaultCeiling, defaultUnadaptedAtOnce } from '../copy/adaptive-concurrency.ts';
import { type CopyResult, type Destination, worstKind } from '../copy/outcome.ts';
import { isMirrorError, type MirrorError } from '../errors.ts';
import type { OrthancId } from '../identifiers.ts';
import { differingStudies } from '../sidecars/differing-studies.ts';
import { commonScope, type FingerprintScope, type StudyFingerprint } from '../sidecars/fingerprint.ts';
import { type Limitations, MetContent, noteSourceLimits, noteTargetLimits } from '../sidecars/limitations.ts';
import {
  type ArchivedPatients,
  archivedPatients,
  listArchivedFingerprints,
  listStudyFingerprints,
  type StudyPart,
} from '../sidecars/list-fingerprints.ts';
import type { OnSidecarFinding } from '../sidecars/sidecar-state.ts';
import { StudiesAtOnce } from '../sidecars/studies-at-once.ts';
import { announcesStudy, studyOfChange } from '../sidecars/study-of-change.ts';
import { type StudyServer, studyServerOf } from '../sidecars/study-server.ts';
import { type StudySyncResult, SyncedPatients, type SyncStudyOptions, syncStudy } from '../sidecars/sync-study.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import type { Change } from '../stores/change-feed.ts';
import { listStudyIds } from '../stores/orthanc/list-study-ids.ts';
import type { OrthancStore } from '../stores/orthanc/orthanc-store.ts';
import { inParallel } from '../streams/in-parallel.ts';
import { noOutcomes, type OutcomeCounts } from './summary.ts';
import { TouchedStudies } from './touched-studies.ts';

export interface SidecarSyncOptions {
  readonly source: OrthancStore;
  readonly targets: readonly { readonly destination: Destination; readonly store: OrthancStore }[];
  readonly archive: { readonly destination: Destination; readonly objects: ObjectStorage } | undefined;
  readonly limitations: Limitations;
  readonly report?: SyncReport | undefined;
  /**
   * Most studies synchronized at once; default {@link defaultCeiling}. Each is several requests, but to no server are
   * there more at a time than it has connections.
   */
  readonly ceiling?: number | undefined;
}

/** Is told what happens; absent parts are not. */
export interface SyncReport {
  onResult?(result: StudySyncResult): void;
  /** So many studies are synchronized now. */
  onBegin?(studies: number): void;
  /** Of sidecars in the archive. */
  onFinding?: OnSidecarFinding;
  /** What a replacement at a destination, which was interrupted, still had to write there. */
  onRepairFinished?(destination: Destination, finished: FinishedRepair): void;
}

export interface SyncOneOptions extends CallOptions {
  /** Destinations that are paused; their values do not matter. */
  readonly withdrawn?: ReadonlyMap<Destination, unknown>;
}

/** A part of a comparison of sidecars. */
export interface DifferingPart {
  readonly studies: readonly OrthancId[];
  /** Every study up to this one was compared; `null`: all were. */
  readonly through: OrthancId | null;
}

/** Studies whose sidecars differ from the source's. */
interface DifferingStudies {
  /** At some target. */
  readonly atTargets: ReadonlySet<OrthancId>;
  readonly inArchive: ReadonlySet<OrthancId>;
}

function allOf({ atTargets, inArchive }: DifferingStudies): readonly OrthancId[] {
  return [...new Set([...atTargets, ...inArchive])];
}

/** A server with more instances is compared study by study where that is done in parts: to list it would take too long. */
const mostInstancesAtOnce = 300_000;
/** Studies that are compared before the progress is told. */
const studiesOfPart = 50;

export interface DifferingOptions extends CallOptions {
  /** Is told of a destination that cannot be compared, which then costs no other; absent: that is thrown. */
  readonly onFailure?: ((destination: Destination, error: MirrorError) => void) | undefined;
}

export interface DifferingPartsOptions extends DifferingOptions {
  /** Go on behind this study. */
  readonly after: OrthancId | null;
  /** A source with no more instances is compared in one part. */
  readonly mostAtOnce?: number | undefined;
}

const nothingWithdrawn: ReadonlyMap<Destination, unknown> = new Map();

/** Destinations that take no more sidecars, with the reason. */
export type Failures = ReadonlyMap<Destination, MirrorError>;

export class SidecarSync {
  readonly #options: SidecarSyncOptions;
  /** Studies by the worst that happened to their document. */
  readonly counts: OutcomeCounts = noOutcomes();
  /** Why a study failed for the last time. */
  lastFailure: MirrorError | undefined;
  readonly #touched = new TouchedStudies();
  #source: StudyServer | undefined;
  readonly #servers = new Map<Destination, StudyServer>();

  constructor(options: SidecarSyncOptions) {
    this.#options = options;
  }

  /** Takes in what became of an instance: where it was copied, its study's sidecar in the archive must list it. */
  note(result: Pick<CopyResult, 'id' | 'md5' | 'outcomes'>): void {
    if (this.#options.archive !== undefined) this.#touched.note(result);
  }

  /**
   * Compares what is attached to all studies, and synchronizes those that differ somewhere; and writes the sidecars of the
   * studies that got instances into the archive. A destination that cannot be compared, or refuses everything, costs no
   * other. @returns those, with the reason.
   */
  async reconcile(withdrawn: ReadonlyMap<Destination, unknown>, { signal }: CallOptions): Promise<Failures> {
    const failures = new Map<Destination, MirrorError>();
    const onFailure = (destination: Destination, error: MirrorError) => void failures.set(destination, error);
    const isArchived = this.#archiveUnless(withdrawn) !== undefined;
    const touched = isArchived ? await this.#touched.take(await this.#connectSource(signal), { signal }) : [];
    const { atTargets, inArchive } = await this.#differing(withdrawn, {}, { onFailure, signal });
    const archiveOnly = new Set([...inArchive, ...touched].filter((id) => !atTargets.has(id)));
    const refusing = await this.#sync([...atTargets, ...archiveOnly], new Map([...withdrawn, ...failures]), {
      archiveOnly,
      signal,
    });
    return new Map([...failures, ...refusing]);
  }

  /** Synchronizes the studies that changes of the feed announce. @returns destinations that refuse everything. */
  async follow(
    changes: readonly Change[],
    withdrawn: ReadonlyMap<Destination, unknown>,
    options: CallOptions,
  ): Promise<Failures> {
    return this.#sync(await this.announced(changes, options), withdrawn, options);
  }

  /**
   * The studies whose sidecars differ between the source and a destination that is not withdrawn, by what all of them
   * hold on every level. What a replacement left unwritten at a target is finished before.
   */
  async differing(
    withdrawn: ReadonlyMap<Destination, unknown>,
    options: DifferingOptions,
  ): Promise<readonly OrthancId[]> {
    return allOf(await this.#differing(withdrawn, {}, options));
  }

  /**
   * The same in parts, which end wherever the reader stops, and go on behind `after`; so that a comparison of any number of
   * studies ends, in however many slices. Each part is some requests per study, whatever the servers hold besides.
   */
  async *differingParts(
    withdrawn: ReadonlyMap<Destination, unknown>,
    { after, mostAtOnce = mostInstancesAtOnce, ...options }: DifferingPartsOptions,
  ): AsyncGenerator<DifferingPart> {
    const { source } = this.#options;
    if (after === null && (await source.countInstances(options)) <= mostAtOnce) {
      yield { studies: await this.differing(withdrawn, options), through: null };
      return;
    }
    const archive = this.#archiveUnless(withdrawn);
    const archiveOptions = { onFinding: this.#onFinding, signal: options.signal };
    const patientOf = archive && archivedPatients(archive.objects, archiveOptions);
    let through = after;
    const studies = await listStudyIds(source, options);
    let left = studies.filter((id) => after === null || id > after);
    for (;;) {
      const [first, ...rest] = left.slice(0, studiesOfPart);
      const part = first === undefined ? undefined : { after: through, ids: [first, ...rest] as const };
      const different = part && (await this.#differing(withdrawn, { part, patientOf }, options));
      left = left.slice(studiesOfPart);
      through = rest.at(-1) ?? first ?? null;
      yield { studies: different ? allOf(different) : [], through: left.length === 0 ? null : through };
      if (left.length === 0) return;
    }
  }

  async #differing(
    withdrawn: ReadonlyMap<Destination, unknown>,
    { part, patientOf }: { readonly part?: StudyPart; readonly patientOf?: ArchivedPatients | undefined },
    { onFailure, signal }: DifferingOptions,
  ): Promise<DifferingStudies> {
    const source = await this.#connectSource(signal);
    const different = { atTargets: new Set<OrthancId>(), inArchive: new Set<OrthancId>() };
    const atSource = new SourceFingerprints(source, part, signal);
    const compare = async (scope: FingerprintScope, there: AsyncIterable<StudyFingerprint>, found: Set<OrthancId>) => {
      // Both sides are listed at the same time.
      atSource.begin(scope);
      for await (const id of differingStudies(atSource.list(scope), there)) found.add(id);
    };
    const guarded = async (destination: Destination, work: () => Promise<void>) => {
      try {
        await work();
      } catch (error) {
        signal?.throwIfAborted();
        // What the source cannot answer is no destination's fault.
        if (!isMirrorError(error) || error === atSource.failure || onFailure === undefined) throw error;
        onFailure(destination, error);
      }
    };
    const archive = this.#archiveUnless(withdrawn);
    const compared = this.#served(withdrawn).map(({ destination, store }) =>
      guarded(destination, async () => {
        const server = await this.#connect(destination, store, signal);
        if (part === undefined || part.after === null) {
          await this.#finishRepairs(destination, server, archive?.objects, signal);
        }
        const scope = commonScope([source, server]);
        await compare(scope, listStudyFingerprints(server, { scope, part, signal }), different.atTargets);
        noteTargetLimits(atSource.met, server, this.#options.limitations);
      }),
    );
    if (archive !== undefined) {
      const { destination, objects } = archive;
      const scope = commonScope([source]);
      const options = { scope, part, patientOf, onFinding: this.#onFinding, signal };
      const archived = listArchivedFingerprints(objects, options);
      compared.push(guarded(destination, () => compare(scope, archived, different.inArchive)));
    }
    for (const end of await Promise.allSettled(compared)) if (end.status === 'rejected') throw end.reason;
    noteSourceLimits(atSource.met, source, this.#options.limitations);
    return different;
  }

  /** The studies whose sidecars changed, by what the feed says. */
  async announced(changes: readonly Change[], { signal }: CallOptions): Promise<readonly OrthancId[]> {
    const announcing = changes.filter(announcesStudy);
    if (announcing.length === 0) return [];
    const source = await this.#connectSource(signal);
    const studies = await inParallel(announcing, defaultUnadaptedAtOnce, (change) =>
      studyOfChange(source, change, { signal }),
    );
    return [...new Set(studies.filter((study) => study !== undefined))];
  }

  /** Synchronizes one study, for a queue message, with the destinations that are not withdrawn. */
  async syncOne(
    studyId: OrthancId,
    { signal, withdrawn = nothingWithdrawn }: SyncOneOptions,
  ): Promise<StudySyncResult> {
    return syncStudy(studyId, await this.#syncOptions(withdrawn, signal));
  }

  /** Synchronizes the study that a changed resource of another level belongs to; `undefined` if there is none any more. */
  async syncStudyOf(
    resource: Pick<Change, 'level' | 'id'>,
    { signal, withdrawn = nothingWithdrawn }: SyncOneOptions,
  ): Promise<StudySyncResult | undefined> {
    const source = await this.#connectSource(signal);
    const study = await studyOfChange(source, { type: 'UpdatedMetadata', ...resource }, { signal });
    return study && this.syncOne(study, { signal, withdrawn });
  }

  /** @returns destinations that refuse everything: they are left out as soon as one study tells. */
  async #sync(
    ids: readonly OrthancId[],
    withdrawn: ReadonlyMap<Destination, unknown>,
    { archiveOnly, signal }: CallOptions & { readonly archiveOnly?: ReadonlySet<OrthancId> },
  ): Promise<Failures> {
    const refusing = new Map<Destination, MirrorError>();
    if (ids.length === 0) return refusing;
    this.#options.report?.onBegin?.(ids.length);
    const everywhere = { ...(await this.#syncOptions(withdrawn, signal)), patients: new SyncedPatients() };
    const inArchive = { ...everywhere, targets: [], patients: new SyncedPatients() };
    const { ceiling = defaultCeiling } = this.#options;
    const atOnce = new StudiesAtOnce({ ceiling });
    await inParallel(ids, ceiling, async (id) => {
      const options = archiveOnly?.has(id) ? inArchive : everywhere;
      const sync = () => syncStudy(id, refusing.size === 0 ? options : without(refusing, options));
      const result = await atOnce.through(sync, ({ instances, outcomes }) => {
        const wasPushedBack = outcomes.some(({ error }) => error?.disposition === 'retry');
        return { instances, wasPushedBack };
      });
      this.counts[worstKind(result.outcomes)] += 1;
      this.lastFailure = result.outcomes.find(({ kind }) => kind === 'failed')?.error ?? this.lastFailure;
      this.#options.report?.onResult?.(result);
      for (const { destination, at, error } of result.outcomes) {
        if (at === 'destination' && error?.disposition === 'halt') refusing.set(destination, error);
      }
    });
    this.#touched.forgetArchived();
    return refusing;
  }

  async #syncOptions(
    withdrawn: ReadonlyMap<Destination, unknown>,
    signal: AbortSignal | undefined,
  ): Promise<SyncStudyOptions> {
    const served = this.#served(withdrawn);
    return {
      source: await this.#connectSource(signal),
      targets: await Promise.all(
        served.map(async ({ destination, store }) => ({
          destination,
          server: await this.#connect(destination, store, signal),
        })),
      ),
      archive: this.#archiveUnless(withdrawn),
      limitations: this.#options.limitations,
      knownArchived: (id, md5) => this.#touched.isArchived(id, md5),
      onFinding: this.#onFinding,
      signal,
    };
  }

  async #finishRepairs(
    destination: Destination,
    server: StudyServer,
    objects: ObjectStorage | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (objects === undefined) return;
    const { limitations, report } = this.#options;
    const kept = new KeptRepairs(objects, server.client);
    for await (const finished of kept.finishAll({ server, limitations, signal })) {
      report?.onRepairFinished?.(destination, finished);
    }
  }

  readonly #onFinding: OnSidecarFinding = (finding) => this.#options.report?.onFinding?.(finding);

  #served(withdrawn: ReadonlyMap<Destination, unknown>): SidecarSyncOptions['targets'] {
    return this.#options.targets.filter(({ destination }) => !withdrawn.has(destination));
  }

  #archiveUnless(withdrawn: ReadonlyMap<Destination, unknown>): SidecarSyncOptions['archive'] {
    const { archive } = this.#options;
    return archive !== undefined && withdrawn.has(archive.destination) ? undefined : archive;
  }

  async #connectSource(signal: AbortSignal | undefined): Promise<StudyServer> {
    this.#source ??= await studyServerOf(this.#options.source, { signal });
    return this.#source;
  }

  /** Asks each target once what it is. */
  async #connect(destination: Destination, store: OrthancStore, signal: AbortSignal | undefined): Promise<StudyServer> {
    const server = this.#servers.get(destination) ?? (await studyServerOf(store, { signal }));
    this.#servers.set(destination, server);
    return server;
  }
}

function without(refusing: Failures, options: SyncStudyOptions): SyncStudyOptions {
  const { archive, targets } = options;
  return {
    ...options,
    archive: archive !== undefined && refusing.has(archive.destination) ? undefined : archive,
    targets: targets.filter(({ destination }) => !refusing.has(destination)),
  };
}

/** The source's fingerprints, listed once for each scope: about 100 bytes of memory per study. */
class SourceFingerprints {
  /** Why the source could not be listed. */
  failure: unknown;
  readonly met = new MetContent();
  readonly #source: StudyServer;
  readonly #part: StudyPart | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #listed = new Map<string, Promise<readonly StudyFingerprint[]>>();

  constructor(source: StudyServer, part: StudyPart | undefined, signal: AbortSignal | undefined) {
    this.#source = source;
    this.#part = part;
    this.#signal = signal;
  }

  begin(scope: FingerprintScope): void {
    this.#list(scope).catch((error: unknown) => {
      this.failure ??= error;
    });
  }

  async *list(scope: FingerprintScope): AsyncGenerator<StudyFingerprint> {
    yield* await this.#list(scope);
  }

  #list(scope: FingerprintScope): Promise<readonly StudyFingerprint[]> {
    const key = JSON.stringify(scope);
    const listed =
      this.#listed.get(key) ??
      Array.fromAsync(
        listStudyFingerprints(this.#source, { scope, part: this.#part, met: this.met, signal: this.#signal }),
      );
    this.#listed.set(key, listed);
    return listed;
  }
}
