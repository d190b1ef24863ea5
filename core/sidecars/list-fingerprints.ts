/** Lists what users attached to every study of a server or of an archive, as one short hash per study. */

import { defaultCeiling } from '../copy/adaptive-concurrency.ts';
import { isMirrorError } from '../errors.ts';
import type { OrthancId } from '../identifiers.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import { listStudyIds } from '../stores/orthanc/list-study-ids.ts';
import { mapInOrder } from '../streams/in-parallel.ts';
import { type FingerprintScope, fingerprintOf, type StudyFingerprint } from './fingerprint.ts';
import type { MetContent } from './limitations.ts';
import { extendedFingerprints } from './list-fingerprints-extended.ts';
import { listStudiesAt, type StudyStates } from './list-sidecars.ts';
import type { ReadOptions } from './read-options.ts';
import { readPatientSidecar, readStudySidecar } from './read-sidecar.ts';
import { contentsOf, instancesOf } from './sidecar.ts';
import { listSidecars, type ReadSidecar, readNewest, type SidecarOptions, type SidecarState } from './sidecar-state.ts';
import { StudiesAtOnce } from './studies-at-once.ts';
import type { StudyServer } from './study-server.ts';

export interface FingerprintOptions extends ReadOptions {
  readonly scope: FingerprintScope;
  /** Only these studies, each of which is read, whatever else the server holds; absent: all. */
  readonly part?: StudyPart | undefined;
  /** Takes note of what was met on the way; absent: nobody wants to know. */
  readonly met?: MetContent | undefined;
}

/** Neighbours in the order of ids. */
export interface StudyPart {
  /** Every study of the part is greater than this one; `null`: it is the first part. */
  readonly after: OrthancId | null;
  /** At least one, in ascending order; no study of the source lies between them. */
  readonly ids: readonly [OrthancId, ...OrthancId[]];
}

/** Sidecars of an archive read at once. */
const sidecarsAtOnce = 16;
/** The fingerprint of a study whose sidecar must be written again: no server has it. */
const unwritten = 'unwritten';

/**
 * Lists the studies of a server with their fingerprints, in ascending order of id. This is how changes of labels and of
 * protection are noticed, which no feed tells, and those that a feed does not tell any more.
 *
 * With extended find (1.12.5): a request per 10,000 patients, studies, series and instances, and one more for each
 * level; plus one per patient where protection is not listed (before 1.12.8), and one for each value of metadata that
 * the listing may not tell as it is. On older servers each study and each patient is read (some six and four requests).
 *
 * The listing is a hint: a study that comes or goes meanwhile may be missing, and one that is written to may have a
 * fingerprint of neither state. Never conclude from it that a study is gone. Throws what the connection throws.
 */
export async function* listStudyFingerprints(
  server: StudyServer,
  options: FingerprintOptions,
): AsyncGenerator<StudyFingerprint> {
  if (server.capabilities.hasExtendedFind && options.part === undefined) {
    yield* extendedFingerprints(server, options);
    return;
  }
  const patientOf = lastRead((id: OrthancId) => readPatientSidecar(server, id, options));
  const atOnce = new StudiesAtOnce({ ceiling: defaultCeiling });
  const read = async (studyId: OrthancId): Promise<FoundStudy> => {
    try {
      const study = await readStudySidecar(server, studyId, { ...options, instanceHashes: false });
      const patient = options.scope.patients ? await patientOf(study.patientId) : undefined;
      const fingerprint = fingerprintOf(study, patient, options.scope);
      for (const content of [...contentsOf(study), ...(patient ? [patient] : [])]) options.met?.add(content);
      return { found: { studyId, fingerprint }, instances: instancesOf(study).length };
    } catch (error) {
      // Deleted, or added to, since it was listed.
      if (!isMirrorError(error, 'vanished', 'changed-meanwhile')) throw error;
      return { found: undefined, instances: 0 };
    }
  };
  const inTurn = (id: OrthancId) =>
    atOnce.through(
      () => read(id),
      (study) => study,
    );
  const ids = options.part?.ids ?? (await listStudyIds(server, options));
  for await (const { found } of mapInOrder(each(ids), defaultCeiling, inTurn)) if (found !== undefined) yield found;
}

interface FoundStudy {
  readonly found: StudyFingerprint | undefined;
  readonly instances: number;
}

async function* each<Item>(items: Iterable<Item>): AsyncGenerator<Item> {
  yield* items;
}

/**
 * Lists the studies of an archive with the fingerprints of their newest sidecars, in ascending order of id: a listing of
 * them and one of all patients, and two reads per study. A study whose newest sidecar cannot be read, or names instances that were still
 * to be archived, has a fingerprint that no server has. Throws what the storage throws.
 */
export async function* listArchivedFingerprints(
  objects: ObjectStorage,
  { scope, part, ...options }: ArchivedFingerprintOptions,
): AsyncGenerator<StudyFingerprint> {
  const patientOf = options.patientOf ?? archivedPatients(objects, options);
  yield* mapInOrder(statesIn(objects, part, options), sidecarsAtOnce, async ({ id: studyId, states }) => {
    const study = await readNewest(objects, states, options);
    if (study?.isNewest !== true || instancesOf(study.document).some(({ pending }) => pending)) {
      return { studyId, fingerprint: unwritten };
    }
    const patient = scope.patients ? await patientOf(study.document.patientId) : undefined;
    if (patient?.isNewest === false) return { studyId, fingerprint: unwritten };
    return { studyId, fingerprint: fingerprintOf(study.document, patient?.document, scope) };
  });
}

export interface ArchivedFingerprintOptions extends SidecarOptions, Pick<FingerprintOptions, 'scope' | 'part'> {
  /** Reads the sidecars of patients; absent: they are listed anew. */
  readonly patientOf?: ArchivedPatients | undefined;
}

/** Reads the newest sidecar of a patient. */
export type ArchivedPatients = (id: OrthancId) => Promise<ReadSidecar<'patients'> | undefined>;

/** The patients of an archive, listed once, as soon as one is asked for: 200 bytes of memory for each. */
export function archivedPatients(objects: ObjectStorage, options: SidecarOptions): ArchivedPatients {
  const list = async () => {
    const listed = new Map<OrthancId, readonly SidecarState<'patients'>[]>();
    for await (const states of listSidecars(objects, 'patients', options)) {
      const [first] = states;
      if (first !== undefined) listed.set(first.id, states);
    }
    return listed;
  };
  let listing: ReturnType<typeof list> | undefined;
  return lastRead(async (id: OrthancId) => {
    listing ??= list();
    return readNewest(objects, (await listing).get(id) ?? [], options);
  });
}

/** The sidecars of a part of the studies, or of all. */
async function* statesIn(
  objects: ObjectStorage,
  part: StudyPart | undefined,
  options: SidecarOptions,
): AsyncGenerator<StudyStates> {
  const last = part?.ids.at(-1);
  for await (const states of listStudiesAt(objects, { ...options, after: part?.after ?? undefined })) {
    if (last !== undefined && states.id > last) return;
    yield states;
  }
}

/** Remembers the last answers, because the studies of a patient are not listed one after the other. */
function lastRead<Answer>(read: (id: OrthancId) => Promise<Answer>): (id: OrthancId) => Promise<Answer> {
  const remembered = new Map<OrthancId, Promise<Answer>>();
  return (id) => {
    const known = remembered.get(id);
    if (known !== undefined) return known;
    const [oldest] = remembered.keys();
    if (remembered.size >= mostRemembered && oldest !== undefined) remembered.delete(oldest);
    const reading = read(id);
    remembered.set(id, reading);
    return reading;
  };
}

/** Some 2 MB of patient sidecars. */
const mostRemembered = 1000;
