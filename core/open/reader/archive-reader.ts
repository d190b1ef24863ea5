/**
 * An archive as it was at a moment, for reading by people and programs: its studies, what is in them, headers, bytes.
 * Everything that is asked for again is kept in memory within bounds.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { StudyEntry } from '../../archive-life/catalogue/study-entry.ts';
import { ArchiveView } from '../../archive-life/restore/archive-view.ts';
import type { CallOptions } from '../../call-options.ts';
import type { DicomDataSet } from '../../dicom/data-set.ts';
import { isMirrorError, MirrorError } from '../../errors.ts';
import type { InstanceId, OrthancId } from '../../identifiers.ts';
import { readArchivedPatient } from '../../sidecars/archive-sidecar.ts';
import { type ReadSidecar, SidecarFindings } from '../../sidecars/sidecar-state.ts';
import type { Archive } from '../../stores/archive/archive.ts';
import type { ListedRecords } from '../../stores/archive/archive-history.ts';
import { instanceKey } from '../../stores/archive/keys.ts';
import type { InventoryOptions, OpenInstance } from '../../stores/store.ts';
import { provenChunks } from '../../streams/proven-chunks.ts';
import { type ArchivedFile, openRange, readFileHeader } from './archived-file.ts';
import { type Frame, locateFrames } from './frames.ts';
import { type InstanceTags, instanceTagsOf } from './instance-tags.ts';
import { keepTags, partOfStudy, type TagsByFile } from './kept-tags.ts';
import { RightOfWay } from './right-of-way.ts';
import { readStudyContent, type StudyContent, type StudyInstance } from './study-content.ts';
import { StudyList } from './study-list.ts';
import { type SurveyProgress, survey } from './survey.ts';
import { UnlistedStudies } from './unlisted-studies.ts';
import { WeightedCache } from './weighted-cache.ts';

export interface ReaderOptions {
  /** The moment; absent: now, and what comes is seen as it comes. */
  readonly at?: Date | undefined;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
  /** Whether whole files are given by an address of the storage, where it has such, instead of through us. */
  readonly filesByAddress?: boolean;
}

const addressSeconds = 300;
const mostHeaderBytes = 40 << 20;
const mostFrames = 100_000;
const mostContentBytes = 32 << 20;
/** An instance in the content of a study, in memory: mostly its tags. */
const instanceBytes = 4 << 10;
/** Of a study of now: an archive may be written to while it is read. */
const freshMs = 30_000;

interface KeptContent {
  readonly content: StudyContent | undefined;
  readonly readAtMs: number;
}

export class ArchiveReader {
  readonly archive: Archive;
  readonly at: Date | undefined;
  readonly #view: ArchiveView;
  readonly #list = new StudyList();
  readonly #unlisted = new UnlistedStudies();
  readonly #headers = new WeightedCache<string, DicomDataSet>(mostHeaderBytes);
  readonly #frames = new WeightedCache<string, readonly Frame[]>(mostFrames);
  readonly #contents = new WeightedCache<OrthancId, KeptContent>(mostContentBytes);
  readonly #reading = new Map<OrthancId, Promise<StudyContent | undefined>>();
  readonly #studyOfSeries = new WeightedCache<OrthancId, OrthancId>(100_000);
  readonly #stopping = new AbortController();
  readonly #nowMs: () => number;
  readonly #filesByAddress: boolean;
  readonly #findings = new SidecarFindings();
  readonly #rightOfWay = new RightOfWay();
  #hasManyRecords = false;
  #keeping: Promise<void> = Promise.resolve();
  readonly #survey: ReturnType<typeof survey>;

  /** Begins to look through the archive at once; what it found so far is answered meanwhile. */
  constructor(archive: Archive, options: ReaderOptions = {}) {
    const { at, now = () => performance.now(), filesByAddress = false } = options;
    this.archive = archive;
    this.at = at;
    this.#nowMs = now;
    this.#filesByAddress = filesByAddress;
    this.#view = new ArchiveView(archive, { at });
    this.#survey = survey({
      archive,
      at,
      list: this.#list,
      unlisted: this.#unlisted,
      readTags: (file) => this.#readTags(file),
      readContent: (id) => this.#study(id),
      onFinding: this.#findings.note,
      damagedSidecars: () => this.#findings.count('sidecar-damaged'),
      giveWay: () => this.#rightOfWay.given(),
      forget: (id) => this.#contents.delete(id),
      signal: this.#stopping.signal,
    });
  }

  get name(): string {
    return this.archive.name;
  }

  get progress(): SurveyProgress {
    return this.#survey.progress;
  }

  /** Stops looking through the archive, which stays open: it belongs to the caller. */
  async close(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([this.#survey.ended, this.#keeping]);
  }

  /** Resolves when there is a list of studies to show: the one that was kept, or a new one. */
  listed(): Promise<void> {
    return this.#survey.listed;
  }

  /** Resolves when the whole archive was looked through. Throws what kept it from that. */
  surveyed(): Promise<void> {
    return this.#survey.surveyed;
  }

  /** The studies, the newest first. While the archive is looked through, those that are known so far. */
  async studies(): Promise<readonly StudyEntry[]> {
    await this.listed();
    return this.#list.sorted();
  }

  /** What is known of {@link studies}, to be shown while more may come; waits for a time if it is nothing yet. */
  async studiesSoFar(withinMs: number): Promise<readonly StudyEntry[]> {
    await this.#survey.begun;
    if (this.#list.size === 0) await Promise.race([this.listed(), delay(withinMs, undefined, { ref: false })]);
    return this.#list.sorted();
  }

  /** The entry of a study; `undefined` if there was none at the moment. */
  async entry(id: OrthancId): Promise<StudyEntry | undefined> {
    await this.#listedUntil(() => this.#list.get(id) !== undefined);
    return this.#list.get(id);
  }

  /** The studies of a StudyInstanceUID: none, one, or several where patients share it. */
  async studiesOf(studyInstanceUid: string): Promise<readonly StudyContent[]> {
    await this.listed();
    await this.#listedUntil(() => this.#list.idsOf(studyInstanceUid).length > 0);
    return this.studiesSoFarOf(studyInstanceUid);
  }

  /** Those of {@link studiesOf} that are known already, without waiting for others. */
  async studiesSoFarOf(studyInstanceUid: string): Promise<readonly StudyContent[]> {
    const contents = await Promise.all(this.#list.idsOf(studyInstanceUid).map((id) => this.study(id)));
    return contents.filter((content) => content !== undefined).filter(({ instances }) => instances.length > 0);
  }

  /** What was in a study; `undefined` if the archive knows no such study. It may have no instance any more. */
  study(id: OrthancId): Promise<StudyContent | undefined> {
    return this.#rightOfWay.first(() => this.#study(id));
  }

  async #study(id: OrthancId): Promise<StudyContent | undefined> {
    const kept = this.#contents.get(id);
    if (kept !== undefined && (this.at !== undefined || this.#nowMs() - kept.readAtMs < freshMs)) return kept.content;
    const reading = this.#reading.get(id) ?? this.#readContent(id).finally(() => this.#reading.delete(id));
    this.#reading.set(id, reading);
    return reading;
  }

  /** The sidecar of a patient. */
  patient(id: OrthancId): Promise<ReadSidecar<'patients'> | undefined> {
    const options = { notAfter: this.at, onFinding: this.#findings.note, signal: this.#stopping.signal };
    return readArchivedPatient(this.archive.objects, id, options);
  }

  /** The file of an instance, and which study it says it is of, without a look at that study. */
  async file(
    id: InstanceId,
    options: CallOptions = {},
  ): Promise<{ readonly file: ArchivedFile; readonly study: OrthancId | undefined } | undefined> {
    const [entry] = await this.#view.lookup(id, options);
    if (entry?.md5 === undefined || entry.sizeBytes === undefined) return undefined;
    const file = { id, md5: entry.md5, sizeBytes: entry.sizeBytes };
    return { file, study: (await this.#readTags(file).catch(noneUnlessFailed))?.study };
  }

  /** One instance with its study, by its Orthanc id. */
  async instance(id: InstanceId, options: CallOptions = {}): Promise<StudyInstance | undefined> {
    const located = await this.file(id, options);
    if (located?.study === undefined) return undefined;
    const { file } = located;
    const content = await this.study(located.study);
    const found = content?.instances.find((instance) => instance.id === id);
    if (found !== undefined) return found;
    // It came after the archive was looked through, or its sidecar is older than it.
    const tags = await this.#readTags(file);
    if (tags.study === undefined) return undefined;
    const listed = this.#unlisted.add(file, tags);
    if (listed !== undefined && this.#list.get(tags.study) === undefined) this.#list.put(listed);
    this.#contents.delete(tags.study);
    return (await this.study(tags.study))?.instances.find((instance) => instance.id === id);
  }

  /** The study of a series, by its Orthanc id. Where nothing tells it, one study after the other is looked at. */
  async studyOfSeries(series: OrthancId): Promise<StudyContent | undefined> {
    const known = this.#studyOfSeries.get(series);
    if (known !== undefined) return this.study(known);
    await this.#survey.compared;
    for (const { study } of this.#list.sorted()) {
      const content = await this.study(study);
      if (content?.instances.some((instance) => instance.series === series)) return content;
    }
    return undefined;
  }

  /** The header of a file. Throws `not-dicom`, `vanished`, and what the storage throws. */
  async header(file: ArchivedFile, options: CallOptions = {}): Promise<DicomDataSet> {
    const name = `${file.id}/${file.md5}`;
    const kept = this.#headers.get(name);
    if (kept !== undefined) return kept;
    const header = await readFileHeader(this.archive.objects, file, options);
    this.#headers.set(name, header, header.heldBytes);
    return header;
  }

  /** Where the frames of an instance lie. Throws `refused` if it has none, or does not tell them apart. */
  frames(file: ArchivedFile, options: CallOptions = {}): Promise<readonly Frame[]> {
    return this.#rightOfWay.first(() => this.#locateFrames(file, options));
  }

  async #locateFrames(file: ArchivedFile, options: CallOptions): Promise<readonly Frame[]> {
    const name = `${file.id}/${file.md5}`;
    const kept = this.#frames.get(name);
    if (kept !== undefined) return kept;
    const frames = await locateFrames(this, file, await this.header(file, options), options);
    this.#frames.set(name, frames, frames.length);
    return frames;
  }

  /** Opens the bytes of an instance; ends normally only if they have the MD5 under which they were archived. */
  async open({ id, md5 }: ArchivedFile, options: CallOptions = {}): Promise<OpenInstance> {
    const opened = await this.#rightOfWay.first(() => this.archive.open(id, { md5, ...options }));
    const what = `instance ${id} from ${this.name} does not have the MD5 ${md5} any more`;
    return { ...opened, body: provenChunks(opened.body, { md5 }, () => new MirrorError('hash-wrong', what)) };
  }

  /** The address at which a whole file is fetched instead, for some minutes; `undefined` if it is to be opened here. */
  async addressOf({ id, md5 }: ArchivedFile): Promise<string | undefined> {
    return this.#filesByAddress ? this.archive.objects.addressFor?.(instanceKey(id, md5), addressSeconds) : undefined;
  }

  /** Opens a part of the bytes of an instance, which nothing can prove. */
  range(file: ArchivedFile, position: number, lengthBytes: number, options: CallOptions = {}) {
    return this.#rightOfWay.first(() => openRange(this.archive.objects, file, position, lengthBytes, options));
  }

  /** Every instance that was there at the moment, in order of id. */
  inventory(options: InventoryOptions = {}) {
    return this.#view.inventory(options);
  }

  async #readContent(id: OrthancId): Promise<StudyContent | undefined> {
    const content = await readStudyContent(id, {
      objects: this.archive.objects,
      view: this.#view,
      at: this.at,
      unlisted: this.#unlisted.filesOf(id),
      listRecords: () => this.#listRecords(),
      readTags: (file) => this.#readTags(file),
      onFinding: this.#findings.note,
      keepTags: (tags) => this.#keepTags(partOfStudy(id), tags),
      signal: this.#stopping.signal,
    });
    const weight = (content?.instances.length ?? 0) * instanceBytes;
    this.#contents.set(id, { content, readAtMs: this.#nowMs() }, weight);
    for (const { series } of content?.instances ?? []) this.#studyOfSeries.set(series, id, 1);
    return content;
  }

  /** Waits for what is kept, and then for the whole listing, unless it is known before. */
  async #listedUntil(isKnown: () => boolean): Promise<void> {
    if (!isKnown()) await this.listed();
    if (!isKnown()) await this.#survey.compared;
  }

  /** Of many, each study asks for its own; that they become few again is not hoped for. */
  async #listRecords(): Promise<ListedRecords | undefined> {
    if (this.#hasManyRecords) return undefined;
    const records = await this.archive.history.listIfFew({ signal: this.#stopping.signal });
    this.#hasManyRecords = records === undefined;
    return records;
  }

  /** Behind the back of whoever asked: what cannot be kept is read again the next time. */
  #keepTags(part: string, tags: TagsByFile): void {
    this.#keeping = this.#keeping
      .then(() => keepTags(this.archive.objects, part, tags, { signal: this.#stopping.signal }))
      .catch(() => undefined);
  }

  async #readTags(file: ArchivedFile): Promise<InstanceTags> {
    return instanceTagsOf(await this.header(file, { signal: this.#stopping.signal }));
  }
}

function noneUnlessFailed(error: unknown): undefined {
  if (!isMirrorError(error, 'not-dicom')) throw error;
}
