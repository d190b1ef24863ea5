/** Attachments of one resource on servers that do not list them with it. */
import { z } from 'zod';
import { isMd5, type OrthancId, type ResourceLevel } from '../identifiers.ts';
import type { CallOptions } from '../stores/store.ts';
import type { StudyServer } from './abilities.ts';
import { type ListedAttachment, listedAttachmentSchema } from './listed-resource.ts';
import { resourcePath } from './read-options.ts';
import { parseAnswer, readJson, unexpectedStatus } from './rest.ts';
import { isUserNumber } from './study-document.ts';

/** Numbers by name (`?full`, 1.10.0), or names only; a name may be a number. */
const namesSchema = z.union([z.record(z.string(), z.int()), z.array(z.string())]);

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
  const names = await readJson(server.rest, { method: 'GET', path: `${path}?full`, signal }, namesSchema);
  const numbers = Array.isArray(names) ? names.map(Number) : Object.values(names);
  const found: ListedAttachment[] = [];
  for (const number of numbers.filter(isUserNumber)) {
    const attachment = await describe(server, `${path}/${number}`, number, options);
    if (attachment !== undefined) found.push(attachment);
  }
  return found;
}

/** @returns `undefined` if the attachment was deleted meanwhile. */
async function describe(
  { rest }: StudyServer,
  path: string,
  number: number,
  { signal }: CallOptions,
): Promise<ListedAttachment | undefined> {
  const info = await rest.request({ method: 'GET', path: `${path}/info`, signal });
  if (info.status === 200) return parseAnswer(rest.name, path, info.body, listedAttachmentSchema);
  // Before 1.10.0.
  const size = await rest.request({ method: 'GET', path: `${path}/size`, signal });
  if (size.status === 404) return undefined;
  if (size.status !== 200) throw unexpectedStatus(rest, { method: 'GET', path }, size.status);
  const hash = await rest.request({ method: 'GET', path: `${path}/md5`, signal });
  const md5 = Buffer.from(hash.body).toString('latin1');
  return {
    ContentType: number,
    UncompressedSize: Number(Buffer.from(size.body).toString('latin1')),
    UncompressedMD5: hash.status === 200 && isMd5(md5) ? md5 : null,
    Uuid: null,
  };
}
