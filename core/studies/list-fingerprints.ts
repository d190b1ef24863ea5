/** Lists what users attached to every study of a server or of an archive, as one short hash per study. */
import { isMirrorError } from '../errors.ts';
import { isOrthancId, type OrthancId } from '../identifiers.ts';
import { folders } from '../stores/archive/keys.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import type { CallOptions } from '../stores/store.ts';
import { readArchivedPatient, readArchivedStudy } from './archive-document.ts';
import { type FingerprintScope, fingerprintOf, type StudyFingerprint } from './fingerprint.ts';
import { extendedFingerprints } from './list-fingerprints-extended.ts';
import { listStudyIds } from './list-study-ids.ts';
import type { ReadOptions } from './read-options.ts';
import { readPatientDocument, readStudyDocument } from './read-study-document.ts';
import type { PatientDocument } from './study-document.ts';
import type { StudyServer } from './study-server.ts';

export interface FingerprintOptions extends ReadOptions {
  readonly scope: FingerprintScope;
}

/**
 * Lists the studies of a server with their fingerprints, in ascending order of id. This is how changes of labels and of
 * protection are noticed, which no feed tells.
 *
 * With extended find (1.12.5): one request per 1000 patients and studies, and one per 1000 series and instances that
 * have labels, or per 1000 of all of them with the scope `everything`; plus one per patient where protection is not
 * listed (before 1.12.8). On older servers each study and each patient is read (some six and four requests).
 *
 * The listing is a hint: a study that comes or goes meanwhile may be missing, and one that is written to may have a
 * fingerprint of neither state. Never conclude from it that a study is gone. Throws what the connection throws.
 */
export async function* listStudyFingerprints(
  server: StudyServer,
  options: FingerprintOptions,
): AsyncGenerator<StudyFingerprint> {
  if (server.capabilities.hasExtendedFind) {
    yield* extendedFingerprints(server, options);
    return;
  }
  const patientOf = lastRead((id: OrthancId) => readPatientDocument(server, id, options));
  for (const studyId of await listStudyIds(server, options)) {
    try {
      const study = await readStudyDocument(server, studyId, { ...options, instanceHashes: false });
      const patient = options.scope.patients ? await patientOf(study.patientId) : undefined;
      yield { studyId, fingerprint: fingerprintOf(study, patient, options.scope) };
    } catch (error) {
      // Deleted, or added to, since it was listed.
      if (!isMirrorError(error, 'vanished', 'changed-meanwhile')) throw error;
    }
  }
}

/**
 * Lists the studies of an archive with the fingerprints of their newest documents, in ascending order of id: two
 * listings and two reads per study. Throws `archive-format` for a damaged document, and what the storage throws.
 */
export async function* listArchivedFingerprints(
  objects: ObjectStorage,
  { scope, signal }: CallOptions & { readonly scope: FingerprintScope },
): AsyncGenerator<StudyFingerprint> {
  const patientOf = lastRead(async (id: OrthancId) => (await readArchivedPatient(objects, id, { signal }))?.document);
  for await (const folder of objects.listFolders(folders.studies, { signal })) {
    const studyId = folder.slice(folders.studies.length, -1);
    if (!isOrthancId(studyId)) continue;
    const archived = await readArchivedStudy(objects, studyId, { signal });
    if (archived === undefined) continue;
    const patient = scope.patients ? await patientOf(archived.document.patientId) : undefined;
    yield { studyId, fingerprint: fingerprintOf(archived.document, patient, scope) };
  }
}

/** Remembers the last answers, because the studies of a patient are not listed one after the other. */
function lastRead<Document extends PatientDocument | undefined>(
  read: (id: OrthancId) => Promise<Document>,
): (id: OrthancId) => Promise<Document> {
  const remembered = new Map<OrthancId, Promise<Document>>();
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

/** Some 2 MB of patient documents. */
const mostRemembered = 1000;
