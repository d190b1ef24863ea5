/** Study and patient documents in an archive: written when the content changed, read back as they were. */
import type { z } from 'zod';
import type { OrthancId } from '../identifiers.ts';
import { documentBytes, readDocument } from '../stores/archive/json-document.ts';
import { attachmentKey, parseKey, patientFolder, patientKey, studyFolder, studyKey } from '../stores/archive/keys.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import type { CallOptions } from '../stores/store.ts';
import { type AttachmentPlace, attachmentsIn, type OpenAttachment } from './attachment-source.ts';
import { canonical, contentHash } from './canonical-json.ts';
import { saysTheSame } from './own-times.ts';
import {
  type PatientDocument,
  patientDocumentSchema,
  type StudyDocument,
  studyDocumentSchema,
} from './study-document.ts';

/** A document in an archive. */
export interface ArchivedDocument<Document> {
  readonly key: string;
  /** When it was archived. */
  readonly at: Date;
  readonly document: Document;
}

export interface ReadArchivedOptions extends CallOptions {
  /** Read the newest that is not later than this time. */
  readonly notAfter?: Date | undefined;
}

export interface ArchiveOptions extends CallOptions {
  /** Where the bytes of the document's attachments are read if the archive lacks them. */
  readonly attachments: OpenAttachment;
  readonly now?: (() => Date) | undefined;
}

/** What the archive did with a document: `written` is `false` if it held this very content as the newest. */
export interface ArchivedOutcome {
  readonly key: string;
  readonly written: boolean;
}

/** Reads the newest document of a study. Throws `archive-format` if it is damaged, and what the storage throws. */
export function readArchivedStudy(
  objects: ObjectStorage,
  id: OrthancId,
  options?: ReadArchivedOptions,
): Promise<ArchivedDocument<StudyDocument> | undefined> {
  return readNewest(objects, studyFolder(id), studyDocumentSchema, options);
}

/** Reads the newest document of a patient. Errors as in {@link readArchivedStudy}. */
export function readArchivedPatient(
  objects: ObjectStorage,
  id: OrthancId,
  options?: ReadArchivedOptions,
): Promise<ArchivedDocument<PatientDocument> | undefined> {
  return readNewest(objects, patientFolder(id), patientDocumentSchema, options);
}

/**
 * Writes a document and the bytes of its attachments, these first, if its content differs from that of the newest by
 * more than Orthanc's own times.
 * Nothing is overwritten. Throws `hash-mismatch` if an attachment changed since the document was read (read it again),
 * and what the storage and the source of the attachments throw.
 */
export async function archiveDocument(
  objects: ObjectStorage,
  document: StudyDocument | PatientDocument,
  options: ArchiveOptions,
): Promise<ArchivedOutcome> {
  const { signal } = options;
  const newest =
    document.format === 'orthanc-mirror-study'
      ? await readArchivedStudy(objects, document.id, { signal })
      : await readArchivedPatient(objects, document.id, { signal });
  if (newest !== undefined && saysTheSame(newest.document, document)) return { key: newest.key, written: false };
  await archiveAttachments(objects, document, options, newest?.document);
  const at = laterThan(newest?.at, options.now?.() ?? new Date());
  const keyOf = document.format === 'orthanc-mirror-study' ? studyKey : patientKey;
  const key = keyOf(document.id, at, contentHash(document).slice(0, 8));
  const bytes = documentBytes(canonical(document));
  await objects.putOnce(key, bytes, { sizeBytes: bytes.length, contentType: 'application/json', signal });
  return { key, written: true };
}

/**
 * Writes the bytes of a document's attachments that the archive lacks; those of `archived`, which is in the archive, are
 * not asked for. Errors as in {@link archiveDocument}.
 */
export async function archiveAttachments(
  objects: ObjectStorage,
  document: StudyDocument | PatientDocument,
  options: Pick<ArchiveOptions, 'attachments' | 'signal'>,
  archived?: StudyDocument | PatientDocument,
): Promise<void> {
  const held = new Set(archived === undefined ? [] : attachmentsIn(archived).map(keyOfAttachment));
  for (const place of attachmentsIn(document)) {
    if (!held.has(keyOfAttachment(place))) await archiveAttachment(objects, place, options);
  }
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

function keyOfAttachment({ level, id, number, md5 }: AttachmentPlace): string {
  return attachmentKey(level, id, number, md5);
}

/** The order of the keys is the order in time, also when a clock was set back. */
function laterThan(before: Date | undefined, now: Date): Date {
  return before !== undefined && before >= now ? new Date(before.getTime() + 1) : now;
}

async function readNewest<Document>(
  objects: ObjectStorage,
  folder: string,
  schema: z.ZodType<Document>,
  { notAfter, signal }: ReadArchivedOptions = {},
): Promise<ArchivedDocument<Document> | undefined> {
  let newest: { readonly key: string; readonly at: Date } | undefined;
  for await (const { key } of objects.list(folder, { signal })) {
    const parsed = parseKey(key);
    if (parsed?.kind !== 'study' && parsed?.kind !== 'patient') continue;
    if (notAfter !== undefined && parsed.at > notAfter) break;
    newest = { key, at: parsed.at };
  }
  if (newest === undefined) return undefined;
  const found = await readDocument(objects, newest.key, schema, { signal });
  return found && { ...newest, document: found.value };
}
