/** Restores what is not in the DICOM bytes: study and patient sidecars in the state of a moment. */

import type { CallOptions } from '../../call-options.ts';
import { isMirrorError, MirrorError } from '../../errors.ts';
import type { OrthancId } from '../../identifiers.ts';
import type { Applied, ApplyOptions } from '../../sidecars/apply-sidecar.ts';
import { isArchived, keyOfAttachment, readArchivedPatient } from '../../sidecars/archive-sidecar.ts';
import { attachmentsIn } from '../../sidecars/attachment-source.ts';
import { tryStudiesAt } from '../../sidecars/list-sidecars.ts';
import type { ContentChange, KeptValue } from '../../sidecars/plan-changes.ts';
import type { InstanceRecord, PatientSidecar, StudySidecar } from '../../sidecars/sidecar.ts';
import type { OnSidecarFinding, ReadSidecar, SidecarOptions } from '../../sidecars/sidecar-state.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import { inParallel, mapInOrder } from '../../streams/in-parallel.ts';

export interface RestoreChoices extends CallOptions {
  /**
   * Absent: what is missing is added, and all that is there stays. `true`: values become as the sidecar says, and what
   * is replaced or removed is saved before.
   */
  readonly replace?: boolean | undefined;
  /** Write nothing, and tell what would be written. */
  readonly dryRun?: ApplyOptions['dryRun'];
}

/** What became of one sidecar at a target. */
export interface AppliedSidecar extends Applied {
  /** Whether anything was written, or in a dry run would be. */
  readonly written: boolean;
}

/** Takes sidecars: a server, or a folder. */
export interface SidecarTarget {
  applyStudy(document: StudySidecar, options: RestoreChoices): Promise<AppliedSidecar>;
  applyPatient(document: PatientSidecar, options: RestoreChoices): Promise<AppliedSidecar>;
}

/** What became of the sidecars of one study and its patient. */
export interface RestoredSidecar {
  readonly studyId: OrthancId;
  /** `not-held`: the target holds nothing of the study. */
  readonly kind: 'written' | 'already-equal' | 'not-held' | 'failed';
  /** Why it failed. */
  readonly error?: MirrorError;
  /** What was written; in a dry run, what would be. */
  readonly changes: readonly ContentChange[];
  /** What differs, and stays as it is. */
  readonly kept: readonly KeptValue[];
  /** Instances that the archive held when the sidecar was written, and neither the target nor the archive holds now. */
  readonly lost: readonly InstanceRecord[];
  /** A later state could not be read: what the study had then is not restored. */
  readonly outdated: boolean;
}

export interface RestoreSidecarsOptions extends SidecarOptions, RestoreChoices {
  /** The moment; absent: now. */
  readonly at?: Date | undefined;
  /** Only these studies. */
  readonly studies?: ReadonlySet<OrthancId> | undefined;
  /** No new study is begun after this. */
  readonly draining?: AbortSignal | undefined;
  /** Most studies written at once; default 8. */
  readonly atOnce?: number | undefined;
  /** Asks for a copy of an object that may lie in a cold storage class; absent: nothing is asked for. */
  readonly thaw?: ((key: string) => Promise<void>) | undefined;
}

const defaultAtOnce = 8;
/** Requests at a time to the archive for what belongs to one study. */
const lookupsAtOnce = 8;

/**
 * Restores sidecars, one result for each study that had one at the moment; call it when the instances are there.
 * May be repeated: what is there is not written again. Throws only if the archive cannot be listed, or when the signal
 * aborts.
 */
export async function* restoreSidecars(
  objects: ObjectStorage,
  target: SidecarTarget,
  options: RestoreSidecarsOptions,
): AsyncGenerator<RestoredSidecar> {
  yield* new SidecarRestore(objects, target, options).run();
}

class SidecarRestore {
  readonly #objects: ObjectStorage;
  readonly #target: SidecarTarget;
  readonly #options: RestoreSidecarsOptions;
  /** Studies and patients of which a state could not be read. */
  readonly #damaged = new Set<OrthancId>();
  /** Each patient is restored once, however many studies it has. */
  readonly #patients = new Set<OrthancId>();

  constructor(objects: ObjectStorage, target: SidecarTarget, options: RestoreSidecarsOptions) {
    this.#objects = objects;
    this.#target = target;
    this.#options = options;
  }

  run(): AsyncGenerator<RestoredSidecar> {
    return mapInOrder(this.#wanted(), this.#options.atOnce ?? defaultAtOnce, ({ id, found }) =>
      this.#restore(id, found),
    );
  }

  readonly #note: OnSidecarFinding = (finding) => {
    if (finding.error.code === 'sidecar-damaged') this.#damaged.add(finding.id);
    this.#options.onFinding(finding);
  };

  async *#wanted() {
    const { at, studies: only, draining, signal } = this.#options;
    for await (const found of tryStudiesAt(this.#objects, { at, only, onFinding: this.#note, signal })) {
      if (draining?.aborted === true) return;
      yield found;
    }
  }

  async #restore(studyId: OrthancId, found: ReadSidecar<'studies'> | undefined): Promise<RestoredSidecar> {
    const nothing = { studyId, changes: [], kept: [], lost: [], outdated: false };
    if (found === undefined) return { ...nothing, kind: 'failed', error: unreadable(this.#objects.name, studyId) };
    const { document } = found;
    try {
      const study = await this.#target.applyStudy(document, this.#options);
      const lost = await this.#lostOf(study.lacking);
      const isDry = this.#options.dryRun !== undefined;
      if (!study.held && !isDry) {
        await this.#thaw(document);
        return { ...nothing, kind: 'not-held', lost };
      }
      const patient = await this.#restorePatient(document.patientId);
      return {
        studyId,
        kind: study.written || patient?.written ? 'written' : 'already-equal',
        changes: [...study.changes, ...(patient?.changes ?? [])],
        kept: [...study.kept, ...(patient?.kept ?? [])],
        lost,
        outdated: this.#damaged.has(studyId) || this.#damaged.has(document.patientId),
      };
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      if (!isMirrorError(error)) throw error;
      if (error.code === 'cold') await this.#thaw(document);
      return { ...nothing, kind: 'failed', error };
    }
  }

  /** Asks for all attachments of a study at once, also before its instances are there: one by one, each takes two days. */
  async #thaw(study: StudySidecar): Promise<void> {
    const { thaw, at: notAfter, signal } = this.#options;
    if (thaw === undefined) return;
    const reading = { notAfter, onFinding: this.#note, signal };
    const patient = await readArchivedPatient(this.#objects, study.patientId, reading);
    const places = [study, ...(patient === undefined ? [] : [patient.document])].flatMap(attachmentsIn);
    await inParallel(places, lookupsAtOnce, (place) => thaw(keyOfAttachment(place)));
  }

  async #restorePatient(id: OrthancId): Promise<AppliedSidecar | undefined> {
    if (this.#patients.has(id)) return undefined;
    this.#patients.add(id);
    const { at: notAfter, signal } = this.#options;
    const found = await readArchivedPatient(this.#objects, id, { notAfter, onFinding: this.#note, signal });
    return found && this.#target.applyPatient(found.document, this.#options);
  }

  /** What a target lacks may have been removed from the source, or not be selected: then the archive holds it. */
  async #lostOf(lacking: readonly InstanceRecord[]): Promise<readonly InstanceRecord[]> {
    const { signal } = this.#options;
    const archived = lacking.filter(({ pending }) => pending !== true);
    const lost = await inParallel(archived, lookupsAtOnce, async (instance) =>
      (await isArchived(this.#objects, instance, { signal })) ? [] : [instance],
    );
    return lost.flat();
  }
}

function unreadable(archive: string, id: OrthancId): MirrorError {
  const what = `${archive}: no sidecar of study ${id} can be read`;
  return new MirrorError('sidecar-damaged', `${what}; repair the archive from its source`, {
    advice: 'repair-archive',
  });
}
