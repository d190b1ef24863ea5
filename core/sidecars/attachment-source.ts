/** Where the bytes of user attachments come from. */
import type { CallOptions } from '../call-options.ts';
import { MirrorError } from '../errors.ts';
import type { OrthancId, ResourceLevel } from '../identifiers.ts';
import { attachmentKey } from '../stores/archive/keys.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import type { OrthancClient } from '../stores/orthanc/http-client.ts';
import { provenChunks } from '../streams/proven-chunks.ts';
import { resourcePath } from './read-options.ts';
import { type AttachmentContent, type PatientSidecar, resourcesOf, type StudySidecar } from './sidecar.ts';
import { openBytes, type SizedBytes } from './sized-bytes.ts';

/** One attachment of one resource. */
export interface AttachmentPlace extends AttachmentContent {
  readonly level: ResourceLevel;
  readonly id: OrthancId;
  readonly number: number;
}

/** Opens the bytes of an attachment. Throws `vanished` if they are not there. */
export type OpenAttachment = (place: AttachmentPlace, options?: CallOptions) => Promise<SizedBytes>;

/** Path of an attachment of a server. */
export function attachmentPath({ level, id, number }: Omit<AttachmentPlace, 'md5' | 'sizeBytes'>): string {
  return `${resourcePath(level, id)}/attachments/${number}`;
}

/** Attachments as a server holds them now. */
export function attachmentsOfServer(client: OrthancClient): OpenAttachment {
  return async (place, options) =>
    verified(place, await openBytes(client, `${attachmentPath(place)}/data`, options), client.name);
}

/** Attachments as an archive holds them. */
export function attachmentsOfArchive(objects: Pick<ObjectStorage, 'name' | 'get'>): OpenAttachment {
  return async (place, options) => {
    const { level, id, number, md5 } = place;
    const object = await objects.get(attachmentKey(level, id, number, md5), options);
    if (object === undefined) {
      throw new MirrorError('vanished', `${objects.name} does not hold attachment ${number} of ${level}/${id}`);
    }
    return verified(place, object, objects.name);
  };
}

/** Every attachment of a sidecar, or of a patient sidecar. */
export function attachmentsIn(document: StudySidecar | PatientSidecar): readonly AttachmentPlace[] {
  return resourcesOf(document).flatMap(({ level, id, content }) =>
    Object.entries(content.attachments).map(([number, attachment]) => ({
      level,
      id,
      number: Number(number),
      ...attachment,
    })),
  );
}

function verified(
  { level, id, number, md5, sizeBytes }: AttachmentPlace,
  opened: SizedBytes,
  from: string,
): SizedBytes {
  const what = `attachment ${number} of ${level}/${id} from ${from}`;
  if (opened.sizeBytes !== sizeBytes) {
    opened.cancel();
    throw new MirrorError('hash-mismatch', `${what} has ${opened.sizeBytes} bytes instead of ${sizeBytes}`);
  }
  const wrong = () => new MirrorError('hash-mismatch', `${what} does not have the MD5 ${md5}`);
  return { sizeBytes, body: provenChunks(opened.body, { md5 }, wrong), cancel: () => opened.cancel() };
}
