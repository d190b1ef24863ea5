/** Sidecars of studies and patients in an archive: written when the content changed, read back as they were. */

import type { CallOptions } from '../call-options.ts';
import type { InstanceId, Md5, OrthancId } from '../identifiers.ts';
import { documentBytes } from '../stores/archive/json-document.ts';
import { attachmentKey, instanceFolder, instanceKey } from '../stores/archive/keys.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import { inParallel } from '../streams/in-parallel.ts';
import { type AttachmentPlace, attachmentsIn, type OpenAttachment } from './attachment-source.ts';
import { canonical } from './canonical-json.ts';
import { saysTheSame } from './own-times.ts';
import { type InstanceRecord, instancesOf, type StudySidecar } from './sidecar.ts';
import {
  levelOf,
  listSidecarStates,
  type ReadSidecar,
  readNewest,
  type Sidecar,
  type SidecarLevel,
  type SidecarOptions,
  sidecarKey,
} from './sidecar-state.ts';

export interface ReadArchivedOptions extends SidecarOptions {
  /** Read the newest that is not later than this time. */
  readonly notAfter?: Date | undefined;
}

/** Tells, without a request, whether an archive is known to hold a version of an instance. */
export type KnownArchived = (id: InstanceId, md5: Md5) => boolean;

export interface ArchiveOptions extends SidecarOptions {
  /** Where the bytes of the document's attachments are read if the archive lacks them. */
  readonly attachments: OpenAttachment;
  /** Absent: the archive is asked for every instance that the sidecar before does not tell of. */
  readonly knownArchived?: KnownArchived | undefined;
  readonly now?: (() => Date) | undefined;
}

/** What the archive did with a document: `written` is `false` if it held this very content as the newest. */
export interface ArchivedOutcome {
  readonly key: string;
  readonly written: boolean;
}

/** Requests at a time to an archive for one document. */
const requestsAtOnce = 8;

/** Reads the newest document of a study that can be read. Throws what the storage throws. */
export function readArchivedStudy(
  objects: ObjectStorage,
  id: OrthancId,
  options: ReadArchivedOptions,
): Promise<ReadSidecar<'studies'> | undefined> {
  return readArchived(objects, 'studies', id, options);
}

/** Reads the newest document of a patient that can be read. Errors as in {@link readArchivedStudy}. */
export function readArchivedPatient(
  objects: ObjectStorage,
  id: OrthancId,
  options: ReadArchivedOptions,
): Promise<ReadSidecar<'patients'> | undefined> {
  return readArchived(objects, 'patients', id, options);
}

async function readArchived<Level extends SidecarLevel>(
  objects: ObjectStorage,
  level: Level,
  id: OrthancId,
  { notAfter, ...options }: ReadArchivedOptions,
): Promise<ReadSidecar<Level> | undefined> {
  const states = await Array.fromAsync(listSidecarStates(objects, level, { ...options, id }));
  return readNewest(
    objects,
    states.filter(({ at }) => notAfter === undefined || at <= notAfter),
    options,
  );
}

/**
 * Writes a document and the bytes of its attachments, these first, if its content differs from that of the newest by more
 * than Orthanc's own times, or if the newest cannot be read. Nothing is overwritten. Throws `hash-mismatch` if an
 * attachment changed since the document was read (read it again), and what the storage and the source of the attachments
 * throw.
 */
export async function archiveSidecar(
  objects: ObjectStorage,
  document: Sidecar,
  options: ArchiveOptions,
): Promise<ArchivedOutcome> {
  const { id } = document;
  const { onFinding, signal } = options;
  const states = await Array.fromAsync(listSidecarStates(objects, levelOf(document), { id, onFinding, signal }));
  const before = await readNewest(objects, states, { onFinding, signal });
  const wanted = await withPending(objects, document, before?.document, options);
  if (before?.isNewest === true && saysTheSame(before.document, wanted)) return { key: before.key, written: false };
  await archiveAttachments(objects, wanted, options, before?.document);
  const bytes = documentBytes(canonical(wanted));
  const key = sidecarKey(wanted, laterThan(states.at(-1)?.at, options.now?.() ?? new Date()), bytes);
  await objects.putOnce(key, bytes, { sizeBytes: bytes.length, contentType: 'application/json', signal });
  return { key, written: true };
}

/**
 * Writes the bytes of a document's attachments that the archive lacks; those of `archived`, which is in the archive, are
 * not asked for. Errors as in {@link archiveSidecar}.
 */
export async function archiveAttachments(
  objects: ObjectStorage,
  document: Sidecar,
  options: Pick<ArchiveOptions, 'attachments' | 'signal'>,
  archived?: Sidecar,
): Promise<void> {
  const held = new Set(archived === undefined ? [] : attachmentsIn(archived).map(keyOfAttachment));
  const lacking = attachmentsIn(document).filter((place) => !held.has(keyOfAttachment(place)));
  await inParallel(lacking, requestsAtOnce, (place) => archiveAttachment(objects, place, options));
}

async function archiveAttachment(
  objects: ObjectStorage,
  place: AttachmentPlace,
  { attachments, signal }: Pick<ArchiveOptions, 'attachments' | 'signal'>,
): Promise<void> {
  const key = keyOfAttachment(place);
  if ((await objects.head(key, { signal })) !== undefined) return;
  const opened = await attachments(place, { signal });
  try {
    await objects.putOnce(key, opened.body, { sizeBytes: place.sizeBytes, md5: place.md5, signal });
  } finally {
    opened.cancel();
  }
}

/** Key of the bytes of an attachment. */
export function keyOfAttachment({ level, id, number, md5 }: Omit<AttachmentPlace, 'sizeBytes'>): string {
  return attachmentKey(level, id, number, md5);
}

/**
 * Marks the instances that the archive does not hold yet. What the sidecar before says it held is not asked for again:
 * an archive deletes nothing.
 */
export async function withPending<Document extends Sidecar>(
  objects: ObjectStorage,
  document: Document,
  before: Sidecar | undefined,
  { knownArchived, signal }: Pick<ArchiveOptions, 'knownArchived' | 'signal'>,
): Promise<Document | StudySidecar> {
  if (document.format !== 'orthanc-mirror-study') return document;
  const told = new Map(
    before?.format === 'orthanc-mirror-study'
      ? instancesOf(before).map((instance) => [instance.id, instance.pending ? undefined : instance.md5])
      : [],
  );
  const unknown = instancesOf(document).filter(
    ({ id, md5 }) => told.get(id) !== md5 && !(md5 !== null && knownArchived?.(id, md5)),
  );
  const absent = await inParallel(unknown, requestsAtOnce, async (instance) =>
    (await isArchived(objects, instance, { signal })) ? [] : [instance.id],
  );
  const pending = new Set(absent.flat());
  return {
    ...document,
    series: document.series.map((series) => ({
      ...series,
      instances: series.instances.map((instance) => ({
        ...instance,
        pending: pending.has(instance.id) ? true : undefined,
      })),
    })),
  };
}

/** @returns whether an archive holds an instance as a sidecar names it; without a hash, any version of it. */
export async function isArchived(
  objects: ObjectStorage,
  { id, md5 }: Pick<InstanceRecord, 'id' | 'md5'>,
  options: CallOptions,
): Promise<boolean> {
  if (md5 !== null) return (await objects.head(instanceKey(id, md5), options)) !== undefined;
  for await (const _ of objects.list(instanceFolder(id), options)) return true;
  return false;
}

/** The order of the keys is the order in time, also when a clock was set back. */
function laterThan(before: Date | undefined, now: Date): Date {
  return before !== undefined && before >= now ? new Date(before.getTime() + 1) : now;
}
