/**
 * Saves what is about to be replaced on a target:
 *
 *     reports/replaced/<orthanc id>/<UTC time>/<md5>.dcm       the bytes
 *     reports/replaced/<orthanc id>/<UTC time>/study.json      the target's study document
 *     reports/replaced/<orthanc id>/<UTC time>/patient.json    the target's patient document
 *     attachments/…                                            the attachments of both
 *
 * Not below `instances/` and `studies/`: what is there last is what a restore takes as the source's state.
 */
import { MirrorError } from '../errors.ts';
import { type InstanceId, isOrthancId, type OrthancId } from '../identifiers.ts';
import type { Archive } from '../stores/archive/archive.ts';
import { documentBytes } from '../stores/archive/json-document.ts';
import { keyTime, reportKey } from '../stores/archive/keys.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import type { OrthancStore } from '../stores/orthanc/orthanc-store.ts';
import type { CallOptions, InstanceIdentity } from '../stores/store.ts';
import { archiveAttachments } from '../studies/archive-document.ts';
import { attachmentsOfServer } from '../studies/attachment-source.ts';
import { canonical } from '../studies/canonical-json.ts';
import { listedResourceSchema } from '../studies/listed-resource.ts';
import { readPatientDocument, readStudyDocument } from '../studies/read-study-document.ts';
import type { PatientDocument, StudyDocument } from '../studies/study-document.ts';
import type { StudyServer } from '../studies/study-server.ts';

export interface TargetDocuments {
  readonly study: StudyDocument;
  /** `undefined` where the target has no patient level. */
  readonly patient: PatientDocument | undefined;
}

export interface SavedVersion extends TargetDocuments {
  readonly instance: InstanceIdentity;
  /** Resources that disappear with the instance. */
  readonly destroyed: ReadonlySet<OrthancId>;
  /** Where the archive keeps it; ends in `/`. */
  readonly folder: string;
}

/** Reads the documents of an instance's study and patient. Throws `changed-meanwhile` if the target lost it. */
export async function readTarget(
  id: InstanceId,
  server: StudyServer,
  { signal }: CallOptions,
): Promise<TargetDocuments> {
  const { client, capabilities } = server;
  const found = await client.findJson(`/instances/${id}/study`, listedResourceSchema, { signal });
  if (!isOrthancId(found?.ID)) {
    throw new MirrorError('changed-meanwhile', `${client.name} does not hold instance ${id} any more`);
  }
  const study = await readStudyDocument(server, found.ID, { signal });
  const patient = capabilities.hasPatientLevel
    ? await readPatientDocument(server, study.patientId, { signal })
    : undefined;
  return { study, patient };
}

/** Saves bytes, documents and attachments; everything is durable when it returns. Throws what the stores throw. */
export async function saveReplaced(
  instance: InstanceIdentity,
  saved: TargetDocuments & { readonly destroyed: ReadonlySet<OrthancId> },
  to: CallOptions & { readonly target: OrthancStore; readonly archive: Archive; readonly at: Date },
): Promise<SavedVersion> {
  const { target, archive, at, signal } = to;
  const { objects } = archive;
  const folder = reportKey(`replaced/${instance.id}/${keyTime(at)}/`);
  const attachments = attachmentsOfServer(target.client);
  for (const [name, document] of [
    ['study', saved.study],
    ['patient', saved.patient],
  ] as const) {
    if (document === undefined) continue;
    await archiveAttachments(objects, document, { attachments, signal });
    await putJson(objects, `${folder}${name}.json`, document, signal);
  }
  const opened = await target.open(instance.id, { signal });
  try {
    const { md5, sizeBytes } = instance;
    const options = { md5, sizeBytes, contentType: 'application/dicom', signal };
    await objects.putOnce(`${folder}${md5}.dcm`, opened.body, options);
  } finally {
    opened.cancel();
  }
  return { ...saved, instance, folder };
}

async function putJson(
  objects: ObjectStorage,
  key: string,
  document: unknown,
  signal: AbortSignal | undefined,
): Promise<void> {
  const bytes = documentBytes(canonical(document));
  await objects.putOnce(key, bytes, { sizeBytes: bytes.length, contentType: 'application/json', signal });
}
