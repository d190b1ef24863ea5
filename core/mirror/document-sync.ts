/** Keeps the study documents of archive and targets equal to the source: what is not in the DICOM bytes. */
import { z } from 'zod';
import { type Destination, worstKind } from '../copy/outcome.ts';
import type { Change } from '../follow/change-feed.ts';
import { type InstanceId, isOrthancId, type OrthancId } from '../identifiers.ts';
import { listOf } from '../json.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import type { OrthancStore } from '../stores/orthanc/orthanc-store.ts';
import type { CallOptions } from '../stores/store.ts';
import { differingStudies } from '../studies/differing-studies.ts';
import { commonScope, type FingerprintScope, type StudyFingerprint } from '../studies/fingerprint.ts';
import { inParallel } from '../studies/in-parallel.ts';
import type { Limitations } from '../studies/limitations.ts';
import { listArchivedFingerprints, listStudyFingerprints } from '../studies/list-fingerprints.ts';
import { listStudyIds } from '../studies/list-study-ids.ts';
import { announcesStudy, studyOfChange } from '../studies/study-of-change.ts';
import { type StudyServer, studyServerOf } from '../studies/study-server.ts';
import { type StudySyncResult, syncStudy } from '../studies/sync-study.ts';
import { noOutcomes, type OutcomeCounts } from './summary.ts';

export interface DocumentSyncOptions {
  readonly source: OrthancStore;
  readonly targets: readonly { readonly destination: Destination; readonly store: OrthancStore }[];
  readonly archive: { readonly destination: Destination; readonly objects: ObjectStorage } | undefined;
  readonly limitations: Limitations;
  readonly onResult?: ((result: StudySyncResult) => void) | undefined;
}

/** Copied instances that are remembered one by one; beyond, every study is synchronized. */
const mostTouched = 20_000;
/** Studies synchronized at once: each one is several requests to every server. */
const studiesAtOnce = 4;

export interface SyncOneOptions extends CallOptions {
  /** Destinations that are left alone; their values do not matter. */
  readonly withdrawn?: ReadonlyMap<Destination, unknown>;
}

const nobody: ReadonlyMap<Destination, unknown> = new Map();

export class DocumentSync {
  readonly #options: DocumentSyncOptions;
  /** Studies by the worst that happened to their document. */
  readonly counts: OutcomeCounts = noOutcomes();
  /** Instances that came since the last reconcile: the documents of their studies list them. */
  readonly #touched = new Set<InstanceId>();
  #source: StudyServer | undefined;
  readonly #servers = new Map<Destination, StudyServer>();

  constructor(options: DocumentSyncOptions) {
    this.#options = options;
  }

  /** An instance was copied: its study's document has another content. */
  noteCopied(id: InstanceId): void {
    if (this.#touched.size <= mostTouched) this.#touched.add(id);
  }

  /** Compares what is attached to all studies, and synchronizes those that differ somewhere. */
  async reconcile(withdrawn: ReadonlyMap<Destination, unknown>, options: CallOptions): Promise<void> {
    await this.#sync(await this.differing(withdrawn, options), withdrawn, options.signal);
  }

  /** Synchronizes the studies that changes of the feed announce. */
  async follow(
    changes: readonly Change[],
    withdrawn: ReadonlyMap<Destination, unknown>,
    options: CallOptions,
  ): Promise<void> {
    await this.#sync(await this.announced(changes, options), withdrawn, options.signal);
  }

  /** The studies whose documents differ between the source and a destination that is not withdrawn. */
  async differing(
    withdrawn: ReadonlyMap<Destination, unknown>,
    { signal }: CallOptions,
  ): Promise<readonly OrthancId[]> {
    const { source, targets } = await this.#connect(signal, withdrawn);
    const different = new Set(await this.#touchedStudies(source, signal));
    const atSource = new SourceFingerprints(source, signal);
    for (const { destination, server } of targets) {
      if (withdrawn.has(destination)) continue;
      const scope = await scopeFor([source, server], signal);
      const there = listStudyFingerprints(server, { scope, signal });
      for await (const id of differingStudies(atSource.list(scope), there)) different.add(id);
    }
    const archive = this.#archiveUnless(withdrawn);
    if (archive !== undefined) {
      const scope = await scopeFor([source], signal);
      const there = listArchivedFingerprints(archive.objects, { scope, signal });
      for await (const id of differingStudies(atSource.list(scope), there)) different.add(id);
    }
    return [...different];
  }

  /** The studies whose documents changed, by what the feed says. */
  async announced(changes: readonly Change[], { signal }: CallOptions): Promise<readonly OrthancId[]> {
    const announcing = changes.filter(announcesStudy);
    if (announcing.length === 0) return [];
    const source = await this.#connectSource(signal);
    const studies = new Set<OrthancId>();
    for (const change of announcing) {
      const study = await studyOfChange(source, change, { signal });
      if (study !== undefined) studies.add(study);
    }
    return [...studies];
  }

  /** Synchronizes one study, for a queue message, with the destinations that are not withdrawn. */
  async syncOne(studyId: OrthancId, { signal, withdrawn = nobody }: SyncOneOptions): Promise<StudySyncResult> {
    const { source, targets } = await this.#connect(signal, withdrawn);
    const { limitations } = this.#options;
    const archive = this.#archiveUnless(withdrawn);
    return syncStudy(studyId, { source, targets, archive, limitations, signal });
  }

  /** Synchronizes the study that a changed resource of another level belongs to; `undefined` if there is none any more. */
  async syncStudyOf(
    resource: Pick<Change, 'level' | 'id'>,
    { signal, withdrawn = nobody }: SyncOneOptions,
  ): Promise<StudySyncResult | undefined> {
    const source = await this.#connectSource(signal);
    const study = await studyOfChange(source, { type: 'UpdatedMetadata', ...resource }, { signal });
    return study && this.syncOne(study, { signal, withdrawn });
  }

  async #touchedStudies(source: StudyServer, signal: AbortSignal | undefined): Promise<readonly OrthancId[]> {
    const left = new Set<OrthancId>(this.#touched);
    this.#touched.clear();
    if (left.size > mostTouched) return listStudyIds(source, { signal });
    const studies: OrthancId[] = [];
    for (const id of left) {
      const study = await studyWithInstances(source, id, signal);
      if (study === undefined) continue;
      studies.push(study.id);
      for (const instance of study.instances) left.delete(instance);
    }
    return studies;
  }

  async #sync(
    ids: readonly OrthancId[],
    withdrawn: ReadonlyMap<Destination, unknown>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (ids.length === 0) return;
    const { source, targets } = await this.#connect(signal, withdrawn);
    const archive = this.#archiveUnless(withdrawn);
    const { limitations, onResult } = this.#options;
    await inParallel(ids, studiesAtOnce, async (id) => {
      const result = await syncStudy(id, { source, targets, archive, limitations, signal });
      this.counts[worstKind(result.outcomes)] += 1;
      onResult?.(result);
    });
  }

  #archiveUnless(withdrawn: ReadonlyMap<Destination, unknown>): DocumentSyncOptions['archive'] {
    const { archive } = this.#options;
    return archive !== undefined && withdrawn.has(archive.destination) ? undefined : archive;
  }

  async #connectSource(signal: AbortSignal | undefined): Promise<StudyServer> {
    this.#source ??= await studyServerOf(this.#options.source, { signal });
    return this.#source;
  }

  /** Asks each server once what it is; those of withdrawn destinations are not asked. */
  async #connect(signal: AbortSignal | undefined, withdrawn: ReadonlyMap<Destination, unknown> = nobody) {
    const { targets } = this.#options;
    const served = targets.filter(({ destination }) => !withdrawn.has(destination));
    return {
      source: await this.#connectSource(signal),
      targets: await Promise.all(
        served.map(async ({ destination, store }) => {
          const server = this.#servers.get(destination) ?? (await studyServerOf(store, { signal }));
          this.#servers.set(destination, server);
          return { destination, server };
        }),
      ),
    };
  }
}

/** The source's fingerprints, listed once for each scope: about 100 bytes of memory per study. */
class SourceFingerprints {
  readonly #source: StudyServer;
  readonly #signal: AbortSignal | undefined;
  readonly #listed = new Map<string, Promise<readonly StudyFingerprint[]>>();

  constructor(source: StudyServer, signal: AbortSignal | undefined) {
    this.#source = source;
    this.#signal = signal;
  }

  async *list(scope: FingerprintScope): AsyncGenerator<StudyFingerprint> {
    const key = JSON.stringify(scope);
    const listed =
      this.#listed.get(key) ?? Array.fromAsync(listStudyFingerprints(this.#source, { scope, signal: this.#signal }));
    this.#listed.set(key, listed);
    yield* await listed;
  }
}

const resourceSchema = z.looseObject({ ID: z.custom<OrthancId>(isOrthancId) });

/** The study of an instance with all its instances, so that the others need not be asked for; two requests. */
async function studyWithInstances(
  { client }: StudyServer,
  id: OrthancId,
  signal: AbortSignal | undefined,
): Promise<{ readonly id: OrthancId; readonly instances: readonly OrthancId[] } | undefined> {
  const study = await client.findJson(`/instances/${id}/study`, resourceSchema, { signal });
  if (study === undefined) return undefined;
  const instances = await client.findJson(`/studies/${study.ID}/instances`, listOf(resourceSchema), { signal });
  return { id: study.ID, instances: (instances ?? []).map(({ ID }) => ID) };
}

/**
 * Metadata and attachments of series and instances are listed only if a server ever logged a change of one: listing
 * them costs as much as the inventory of the instances.
 */
async function scopeFor(servers: readonly StudyServer[], signal: AbortSignal | undefined): Promise<FingerprintScope> {
  const logged = await Promise.all(servers.map((server) => everAttached(server, signal)));
  return commonScope(servers, logged.some(Boolean) ? 'everything' : 'labels');
}

const attachmentChanges = ['UpdatedMetadata', 'UpdatedAttachment'];

/** Whether a server may hold metadata or attachments that a user wrote; asked only where the feed can be filtered. */
async function everAttached({ client, capabilities }: StudyServer, signal: AbortSignal | undefined): Promise<boolean> {
  if (!capabilities.hasExtendedFind) return true;
  const path = `/changes?type=${attachmentChanges.join(';')}&since=0&limit=1`;
  const page = await client.getJson(path, z.looseObject({ Changes: listOf(z.unknown()) }), { signal });
  return page.Changes.length > 0;
}
