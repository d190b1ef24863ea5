/** Brings labels, user metadata, attachments and protections from the index of a storage to server and archive. */
import { createHash } from 'node:crypto';
import { isMirrorError, MirrorError } from '../errors.ts';
import { isMd5, type Md5, type OrthancId } from '../identifiers.ts';
import type { IndexedFile } from '../orthanc-disk/index/index-reader.ts';
import type { StorageIndex } from '../orthanc-disk/index/storage-index.ts';
import type { MasterKeys } from '../orthanc-disk/object-encryption.ts';
import { addToPatient, addToStudy } from '../sidecars/add-to-sidecar.ts';
import { type ApplyOptions, applyPatientSidecar, applyStudySidecar } from '../sidecars/apply-sidecar.ts';
import { archiveSidecar, readArchivedPatient, readArchivedStudy } from '../sidecars/archive-sidecar.ts';
import type { OpenAttachment } from '../sidecars/attachment-source.ts';
import type { Limitations } from '../sidecars/limitations.ts';
import { type PatientSidecar, type StudySidecar, saysAnything } from '../sidecars/sidecar.ts';
import type { OnSidecarFinding, SidecarOptions } from '../sidecars/sidecar-state.ts';
import type { StudyServer } from '../sidecars/study-server.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import { provenChunks } from '../streams/proven-chunks.ts';
import type { RereadableBytes } from '../streams/rereadable-bytes.ts';
import { decrypted, inflatedStorageFile } from './decoded-bytes.ts';
import { defaultExpansionLimits, ExpansionBudget } from './expansion-limits.ts';
import type { ImportSource } from './found.ts';

export interface ImportSidecarsOptions {
  readonly source: ImportSource;
  readonly index: StorageIndex;
  readonly masterKeys: MasterKeys;
  readonly target?: StudyServer | undefined;
  readonly archive?: ObjectStorage | undefined;
  readonly limitations: Limitations;
  /** Is told of sidecars of the archive that cannot be read. */
  readonly onFinding: OnSidecarFinding;
  readonly onProblem: (problem: DocumentProblem) => void;
  /** After this no new document is begun. */
  readonly draining?: AbortSignal | undefined;
}

/** A document that did not arrive. */
export interface DocumentProblem {
  readonly level: 'patients' | 'studies';
  readonly id: OrthancId;
  readonly error: MirrorError;
}

/** How many sidecars were brought, as studies and patients. */
export interface SidecarCounts {
  /** Something was written for these. */
  readonly written: number;
  /** Everything was there. */
  readonly unchanged: number;
  /** They can be tried again. */
  readonly failed: number;
  readonly refused: number;
}

type AnySidecar = StudySidecar | PatientSidecar;

/** Brings every document that says something; run when the instances are there. Errors end up in the counts. */
export async function importSidecars(options: ImportSidecarsOptions): Promise<SidecarCounts> {
  const counts = { written: 0, unchanged: 0, failed: 0, refused: 0 };
  const attachments = attachmentsOfStorage(options);
  for await (const document of documentsOf(options)) {
    if (options.draining?.aborted === true) {
      break;
    }
    try {
      counts[(await bring(document, attachments, options)) ? 'written' : 'unchanged'] += 1;
    } catch (error) {
      if (!isMirrorError(error)) {
        throw error;
      }
      // A study that the destination does not hold: its instances were refused.
      counts[error.disposition === 'reject' || error.disposition === 'skip' ? 'refused' : 'failed'] += 1;
      const level = document.format === 'orthanc-mirror-study' ? 'studies' : 'patients';
      options.onProblem({ level, id: document.id, error });
    }
  }
  return counts;
}

/** For a server only what it can be told; an archive keeps them all, because they also tell where a study came from. */
async function* documentsOf({ index, source, masterKeys, archive }: ImportSidecarsOptions): AsyncGenerator<AnySidecar> {
  const studies = index.studies(async (file) => hashOf(await openStorageFile(file, source, masterKeys)));
  for await (const document of studies.patients()) {
    if (archive !== undefined || saysAnything(document)) {
      yield document;
    }
  }
  for await (const document of studies.studies()) {
    if (archive !== undefined || saysAnything(document)) {
      yield document;
    }
  }
}

/** @returns whether anything was written. */
async function bring(
  document: AnySidecar,
  attachments: OpenAttachment,
  { target, archive, limitations, onFinding }: ImportSidecarsOptions,
): Promise<boolean> {
  let written = false;
  if (target !== undefined && saysAnything(document)) {
    written = await applyTo(target, document, { attachments, limitations, mode: 'add' });
  }
  if (archive !== undefined) {
    const merged = await mergedWithArchive(archive, document, { onFinding });
    written = (await archiveSidecar(archive, merged, { attachments, onFinding })).written || written;
  }
  return written;
}

async function applyTo(target: StudyServer, document: AnySidecar, options: ApplyOptions): Promise<boolean> {
  const isPatient = document.format === 'orthanc-mirror-patient';
  const { held, changes } = isPatient
    ? await applyPatientSidecar(document, target, options)
    : await applyStudySidecar(document, target, options);
  if (!held && !(isPatient && !target.capabilities.hasPatientLevel)) {
    const what = isPatient ? 'patient' : 'study';
    throw new MirrorError('vanished', `${target.client.name} does not hold ${what} ${document.id}`);
  }
  return changes.length > 0;
}

async function mergedWithArchive(
  archive: ObjectStorage,
  document: AnySidecar,
  options: SidecarOptions,
): Promise<AnySidecar> {
  if (document.format === 'orthanc-mirror-patient') {
    const held = await readArchivedPatient(archive, document.id, options);
    return held === undefined ? document : addToPatient(held.document, document);
  }
  const held = await readArchivedStudy(archive, document.id, options);
  return held === undefined ? document : addToStudy(held.document, document);
}

/** Attachments as the files of a storage hold them. */
function attachmentsOfStorage({ index, source, masterKeys }: ImportSidecarsOptions): OpenAttachment {
  return async ({ id, number, md5, sizeBytes }) => {
    const file = index.attachmentOf(id, number);
    const bytes = file === undefined ? undefined : await openStorageFile(file, source, masterKeys);
    if (bytes === undefined) {
      throw missing(number, id);
    }
    const body = provenChunks(bytes.read(), { md5 }, () => damaged(number, id, md5));
    return { sizeBytes, body, cancel: () => bytes.release() };
  };
}

/** The content of a file of the storage; `undefined` if it is not there. */
async function openStorageFile(
  { uuid, isCompressed, contentBytes }: IndexedFile,
  source: ImportSource,
  masterKeys: MasterKeys,
): Promise<RereadableBytes | undefined> {
  const found = await source.storageFile(uuid);
  if (found === undefined) {
    return undefined;
  }
  const plain = found.storage?.isEncrypted === true ? decrypted(found.bytes, masterKeys) : found.bytes;
  const budget = new ExpansionBudget(defaultExpansionLimits, found.bytes.sizeBytes ?? 0);
  return isCompressed ? inflatedStorageFile(plain, contentBytes, budget) : plain;
}

async function hashOf(bytes: RereadableBytes | undefined): Promise<Md5 | undefined> {
  if (bytes === undefined) {
    return undefined;
  }
  const hash = createHash('md5');
  for await (const chunk of bytes.read()) {
    hash.update(chunk);
  }
  const md5 = hash.digest('hex');
  return isMd5(md5) ? md5 : undefined;
}

function damaged(number: number, id: OrthancId, md5: Md5): MirrorError {
  const what = `attachment ${number} of ${id} is damaged: it does not have the MD5 ${md5}`;
  return new MirrorError('source-corrupt', what, { disposition: 'reject' });
}

function missing(number: number, id: OrthancId): MirrorError {
  return new MirrorError('source-corrupt', `the file of attachment ${number} of ${id} is missing in the storage`);
}
