/**
 * Looks through a whole archive while it is being read: first for its studies, which sidecars tell, then for what
 * sidecars do not tell: instances that none lists (they came shortly before the end), and studies of which nothing is
 * left.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { keptCatalogue, readCatalogue } from '../../archive-life/catalogue/read-catalogue.ts';
import { asInventory } from '../../archive-life/catalogue/without-sidecar.ts';
import { ArchiveView } from '../../archive-life/restore/archive-view.ts';
import { isMirrorError } from '../../errors.ts';
import type { InstanceId, OrthancId } from '../../identifiers.ts';
import { readStudiesAt } from '../../sidecars/list-sidecars.ts';
import type { SidecarOptions } from '../../sidecars/sidecar-state.ts';
import { throwIfAborted } from '../../stores/aborted.ts';
import type { Archive } from '../../stores/archive/archive.ts';
import { newestOf } from '../../stores/archive/history.ts';
import { InstanceIdList } from '../../stores/orthanc/instance-id-list.ts';
import { inParallel } from '../../streams/in-parallel.ts';
import { mergeJoin } from '../../streams/merge-join.ts';
import type { ArchivedFile } from './archived-file.ts';
import type { InstanceTags } from './instance-tags.ts';
import { keepTags, nameOf, readKeptTags } from './kept-tags.ts';
import { keepNewestStudies, newestStudies } from './newest-studies.ts';
import type { StudyContent } from './study-content.ts';
import type { StudyList } from './study-list.ts';
import type { UnlistedStudies } from './unlisted-studies.ts';

/** How far it is. Numbers only: this is shown and logged. */
export interface SurveyProgress {
  readonly phase: 'listing' | 'searching' | 'complete' | 'failed';
  /** Studies that are known. */
  readonly studies: number;
  /** Instances that were there at the moment, as far as they were counted. */
  readonly instances: number;
  /** Those of them that no sidecar lists. */
  readonly unlisted: number;
  /** Sidecars that cannot be read: an earlier one counts, or what the files tell. */
  readonly damagedSidecars: number;
  /** Why it failed. */
  readonly reason?: string;
}

export interface SurveyOptions extends SidecarOptions {
  readonly archive: Archive;
  readonly at: Date | undefined;
  /** Filled with what is found. */
  readonly list: StudyList;
  readonly unlisted: UnlistedStudies;
  readonly readTags: (file: ArchivedFile) => Promise<InstanceTags>;
  readonly readContent: (id: OrthancId) => Promise<StudyContent | undefined>;
  /** How many were met so far. */
  readonly damagedSidecars: () => number;
  /** Resolves when users wait for nothing. */
  readonly giveWay: () => Promise<void>;
  /** Called when what is known of a study is no longer all. */
  readonly forget: (id: OrthancId) => void;
}

const firstLookMs = 500;
/** Headers read at once, beside the requests of users. */
const width = 8;

/** Begins. The promises throw what the storage throws. */
export function survey(options: SurveyOptions) {
  const work = new Survey(options);
  const begun = work.takeNewest();
  const kept = begun.then((some) => work.takeKept(some));
  const compared = kept.then(() => work.list());
  const surveyed = compared.then(() => work.search());
  const ended = surveyed.then(
    () => undefined,
    (error: unknown) => work.fail(error),
  );
  // A kept list is shown at once; without one there is nothing to show before the archive was listed.
  const listed = kept.then((some) => (some ? undefined : compared));
  for (const promise of [begun, listed, compared, surveyed]) promise.catch(() => undefined);
  return {
    get progress() {
      return work.progress;
    },
    /** Resolves when the newest studies are there, as far as they were kept. */
    begun,
    listed,
    compared,
    surveyed,
    ended,
  };
}

class Survey {
  readonly #options: SurveyOptions;
  #phase: SurveyProgress['phase'] = 'listing';
  #instances = 0;
  #unlisted = 0;
  #reason: string | undefined;

  constructor(options: SurveyOptions) {
    this.#options = options;
  }

  get progress(): SurveyProgress {
    return {
      phase: this.#phase,
      studies: this.#options.list.size,
      instances: this.#instances,
      unlisted: this.#unlisted,
      damagedSidecars: this.#options.damagedSidecars(),
      ...(this.#reason !== undefined && { reason: this.#reason }),
    };
  }

  /** @returns whether some were kept; of an earlier moment none are. */
  async takeNewest(): Promise<boolean> {
    const { archive, at, list, signal } = this.#options;
    if (at !== undefined) return false;
    for (const entry of await newestStudies(archive.objects, { signal })) list.put(entry);
    return list.size > 0;
  }

  /** @returns whether a list was kept; of an earlier moment none is. */
  async takeKept(hasNewest: boolean): Promise<boolean> {
    const { archive, at, list, signal } = this.#options;
    if (at !== undefined) return false;
    // Parts of a large archive take long to parse: whoever opened it gets the first page before.
    if (hasNewest) await delay(firstLookMs, undefined, { signal }).catch(() => throwIfAborted(signal));
    for await (const entry of keptCatalogue(archive.objects, { signal })) list.put(entry);
    return list.size > 0;
  }

  async list(): Promise<void> {
    const { archive, at, list, giveWay, onFinding, signal } = this.#options;
    for await (const entry of readCatalogue(archive.objects, { at, onFinding, signal })) {
      list.put(entry);
      await giveWay();
    }
    if (at === undefined) await keepNewestStudies(archive.objects, list.sorted(), { signal });
    this.#phase = 'searching';
  }

  async search(): Promise<void> {
    const { archive, at, giveWay, signal } = this.#options;
    const documented = await this.#documented();
    const removed: InstanceId[] = [];
    const observer = { onRemoved: (id: InstanceId) => void removed.push(id) };
    const view = new ArchiveView(archive, { at, observer });
    const part = new UnlistedPart(this.#options);
    const inventory = view.inventory({ signal });
    for await (const { held } of mergeJoin([inventory, asInventory(documented)])) {
      const [[entry] = [], listed = []] = held;
      if (entry === undefined) continue;
      this.#instances += 1;
      await giveWay();
      if (listed.length > 0 || entry.md5 === undefined || entry.sizeBytes === undefined) continue;
      this.#unlisted += 1;
      await part.add({ id: entry.id, md5: entry.md5, sizeBytes: entry.sizeBytes });
    }
    await part.end();
    await this.#leaveOutRemoved(removed);
    this.#phase = 'complete';
  }

  async #documented(): Promise<InstanceIdList> {
    const { archive, at, giveWay, onFinding, signal } = this.#options;
    const documented = new InstanceIdList();
    for await (const { document } of readStudiesAt(archive.objects, { at, onFinding, signal })) {
      for (const { instances } of document.series) for (const { id } of instances) documented.add(id);
      await giveWay();
    }
    return documented;
  }

  fail(error: unknown): void {
    this.#phase = 'failed';
    this.#reason = isMirrorError(error) ? error.message : 'an internal error';
  }

  /** A study of which everything was removed has a sidecar as before: its instances tell. */
  async #leaveOutRemoved(removed: readonly InstanceId[]): Promise<void> {
    const { archive, list, readTags, readContent, giveWay, signal } = this.#options;
    const done = new Set<InstanceId>();
    await inParallel(removed, width, async (id) => {
      if (done.has(id)) return;
      await giveWay();
      const version = newestOf((await archive.history.of(id, { signal })).versions);
      const study = version && (await tagsOf(version, readTags))?.study;
      const content = study === undefined ? undefined : await readContent(study);
      for (const one of content?.absent ?? []) done.add(one);
      if (content?.instances.length === 0) list.remove(content.id);
    });
  }
}

/** Instances come in the order of their ids: what is kept of them is kept in parts by their first two digits. */
class UnlistedPart {
  readonly #options: SurveyOptions;
  #digits: string | undefined;
  #kept: ReadonlyMap<string, InstanceTags> = new Map();
  #files: ArchivedFile[] = [];

  constructor(options: SurveyOptions) {
    this.#options = options;
  }

  async add(file: ArchivedFile): Promise<void> {
    const digits = file.id.slice(0, 2);
    if (digits !== this.#digits) {
      await this.end();
      this.#digits = digits;
      this.#kept = await readKeptTags(this.#options.archive.objects, `unlisted/${digits}`, this.#options);
    }
    this.#files.push(file);
  }

  async end(): Promise<void> {
    const { archive, readTags, unlisted, list, forget, giveWay, signal } = this.#options;
    const tags = new Map<string, InstanceTags>();
    let isNew = false;
    await inParallel(this.#files, width, async (file) => {
      await giveWay();
      const kept = this.#kept.get(nameOf(file));
      const found = kept ?? (await tagsOf(file, readTags));
      isNew ||= kept === undefined && found !== undefined;
      if (found !== undefined) tags.set(nameOf(file), found);
    });
    for (const file of this.#files) {
      const found = tags.get(nameOf(file));
      const entry = found && unlisted.add(file, found);
      if (entry === undefined) continue;
      forget(entry.study);
      if (list.get(entry.study)?.key === undefined) list.put(entry);
    }
    this.#files = [];
    if (isNew && this.#digits !== undefined) {
      await keepTags(archive.objects, `unlisted/${this.#digits}`, tags, { signal });
    }
  }
}

async function tagsOf(file: ArchivedFile, readTags: SurveyOptions['readTags']): Promise<InstanceTags | undefined> {
  try {
    return await readTags(file);
  } catch (error) {
    if (isMirrorError(error, 'not-dicom', 'vanished')) return undefined;
    throw error;
  }
}
