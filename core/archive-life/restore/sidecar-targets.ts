/** The two kinds of places that sidecars are restored to. */

import type { CallOptions } from '../../call-options.ts';
import { isMirrorError, MirrorError } from '../../errors.ts';
import { type InstanceId, md5Of, type OrthancId } from '../../identifiers.ts';
import { addToPatient, addToStudy } from '../../sidecars/add-to-sidecar.ts';
import {
  type Applied,
  type ApplyOptions,
  applyPatientSidecar,
  applyStudySidecar,
} from '../../sidecars/apply-sidecar.ts';
import { attachmentsIn, attachmentsOfArchive } from '../../sidecars/attachment-source.ts';
import { canonical, contentHash } from '../../sidecars/canonical-json.ts';
import type { Limitations } from '../../sidecars/limitations.ts';
import { type Plan, type PlanOptions, planPatient, planStudy } from '../../sidecars/plan-changes.ts';
import { patientSidecarSchema, studySidecarSchema } from '../../sidecars/sidecar.ts';
import type { Sidecar } from '../../sidecars/sidecar-state.ts';
import type { StudyServer } from '../../sidecars/study-server.ts';
import { documentBytes, readDocument } from '../../stores/archive/json-document.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import { partOf } from '../repair/replace-on-server.ts';
import { saveReplaced } from '../repair/save-replaced.ts';
import type { AppliedSidecar, RestoreChoices, SidecarTarget } from './restore-sidecars.ts';
import { restoredAttachmentKey, restoredPatientKey, restoredStudyKey, studyFolderOf } from './restored-keys.ts';

/** A server. What is replaced or removed there is saved in the archive before. */
export function sidecarsOnServer(server: StudyServer, archive: ObjectStorage, limitations: Limitations): SidecarTarget {
  const optionsOf = ({ replace = false, dryRun, signal }: RestoreChoices): ApplyOptions => ({
    attachments: attachmentsOfArchive(archive),
    limitations,
    mode: replace ? 'equal' : 'add',
    dryRun,
    save: async (held, changes) => {
      const ids = new Set(changes.map(({ id }) => id));
      const part = held.format === 'orthanc-mirror-study' ? { study: partOf(held, { ids }) } : { patient: held };
      await saveReplaced({ id: held.id, ...part }, { server, safe: archive, at: new Date(), signal });
    },
    signal,
  });
  return {
    applyStudy: async (document, choices) => written(await applyStudySidecar(document, server, optionsOf(choices))),
    applyPatient: async (document, choices) => written(await applyPatientSidecar(document, server, optionsOf(choices))),
  };
}

function written(applied: Applied): AppliedSidecar {
  return { ...applied, written: applied.changes.length > 0 };
}

/** What a folder holds of instances. */
export interface HeldInstances {
  holds(id: InstanceId): boolean;
  holdsStudy(study: OrthancId): boolean;
}

/**
 * A folder. A sidecar that lies there is added to; where it is replaced, the folder keeps what was there under
 * `superseded/`.
 */
export function sidecarsInFolder(folder: ObjectStorage, archive: ObjectStorage, held: HeldInstances): SidecarTarget {
  const merge = async <Document extends Sidecar>(
    document: Document,
    present: Document | undefined,
    place: { readonly key: string; readonly under: string },
    compared: { readonly plan: Plan; readonly added: Document },
    { replace = false, dryRun, signal }: RestoreChoices,
  ): Promise<Pick<AppliedSidecar, 'changes' | 'kept' | 'written'>> => {
    const wanted = replace || present === undefined ? document : compared.added;
    const differs = present === undefined || contentHash(wanted) !== contentHash(present);
    if (dryRun === undefined) {
      await writeAttachments(folder, archive, place.under, document, { signal });
      if (differs) await writeDocument(folder, place.key, wanted, replace, { signal });
    }
    return { changes: compared.plan.changes, kept: compared.plan.kept, written: differs };
  };
  return {
    async applyStudy(document, choices) {
      const lacking = document.series.flatMap(({ instances }) => instances).filter(({ id }) => !held.holds(id));
      const isExpected = lacking.some(({ id }) => choices.dryRun?.expected(id));
      if (!held.holdsStudy(document.id) && !isExpected) {
        return { held: false, changes: [], kept: [], lacking, written: false };
      }
      const under = studyFolderOf({ patient: document.patientId, study: document.id });
      const key = restoredStudyKey({ patient: document.patientId, study: document.id });
      const present = await presentIn(folder, key, studySidecarSchema, choices);
      const plan = planStudy(document, present, planOptions(choices));
      const added = present === undefined ? document : addToStudy(present, document);
      const merged = await merge(document, present, { key, under }, { plan, added }, choices);
      return { held: true, lacking, ...merged };
    },
    async applyPatient(document, choices) {
      const key = restoredPatientKey(document.id);
      const present = await presentIn(folder, key, patientSidecarSchema, choices);
      const plan = planPatient(document, present, planOptions(choices));
      const added = present === undefined ? document : addToPatient(present, document);
      const merged = await merge(document, present, { key, under: `${document.id}/` }, { plan, added }, choices);
      return { held: true, lacking: [], ...merged };
    },
  };
}

/** The file tells of all instances of the study, whichever of them lie beside it. */
function planOptions({ replace = false }: RestoreChoices): PlanOptions {
  return {
    mode: replace ? 'equal' : 'add',
    labels: true,
    skip: { attachments: [], metadata: [] },
    expected: () => true,
  };
}

/** Throws `refused` for a file that lies there and is no sidecar. */
async function presentIn<Document extends Sidecar>(
  folder: ObjectStorage,
  key: string,
  schema: Parameters<typeof readDocument<Document>>[2],
  { signal }: CallOptions,
): Promise<Document | undefined> {
  try {
    return (await readDocument(folder, key, schema, { signal }))?.value;
  } catch (error) {
    if (!isMirrorError(error, 'archive-format')) throw error;
    throw new MirrorError('refused', error.message, { cause: error });
  }
}

async function writeAttachments(
  folder: ObjectStorage,
  archive: ObjectStorage,
  under: string,
  document: Sidecar,
  options: CallOptions,
): Promise<void> {
  const open = attachmentsOfArchive(archive);
  for (const place of attachmentsIn(document)) {
    const key = restoredAttachmentKey(under, place);
    if ((await folder.head(key, options)) !== undefined) continue;
    const opened = await open(place, options);
    try {
      const { sizeBytes, md5 } = place;
      await folder.putOnce(key, opened.body, { sizeBytes, md5, signal: options.signal });
    } finally {
      opened.cancel();
    }
  }
}

async function writeDocument(
  folder: ObjectStorage,
  key: string,
  document: Sidecar,
  replace: boolean,
  options: CallOptions,
): Promise<void> {
  const bytes = documentBytes(canonical(document));
  if (replace) {
    await folder.supersede(key, bytes, { sizeBytes: bytes.length, md5: md5Of(bytes), signal: options.signal });
    return;
  }
  // What is added to keeps all it had: nothing of it needs to be kept beside.
  for (;;) {
    const present = await folder.head(key, options);
    if ((await folder.replaceIf(key, bytes, present?.etag ?? null, options)) !== 'changed') return;
  }
}
