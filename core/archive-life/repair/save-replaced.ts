/**
 * Saves what is about to be replaced on a server. There is one way for conflicts, repairs and restores:
 *
 *     reports/replaced/<orthanc id>/<UTC time>/<md5>.dcm       the bytes that the server delivered
 *     reports/replaced/<orthanc id>/<UTC time>/study.json      what was attached to what is replaced, as a sidecar
 *     reports/replaced/<orthanc id>/<UTC time>/patient.json    the same of the patient
 *     attachments/…                                            the attachments of both
 *
 * Not below `instances/` and `studies/`: what is there last is what a restore takes as the source's state.
 */
import { createHash } from 'node:crypto';
import type { CallOptions } from '../../call-options.ts';
import { isMirrorError, MirrorError } from '../../errors.ts';
import { type InstanceId, isMd5, isOrthancId, type OrthancId } from '../../identifiers.ts';
import { archiveAttachments } from '../../sidecars/archive-sidecar.ts';
import { attachmentsOfServer } from '../../sidecars/attachment-source.ts';
import { canonical } from '../../sidecars/canonical-json.ts';
import { listedResourceSchema } from '../../sidecars/listed-resource.ts';
import { readPatientSidecar, readStudySidecar } from '../../sidecars/read-sidecar.ts';
import type { PatientSidecar, StudySidecar } from '../../sidecars/sidecar.ts';
import { type Sidecar, sidecarHash } from '../../sidecars/sidecar-state.ts';
import type { StudyServer } from '../../sidecars/study-server.ts';
import { documentBytes } from '../../stores/archive/json-document.ts';
import { keyTime, reportKey } from '../../stores/archive/keys.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import { openDamaged } from '../../stores/orthanc/open-damaged.ts';
import type { OrthancStore } from '../../stores/orthanc/orthanc-store.ts';
import type { InstanceIdentity } from '../../stores/store.ts';
import type { SidecarReference } from '../kept-repairs.ts';

export interface TargetSidecars {
  readonly study: StudySidecar;
  /** `undefined` where the target has no patient level. */
  readonly patient: PatientSidecar | undefined;
}

/** What is to be saved. */
export interface Replaceable {
  /** What is replaced: names the folder. */
  readonly id: OrthancId;
  /** An instance whose bytes are saved as the server delivers them, see {@link deliveredBy}. */
  readonly instance?: InstanceIdentity | undefined;
  readonly study?: StudySidecar | undefined;
  readonly patient?: PatientSidecar | undefined;
}

export interface SavedVersion {
  /** Where the archive keeps it; ends in `/`. */
  readonly folder: string;
  readonly study: SidecarReference | undefined;
  readonly patient: SidecarReference | undefined;
}

export interface SaveOptions extends CallOptions {
  readonly server: Pick<OrthancStore, 'client'>;
  readonly safe: ObjectStorage;
  readonly at: Date;
}

/** Reads the sidecars of an instance's study and patient. Throws `changed-meanwhile` if the target lost it. */
export async function readTarget(
  id: InstanceId,
  server: StudyServer,
  { signal }: CallOptions,
): Promise<TargetSidecars> {
  const { client, capabilities } = server;
  const found = await client.findJson(`/instances/${id}/study`, listedResourceSchema, { signal });
  if (!isOrthancId(found?.ID)) {
    throw new MirrorError('changed-meanwhile', `${client.name} does not hold instance ${id} any more`);
  }
  const study = await readStudySidecar(server, found.ID, { signal });
  const patient = capabilities.hasPatientLevel
    ? await readPatientSidecar(server, study.patientId, { signal })
    : undefined;
  return { study, patient };
}

/**
 * Hash and size of the bytes that a server delivers for an instance, whatever its index promises; `undefined` if it
 * delivers none.
 */
export async function deliveredBy(
  { client }: Pick<OrthancStore, 'client'>,
  id: InstanceId,
  options: CallOptions,
): Promise<InstanceIdentity | undefined> {
  const opened = await openDamaged(client, id, options);
  if (opened === undefined) return undefined;
  try {
    const hash = createHash('md5');
    let sizeBytes = 0;
    for await (const chunk of opened.body) {
      hash.update(chunk);
      sizeBytes += chunk.byteLength;
    }
    const md5 = hash.digest('hex');
    if (!isMd5(md5)) throw new Error('an MD5 is 32 hexadecimal digits');
    return { id, md5, sizeBytes };
  } catch (error) {
    // It ends early each time: nothing whole can be had.
    if (isMirrorError(error, 'body-short')) return undefined;
    throw error;
  } finally {
    opened.cancel();
  }
}

/** Saves bytes, sidecars and attachments; everything is durable when it returns. Throws what the stores throw. */
export async function saveReplaced(
  { id, instance, study, patient }: Replaceable,
  options: SaveOptions,
): Promise<SavedVersion> {
  const folder = reportKey(`replaced/${id}/${keyTime(options.at)}/`);
  if (instance !== undefined) await saveBytes(instance, folder, options);
  return {
    folder,
    study: study && (await saveSidecar(study, `${folder}study.json`, options)),
    patient: patient && (await saveSidecar(patient, `${folder}patient.json`, options)),
  };
}

async function saveBytes(
  { id, md5, sizeBytes }: InstanceIdentity,
  folder: string,
  { server, safe, signal }: SaveOptions,
): Promise<void> {
  const opened = await openDamaged(server.client, id, { signal });
  if (opened === undefined) {
    throw new MirrorError('changed-meanwhile', `${server.client.name} does not deliver instance ${id} any more`);
  }
  try {
    const options = { md5, sizeBytes, contentType: 'application/dicom', signal };
    await safe.putOnce(`${folder}${md5}.dcm`, opened.body, options);
  } finally {
    opened.cancel();
  }
}

async function saveSidecar(
  document: Sidecar,
  key: string,
  { server, safe, signal }: SaveOptions,
): Promise<SidecarReference> {
  await archiveAttachments(safe, document, { attachments: attachmentsOfServer(server.client), signal });
  const bytes = documentBytes(canonical(document));
  const options = { sizeBytes: bytes.length, contentType: 'application/json', signal };
  if ((await safe.putOnce(key, bytes, options)) === 'exists') {
    throw new MirrorError('changed-meanwhile', `${safe.name}: ${key} is there already; it is saved under another time`);
  }
  return { id: document.id, key, hash8: sidecarHash(bytes) };
}
