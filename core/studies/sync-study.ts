/** Brings the document of one study, and of its patient, from the source to the archive and to the targets. */
import type { Destination, DestinationOutcome } from '../copy/outcome.ts';
import { outcomeOfError } from '../copy/outcome.ts';
import type { OrthancId } from '../identifiers.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import { applyPatientDocument, applyStudyDocument } from './apply-document.ts';
import { archiveDocument, readArchivedStudy } from './archive-document.ts';
import { attachmentsOfServer } from './attachment-source.ts';
import type { Limitations } from './limitations.ts';
import type { ReadOptions } from './read-options.ts';
import { readPatientDocument, readStudyDocument } from './read-study-document.ts';
import { contentsOf, hasNamedMetadata, type PatientDocument, type StudyDocument } from './study-document.ts';
import type { StudyServer } from './study-server.ts';

/** A target and the connection through which study documents are written to it. */
export interface StudyTarget {
  readonly destination: Destination;
  readonly server: StudyServer;
}

/** An archive and where it lies. */
export interface StudyArchive {
  readonly destination: Destination;
  readonly objects: ObjectStorage;
}

export interface SyncStudyOptions extends Omit<ReadOptions, 'earlier' | 'instanceHashes'> {
  readonly source: StudyServer;
  readonly targets: readonly StudyTarget[];
  readonly archive?: StudyArchive | undefined;
  readonly limitations: Limitations;
  readonly now?: (() => Date) | undefined;
}

/** What became of the document at one destination; `copied`: something was written there. */
export interface StudyOutcome extends DestinationOutcome {
  /** Things written: documents in the archive; labels, metadata, attachments and protections on a target. */
  readonly changes: number;
  /** Instances that the destination does not hold yet: synchronize again when it does. */
  readonly pendingInstances: number;
}

export interface StudySyncResult {
  readonly studyId: OrthancId;
  readonly outcomes: readonly StudyOutcome[];
}

/**
 * Reads the study once, archives its document and its patient's if they changed, and writes to each target what
 * differs there. Outside errors end up in the outcomes, one per destination; what is thrown is a defect.
 */
export async function syncStudy(studyId: OrthancId, options: SyncStudyOptions): Promise<StudySyncResult> {
  const { archive, targets } = options;
  const destinations = [...(archive ? [archive.destination] : []), ...targets.map(({ destination }) => destination)];
  let documents: Documents;
  try {
    documents = await readDocuments(studyId, options);
  } catch (error) {
    const outcomes = destinations.map((destination) => failed(destination, error, 'source'));
    return { studyId, outcomes };
  }
  const outcomes = await Promise.all([
    ...(archive ? [guarded(archive.destination, () => toArchive(documents, archive, options))] : []),
    ...targets.map(({ destination, server }) => guarded(destination, () => toTarget(documents, server, options))),
  ]);
  return { studyId, outcomes };
}

interface Documents {
  readonly study: StudyDocument;
  readonly patient: PatientDocument | undefined;
}

type Written = Pick<StudyOutcome, 'changes' | 'pendingInstances'>;

async function readDocuments(studyId: OrthancId, options: SyncStudyOptions): Promise<Documents> {
  const { source, archive, limitations } = options;
  const study = await readStudyDocument(source, studyId, {
    ...options,
    earlier: await earlierDocument(studyId, options),
    instanceHashes: archive !== undefined,
  });
  if (hasNamedMetadata(contentsOf(study))) limitations.add(source.client.name, 'metadata-number-unknown');
  if (!source.capabilities.hasPatientLevel) {
    limitations.add(source.client.name, 'patient-level-disabled');
    return { study, patient: undefined };
  }
  return { study, patient: await readPatientDocument(source, study.patientId, options) };
}

/** Only servers that tell no hashes in listings profit from an earlier document. */
async function earlierDocument(
  studyId: OrthancId,
  { source, archive, signal }: SyncStudyOptions,
): Promise<StudyDocument | undefined> {
  if (source.capabilities.hasExtendedFind || archive === undefined) return undefined;
  return (await readArchivedStudy(archive.objects, studyId, { signal }))?.document;
}

async function toArchive(
  { study, patient }: Documents,
  { objects }: StudyArchive,
  { source, now, signal }: SyncStudyOptions,
): Promise<Written> {
  const attachments = attachmentsOfServer(source.client);
  let changes = 0;
  for (const document of patient === undefined ? [study] : [patient, study]) {
    const { written } = await archiveDocument(objects, document, { attachments, now, signal });
    if (written) changes += 1;
  }
  return { changes, pendingInstances: 0 };
}

async function toTarget(
  { study, patient }: Documents,
  server: StudyServer,
  options: SyncStudyOptions,
): Promise<Written> {
  const apply = { ...options, attachments: attachmentsOfServer(options.source.client) };
  const applied = await applyStudyDocument(study, server, apply);
  const ofPatient = patient === undefined ? 0 : (await applyPatientDocument(patient, server, apply)).changes;
  return { changes: applied.changes + ofPatient, pendingInstances: applied.pendingInstances };
}

async function guarded(destination: Destination, work: () => Promise<Written>): Promise<StudyOutcome> {
  try {
    const written = await work();
    return { destination, kind: written.changes > 0 ? 'copied' : 'already-equal', ...written };
  } catch (error) {
    return failed(destination, error, 'destination');
  }
}

function failed(destination: Destination, error: unknown, at: 'source' | 'destination'): StudyOutcome {
  return { ...outcomeOfError(destination, error, at), changes: 0, pendingInstances: 0 };
}
