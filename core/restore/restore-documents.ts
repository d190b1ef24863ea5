/** Restores what is not in the DICOM bytes: study and patient documents in the state of a moment. */
import { readStudiesAt } from '../catalogue/list-documents.ts';
import { mapInOrder } from '../compare/map-in-order.ts';
import { isMirrorError, type MirrorError } from '../errors.ts';
import type { OrthancId } from '../identifiers.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import type { CallOptions } from '../stores/store.ts';
import { type ArchivedDocument, readArchivedPatient } from '../studies/archive-document.ts';
import type { PatientDocument, StudyDocument } from '../studies/study-document.ts';

/** Takes documents: a server, or a folder. */
export interface DocumentTarget {
  /**
   * Makes the target hold what a study's document says. @returns how many things were written; `undefined` if it holds
   * nothing of the study.
   */
  applyStudy(document: StudyDocument, options: CallOptions): Promise<number | undefined>;
  applyPatient(document: PatientDocument, options: CallOptions): Promise<number>;
}

/** What became of the documents of one study and its patient. */
export interface RestoredDocument {
  readonly studyId: OrthancId;
  readonly kind: 'written' | 'already-equal' | 'not-held' | 'failed';
  /** Why it failed. */
  readonly error?: MirrorError;
}

export interface RestoreDocumentsOptions extends CallOptions {
  /** The moment; absent: now. */
  readonly at?: Date | undefined;
  /** Only these studies. */
  readonly studies?: ReadonlySet<OrthancId> | undefined;
  /** No new study is begun after this. */
  readonly draining?: AbortSignal | undefined;
}

/** Studies written at once. */
const studiesAtOnce = 4;

/**
 * Restores documents, one result for each study that had one at the moment; call it when the instances are there.
 * May be repeated: what is equal is not written again. Throws only if the archive cannot be listed or a document in it
 * is damaged, or when the signal aborts.
 */
export async function* restoreDocuments(
  objects: ObjectStorage,
  target: DocumentTarget,
  options: RestoreDocumentsOptions = {},
): AsyncGenerator<RestoredDocument> {
  const patients = new PatientsOnce(objects, target, options);
  yield* mapInOrder(wantedStudies(objects, options), studiesAtOnce, async ({ document }): Promise<RestoredDocument> => {
    const studyId = document.id;
    try {
      const changes = await target.applyStudy(document, { signal: options.signal });
      if (changes === undefined) return { studyId, kind: 'not-held' };
      const ofPatient = await patients.restore(document.patientId);
      return { studyId, kind: changes + ofPatient > 0 ? 'written' : 'already-equal' };
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!isMirrorError(error)) throw error;
      return { studyId, kind: 'failed', error };
    }
  });
}

async function* wantedStudies(
  objects: ObjectStorage,
  { at, studies, draining, signal }: RestoreDocumentsOptions,
): AsyncGenerator<ArchivedDocument<StudyDocument>> {
  for await (const found of readStudiesAt(objects, { at, only: studies, signal })) {
    if (draining?.aborted === true) return;
    yield found;
  }
}

/** Restores each patient once, however many studies it has. */
class PatientsOnce {
  readonly #objects: ObjectStorage;
  readonly #target: DocumentTarget;
  readonly #options: RestoreDocumentsOptions;
  readonly #seen = new Set<OrthancId>();

  constructor(objects: ObjectStorage, target: DocumentTarget, options: RestoreDocumentsOptions) {
    this.#objects = objects;
    this.#target = target;
    this.#options = options;
  }

  /** @returns how many things were written. */
  async restore(id: OrthancId): Promise<number> {
    if (this.#seen.has(id)) return 0;
    this.#seen.add(id);
    const { at, signal } = this.#options;
    const found = await readArchivedPatient(this.#objects, id, { notAfter: at, signal });
    return found === undefined ? 0 : this.#target.applyPatient(found.document, { signal });
  }
}
