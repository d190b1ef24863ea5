/** One study as it was at the moment: what the archive holds of it, and what its sidecar says. */

import type { ArchiveView } from '../../archive-life/restore/archive-view.ts';
import { isMirrorError } from '../../errors.ts';
import type { InstanceId, OrthancId } from '../../identifiers.ts';
import { readArchivedStudy } from '../../sidecars/archive-sidecar.ts';
import type { InstanceRecord, StudySidecar } from '../../sidecars/sidecar.ts';
import type { ReadSidecar, SidecarOptions } from '../../sidecars/sidecar-state.ts';
import type { ListedRecords } from '../../stores/archive/archive-history.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import { inParallel } from '../../streams/in-parallel.ts';
import type { ArchivedFile } from './archived-file.ts';
import type { InstanceTags } from './instance-tags.ts';
import { nameOf, partOfStudy, readKeptTags, type TagsByFile } from './kept-tags.ts';
import { textOf } from './tag-text.ts';

/** An instance of a study: the version that counts at the moment. */
export interface StudyInstance extends ArchivedFile {
  readonly study: OrthancId;
  readonly series: OrthancId;
  readonly tags: InstanceTags;
  /** What the sidecar says of it. */
  readonly record: InstanceRecord | undefined;
}

export interface StudyContent {
  readonly id: OrthancId;
  readonly patient: OrthancId;
  readonly sidecar: ReadSidecar<'studies'> | undefined;
  /** In the order of series and instance number. */
  readonly instances: readonly StudyInstance[];
  /** Instances that the sidecar lists and the archive did not hold at the moment. */
  readonly absent: readonly InstanceId[];
}

export interface ReadContentOptions extends SidecarOptions {
  readonly objects: ObjectStorage;
  readonly view: ArchiveView;
  readonly at: Date | undefined;
  /** Instances that are known to be of the study although no sidecar lists them. */
  readonly unlisted: readonly ArchivedFile[];
  /** All records of the archive's history, if they are few. */
  readonly listRecords: () => Promise<ListedRecords | undefined>;
  /** Reads the tags of a file from its header. Throws `not-dicom` if it has none. */
  readonly readTags: (file: ArchivedFile) => Promise<InstanceTags>;
  /** Called with all tags of the study if some of them had to be read. */
  readonly keepTags: (tags: TagsByFile) => void;
}

/** Requests at once. */
const width = 48;

/** Reads a study. @returns `undefined` if nothing of it was there at the moment. */
export async function readStudyContent(id: OrthancId, options: ReadContentOptions): Promise<StudyContent | undefined> {
  const { objects, at, unlisted, listRecords, keepTags, onFinding, signal } = options;
  const [sidecar, kept, records] = await Promise.all([
    readArchivedStudy(objects, id, { notAfter: at, onFinding, signal }),
    readKeptTags(objects, partOfStudy(id), { signal }),
    listRecords(),
  ]);
  const listed = listedInstances(sidecar?.document);
  const ids = new Set([...listed.keys(), ...unlisted.map((file) => file.id)]);
  const found = await inParallel([...ids], width, async (instance) => {
    const file = await readInstance(instance, listed.get(instance)?.record, { ...options, kept, records });
    return file ?? instance;
  });
  const files = found.filter((file) => typeof file !== 'string');
  if (files.some((file) => !kept.has(nameOf(file)))) {
    keepTags(new Map([...kept, ...files.map((file) => [nameOf(file), file.tags] as const)]));
  }
  const instances = files.map((file) => instanceOf(id, file, listed.get(file.id)));
  const patient = sidecar?.document.patientId ?? instances[0]?.tags.patient;
  if (patient === undefined) return undefined;
  const absent = found.filter((file) => typeof file === 'string');
  return { id, patient, sidecar, instances: instances.sort(inOrder), absent };
}

/** @returns the version that counts with its tags; `undefined` if the archive did not hold the instance. */
async function readInstance(
  id: InstanceId,
  record: InstanceRecord | undefined,
  {
    view,
    kept,
    records,
    readTags,
    signal,
  }: ReadContentOptions & { readonly kept: TagsByFile; readonly records: ListedRecords | undefined },
): Promise<ReadInstance | undefined> {
  const tagsOf = (file: ArchivedFile) => kept.get(nameOf(file)) ?? tagsOrNone(file, readTags);
  // Most often the version that counts is the one that the sidecar names: its header is read while that is being asked.
  const expected = expectedFile(id, record);
  const early = expected && Promise.resolve(tagsOf(expected)).catch(() => undefined);
  const [entry] = await view.lookup(id, { signal, records });
  if (entry?.md5 === undefined || entry.sizeBytes === undefined) return undefined;
  const file = { id, md5: entry.md5, sizeBytes: entry.sizeBytes };
  const isExpected = file.md5 === expected?.md5 && file.sizeBytes === expected.sizeBytes;
  return { ...file, tags: (isExpected ? await early : undefined) ?? (await tagsOf(file)) };
}

function expectedFile(id: InstanceId, record: InstanceRecord | undefined): ArchivedFile | undefined {
  const { md5, sizeBytes } = record ?? {};
  return md5 == null || sizeBytes == null ? undefined : { id, md5, sizeBytes };
}

interface ReadInstance extends ArchivedFile {
  readonly tags: InstanceTags;
}

interface ListedInstance {
  readonly series: OrthancId;
  readonly record: InstanceRecord;
}

function listedInstances(document: StudySidecar | undefined): ReadonlyMap<InstanceId, ListedInstance> {
  const entries = document?.series.flatMap(({ id, instances }) =>
    instances.map((record) => [record.id, { series: id, record }] as const),
  );
  return new Map(entries);
}

function instanceOf(study: OrthancId, file: ReadInstance, listed: ListedInstance | undefined): StudyInstance {
  return { ...file, study, series: listed?.series ?? file.tags.series ?? study, record: listed?.record };
}

/** A file that is damaged is listed and can be fetched; its header tells nothing. */
const unreadable: InstanceTags = { hasPixelData: false, tags: {} };

async function tagsOrNone(file: ArchivedFile, readTags: ReadContentOptions['readTags']): Promise<InstanceTags> {
  try {
    return await readTags(file);
  } catch (error) {
    if (isMirrorError(error, 'not-dicom')) return unreadable;
    throw error;
  }
}

function inOrder(a: StudyInstance, b: StudyInstance): number {
  return (
    numberOf(a, 'SeriesNumber') - numberOf(b, 'SeriesNumber') ||
    compare(a.series, b.series) ||
    numberOf(a, 'InstanceNumber') - numberOf(b, 'InstanceNumber') ||
    compare(a.id, b.id)
  );
}

function numberOf({ tags }: StudyInstance, keyword: string): number {
  const number = Number(textOf(tags.tags, keyword) ?? Number.NaN);
  return Number.isNaN(number) ? Number.MAX_SAFE_INTEGER : number;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
