/** What a server lists of one resource, as the content of a document. */
import { createHash } from 'node:crypto';
import type { CallOptions } from '../call-options.ts';
import { isMd5, type Md5, type OrthancId, type ResourceLevel } from '../identifiers.ts';
import { inParallel } from '../streams/in-parallel.ts';
import type { ListedResource } from './listed-resource.ts';
import { sortMetadata } from './metadata-names.ts';
import { type MetadataValue, mayHideBytes, metadataValueOf } from './metadata-value.ts';
import { type ReadOptions, readWidth, resourcePath, skipListOf } from './read-options.ts';
import { type AttachmentContent, isUserNumber, type ResourceContent } from './sidecar.ts';
import { openBytes } from './sized-bytes.ts';
import { includesNumber } from './skip-list.ts';
import type { StudyServer } from './study-server.ts';

/**
 * Sorts what is listed of a resource. Asks for single values of metadata that the listing may not tell as they are, and
 * reads the attachments whose hashes the server does not keep.
 */
export async function contentOf(
  server: StudyServer,
  level: ResourceLevel,
  listed: ListedResource,
  options: ReadOptions,
): Promise<ResourceContent> {
  return {
    labels: (listed.Labels ?? []).toSorted(),
    ...sortMetadata(await exactMetadata(server, level, listed, options), server.capabilities, options),
    attachments: await attachmentsOf(server, level, listed, options),
  };
}

/** Values as they are: one request for each that the listing may have altered. One that is gone by now is left out. */
async function exactMetadata(
  server: StudyServer,
  level: ResourceLevel,
  { ID, Metadata = {} }: ListedResource,
  { signal }: ReadOptions,
): Promise<Record<string, MetadataValue>> {
  if (!Object.values(Metadata).some(mayHideBytes)) return Metadata;
  const entries = await inParallel(Object.entries(Metadata), readWidth, async ([name, listed]) => {
    const value = mayHideBytes(listed) ? await readMetadata(server, level, ID, name, { signal }) : listed;
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(entries.flat());
}

/** One value of metadata, byte by byte; `undefined` if there is none. `name` may be a number. */
export async function readMetadata(
  { client }: StudyServer,
  level: ResourceLevel,
  id: OrthancId,
  name: string | number,
  options: CallOptions,
): Promise<MetadataValue | undefined> {
  const bytes = await client.findBytes(`${metadataPath(level, id)}/${encodeURIComponent(name)}`, options);
  return bytes && metadataValueOf(bytes);
}

function metadataPath(level: ResourceLevel, id: OrthancId): string {
  return `${resourcePath(level, id)}/metadata`;
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
