/** Brings the document of one study, and of its patient, from the source to the archive and to the targets. */
import type { Destination, DestinationOutcome } from '../copy/outcome.ts';
import { outcomeOfError, worstKind } from '../copy/outcome.ts';
import type { OrthancId } from '../identifiers.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import { applyPatientSidecar, applyStudySidecar } from './apply-sidecar.ts';
import { archiveSidecar, type KnownArchived, readArchivedStudy } from './archive-sidecar.ts';
import { attachmentsOfServer } from './attachment-source.ts';
import { type Limitations, MetContent, noteSourceLimits } from './limitations.ts';
import type { ReadOptions } from './read-options.ts';
import { readPatientSidecar, readStudySidecar } from './read-sidecar.ts';
import { contentsOf, instancesOf, type StudySidecar } from './sidecar.ts';
import type { Sidecar, SidecarOptions } from './sidecar-state.ts';
import type { StudyServer } from './study-server.ts';

/** A target and the connection through which sidecars are written to it. */
export interface StudyTarget {
  readonly destination: Destination;
  readonly server: StudyServer;
}

/** An archive and where it lies. */
export interface StudyArchive {
  readonly destination: Destination;
  readonly objects: ObjectStorage;
}

export interface SyncStudyOptions extends Omit<ReadOptions, 'earlier' | 'instanceHashes'>, SidecarOptions {
  readonly source: StudyServer;
  readonly targets: readonly StudyTarget[];
  readonly archive?: StudyArchive | undefined;
  readonly limitations: Limitations;
  /** See {@link KnownArchived}. */
  readonly knownArchived?: KnownArchived | undefined;
  /** Patients that need not be synchronized again with each of their studies; absent: none. */
  readonly patients?: SyncedPatients | undefined;
  readonly now?: (() => Date) | undefined;
}

/** What became of the document at one destination; `copied`: something was written there. */
export interface StudyOutcome extends DestinationOutcome {
  /** Things written: sidecars in the archive; labels, metadata, attachments and protections on a target. */
  readonly changes: number;
  /** Instances that the destination does not hold yet: synchronize again when it does. */
  readonly pendingInstances: number;
}

export interface StudySyncResult {
  readonly studyId: OrthancId;
  readonly outcomes: readonly StudyOutcome[];
  /** Of the study, as it was read; 0 if it could not be. */
  readonly instances: number;
}

/** Synchronizes each patient once, also when several of its studies are synchronized at the same time. */
export class SyncedPatients {
  readonly #outcomes = new Map<OrthancId, Promise<readonly StudyOutcome[]>>();

  once(id: OrthancId, sync: () => Promise<readonly StudyOutcome[]>): Promise<readonly StudyOutcome[]> {
    const outcomes = this.#outcomes.get(id) ?? sync();
    this.#outcomes.set(id, outcomes);
    return outcomes;
  }
}

/**
 * Reads the study once, archives its document and its patient's if they changed, and writes to each target what
 * differs there. Outside errors end up in the outcomes, one per destination; what is thrown is a defect.
 */
export async function syncStudy(studyId: OrthancId, options: SyncStudyOptions): Promise<StudySyncResult> {
  let study: StudySidecar;
  try {
    study = await readStudy(studyId, options);
  } catch (error) {
    return { studyId, outcomes: failedEverywhere(error, options), instances: 0 };
  }
  const { patients = new SyncedPatients() } = options;
  const [ofStudy, ofPatient] = await Promise.all([
    bring(study, options),
    patients.once(study.patientId, () => syncPatient(study.patientId, options)),
  ]);
  return {
    studyId,
    outcomes: ofStudy.map((outcome) => merged(outcome, ofPatient)),
    instances: instancesOf(study).length,
  };
}

async function readStudy(studyId: OrthancId, options: SyncStudyOptions): Promise<StudySidecar> {
  const { source, archive, limitations } = options;
  const study = await readStudySidecar(source, studyId, {
    ...options,
    earlier: await earlierSidecar(studyId, options),
    instanceHashes: archive !== undefined,
  });
  noteSourceLimits(new MetContent(contentsOf(study)), source, limitations);
  return study;
}

/** Only servers that tell no hashes in listings profit from an earlier document. */
async function earlierSidecar(
  studyId: OrthancId,
  { source, archive, onFinding, signal }: SyncStudyOptions,
): Promise<StudySidecar | undefined> {
  if (source.capabilities.hasExtendedFind || archive === undefined) return undefined;
  return (await readArchivedStudy(archive.objects, studyId, { onFinding, signal }))?.document;
}

async function syncPatient(id: OrthancId, options: SyncStudyOptions): Promise<readonly StudyOutcome[]> {
  const { source, limitations } = options;
  if (!source.capabilities.hasPatientLevel) {
    limitations.add(source.client.name, 'patient-level-disabled');
    return [];
  }
  try {
    return await bring(await readPatientSidecar(source, id, options), options);
  } catch (error) {
    return failedEverywhere(error, options);
  }
}

/** Brings a document to every destination at once. */
function bring(document: Sidecar, options: SyncStudyOptions): Promise<StudyOutcome[]> {
  const { archive, targets } = options;
  return Promise.all([
    ...(archive ? [guarded(archive.destination, () => toArchive(document, archive, options))] : []),
    ...targets.map(({ destination, server }) => guarded(destination, () => toTarget(document, server, options))),
  ]);
}

type Written = Pick<StudyOutcome, 'changes' | 'pendingInstances'>;

async function toArchive(document: Sidecar, { objects }: StudyArchive, options: SyncStudyOptions): Promise<Written> {
  const attachments = attachmentsOfServer(options.source.client);
  const { written } = await archiveSidecar(objects, document, { ...options, attachments });
  return { changes: written ? 1 : 0, pendingInstances: 0 };
}

async function toTarget(document: Sidecar, server: StudyServer, options: SyncStudyOptions): Promise<Written> {
  const apply = { ...options, attachments: attachmentsOfServer(options.source.client) };
  const { changes, lacking } =
    document.format === 'orthanc-mirror-study'
      ? await applyStudySidecar(document, server, apply)
      : await applyPatientSidecar(document, server, apply);
  return { changes: changes.length, pendingInstances: lacking.length };
}

async function guarded(destination: Destination, work: () => Promise<Written>): Promise<StudyOutcome> {
  try {
    const written = await work();
    return { destination, kind: written.changes > 0 ? 'copied' : 'already-equal', ...written };
  } catch (error) {
    return failed(destination, error, 'destination');
  }
}

function failedEverywhere(error: unknown, { archive, targets }: SyncStudyOptions): StudyOutcome[] {
  const destinations = [...(archive ? [archive.destination] : []), ...targets.map(({ destination }) => destination)];
  return destinations.map((destination) => failed(destination, error, 'source'));
}

function failed(destination: Destination, error: unknown, at: 'source' | 'destination'): StudyOutcome {
  return { ...outcomeOfError(destination, error, at), changes: 0, pendingInstances: 0 };
}

/** The outcome of a study together with that of its patient at the same destination: the worse of both, with its error. */
function merged(ofStudy: StudyOutcome, ofPatients: readonly StudyOutcome[]): StudyOutcome {
  const ofPatient = ofPatients.find(({ destination }) => destination === ofStudy.destination);
  if (ofPatient === undefined) return ofStudy;
  const worst = worstKind([ofStudy, ofPatient]) === ofStudy.kind ? ofStudy : ofPatient;
  const { pendingInstances } = ofStudy;
  return { ...worst, changes: ofStudy.changes + ofPatient.changes, pendingInstances };
}
