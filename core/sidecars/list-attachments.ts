/** Attachments of one resource on servers that do not list them with it. */
import * as z from 'zod';
import type { CallOptions } from '../call-options.ts';
import { MirrorError } from '../errors.ts';
import type { OrthancId, ResourceLevel } from '../identifiers.ts';
import { listOf, recordOf } from '../json.ts';
import { md5In } from '../stores/orthanc/dicom-attachment.ts';
import { type ListedAttachment, listedAttachmentSchema } from './listed-resource.ts';
import { resourcePath } from './read-options.ts';
import { isUserNumber } from './sidecar.ts';
import type { StudyServer } from './study-server.ts';

/** Numbers by name (`?full`, 1.10.0), or names only; a name may be a number. */
const namesSchema = z.union([recordOf(z.string(), z.int()), listOf(z.string())]);

/** Each one costs a request or two; a resource has some ten. */
const mostAttachments = 1000;

/**
 * Lists the user attachments of a resource: one request, and one or two for each. Names whose number an old server
 * (before 1.10.0) does not tell are passed over.
 */
export async function listAttachments(
  server: StudyServer,
  level: ResourceLevel,
  id: OrthancId,
  options: CallOptions,
): Promise<readonly ListedAttachment[]> {
  const path = `${resourcePath(level, id)}/attachments`;
  const { signal } = options;
  const names = await server.client.getJson(`${path}?full`, namesSchema, { signal });
  const numbers = Array.isArray(names) ? names.map(Number) : Object.values(names);
  const wanted = new Set(numbers.filter(isUserNumber));
  if (wanted.size > mostAttachments) {
    const what = `lists more than ${mostAttachments} attachments of ${level}/${id}`;
    throw new MirrorError('answer-malformed', `${server.client.name} ${what}; look there what they are`);
  }
  const found: ListedAttachment[] = [];
  for (const number of wanted) {
    const attachment = await describe(server, `${path}/${number}`, number, options);
    if (attachment !== undefined) found.push(attachment);
  }
  return found;
}

/** @returns `undefined` if the attachment was deleted meanwhile. */
async function describe(
  server: StudyServer,
  path: string,
  number: number,
  { signal }: CallOptions,
): Promise<ListedAttachment | undefined> {
  const { hasAttachmentInfo } = server.capabilities;
  if (hasAttachmentInfo) return server.client.findJson(`${path}/info`, listedAttachmentSchema, { signal });
  const size = await server.client.findText(`${path}/size`, { signal });
  if (size === undefined) return undefined;
  const md5 = md5In(await server.client.findText(`${path}/md5`, { signal })) ?? null;
  return { ContentType: number, UncompressedSize: Number(size), UncompressedMD5: md5, Uuid: null };
}
