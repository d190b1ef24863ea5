/** The two kinds of places that documents are restored to. */
import { md5Of, type OrthancId } from '../identifiers.ts';
import { documentBytes } from '../stores/archive/json-document.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import type { CallOptions } from '../stores/store.ts';
import { applyPatientDocument, applyStudyDocument } from '../studies/apply-document.ts';
import { attachmentsIn, attachmentsOfArchive } from '../studies/attachment-source.ts';
import { canonical } from '../studies/canonical-json.ts';
import type { Limitations } from '../studies/limitations.ts';
import type { PatientDocument, StudyDocument } from '../studies/study-document.ts';
import type { StudyServer } from '../studies/study-server.ts';
import type { DocumentTarget } from './restore-documents.ts';
import { restoredAttachmentKey, restoredPatientKey, restoredStudyKey, studyFolderOf } from './restored-keys.ts';

/** A server. Labels, metadata and attachments that it has and the document has not are removed there. */
export function documentsOnServer(
  server: StudyServer,
  archive: ObjectStorage,
  limitations: Limitations,
): DocumentTarget {
  const attachments = attachmentsOfArchive(archive);
  return {
    async applyStudy(document, { signal }) {
      const all = document.series.reduce((sum, { instances }) => sum + instances.length, 0);
      const applied = await applyStudyDocument(document, server, { attachments, limitations, signal });
      return applied.pendingInstances === all ? undefined : applied.changes;
    },
    async applyPatient(document, { signal }) {
      return (await applyPatientDocument(document, server, { attachments, limitations, signal })).changes;
    },
  };
}

/**
 * A folder. A document of another state is replaced.
 * @param holds whether the folder holds instances of a study
 */
export function documentsInFolder(
  folder: ObjectStorage,
  archive: ObjectStorage,
  holds: (study: OrthancId) => boolean,
): DocumentTarget {
  return {
    async applyStudy(document, options) {
      if (!holds(document.id)) return undefined;
      const place = { patient: document.patientId, study: document.id };
      const attachments = await writeAttachments(folder, archive, studyFolderOf(place), document, options);
      return attachments + (await writeDocument(folder, restoredStudyKey(place), document, options));
    },
    async applyPatient(document, options) {
      const attachments = await writeAttachments(folder, archive, `${document.id}/`, document, options);
      return attachments + (await writeDocument(folder, restoredPatientKey(document.id), document, options));
    },
  };
}

/** @returns how many documents were written: one, or none if this very document lay there. */
async function writeDocument(
  folder: ObjectStorage,
  key: string,
  document: StudyDocument | PatientDocument,
  options: CallOptions,
): Promise<number> {
  return (await replace(folder, key, documentBytes(canonical(document)), options)) ? 1 : 0;
}

async function writeAttachments(
  folder: ObjectStorage,
  archive: ObjectStorage,
  under: string,
  document: StudyDocument | PatientDocument,
  options: CallOptions,
): Promise<number> {
  const open = attachmentsOfArchive(archive);
  let written = 0;
  for (const place of attachmentsIn(document)) {
    const key = restoredAttachmentKey(under, place);
    const opened = await open(place, options);
    try {
      const { sizeBytes, md5 } = place;
      if ((await folder.putOnce(key, opened.body, { sizeBytes, md5, signal: options.signal })) === 'created') {
        written += 1;
      }
    } finally {
      opened.cancel();
    }
  }
  return written;
}

/** Puts bytes in the place of whatever lies under a key. @returns whether anything was written. */
async function replace(folder: ObjectStorage, key: string, bytes: Uint8Array, options: CallOptions): Promise<boolean> {
  for (;;) {
    const present = await folder.get(key, options);
    const held = present && Buffer.concat(await Array.fromAsync(present.body));
    if (held !== undefined && md5Of(held) === md5Of(bytes)) return false;
    const outcome = await folder.replaceIf(key, bytes, present?.etag ?? null, options);
    if (outcome !== 'changed') return true;
  }
}
