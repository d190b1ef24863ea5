/** What a server lists of one resource, as the content of a document. */
import { createHash } from 'node:crypto';
import { isMd5, type Md5, type ResourceLevel } from '../identifiers.ts';
import { inParallel } from './in-parallel.ts';
import type { ListedResource } from './listed-resource.ts';
import { sortMetadata } from './metadata-names.ts';
import { type ReadOptions, readWidth, resourcePath, skipListOf } from './read-options.ts';
import { openBytes } from './sized-bytes.ts';
import { includesNumber } from './skip-list.ts';
import { type AttachmentContent, isUserNumber, type ResourceContent } from './study-document.ts';
import type { StudyServer } from './study-server.ts';

/** Sorts what is listed of a resource; reads the attachments whose hashes the server does not keep. */
export async function contentOf(
  server: StudyServer,
  level: ResourceLevel,
  listed: ListedResource,
  options: ReadOptions,
): Promise<ResourceContent> {
  return {
    labels: (listed.Labels ?? []).toSorted(),
    ...sortMetadata(listed.Metadata ?? {}, server.capabilities, options),
    attachments: await attachmentsOf(server, level, listed, options),
  };
}

async function attachmentsOf(
  server: StudyServer,
  level: ResourceLevel,
  { ID, Attachments }: ListedResource,
  options: ReadOptions,
): Promise<Record<string, AttachmentContent>> {
  const skipped = skipListOf(options).attachments;
  const wanted = (Attachments ?? []).filter(
    ({ ContentType }) => isUserNumber(ContentType) && !includesNumber(skipped, ContentType),
  );
  const entries = await inParallel(wanted, readWidth, async (attachment) => {
    const path = `${resourcePath(level, ID)}/attachments/${attachment.ContentType}/data`;
    const md5 = attachment.UncompressedMD5 ?? (await hashAttachment(server, path, options));
    return [attachment.ContentType, { md5, sizeBytes: attachment.UncompressedSize }] as const;
  });
  return Object.fromEntries(entries);
}

/** Reads and hashes an attachment of a server that keeps no hashes. */
async function hashAttachment(server: StudyServer, path: string, options: ReadOptions): Promise<Md5> {
  const { body } = await openBytes(server.client, path, options);
  const hash = createHash('md5');
  for await (const chunk of body) hash.update(chunk);
  const md5 = hash.digest('hex');
  if (!isMd5(md5)) throw new Error('an MD5 is 32 hexadecimal digits');
  return md5;
}

/** @returns the tags of these names that have a value which is a text. */
export function pickTags(
  listed: Readonly<Record<string, unknown>> | undefined,
  names: readonly string[],
): Record<string, string> {
  const tags: Record<string, string> = {};
  for (const name of names) {
    const value = listed?.[name];
    if (typeof value === 'string' && value !== '') tags[name] = value;
  }
  return tags;
}
