/**
 * What was read of headers, kept in the archive so that it need not be read again:
 *
 *     state/open/<part>.json.gz      a study, or a part of the instances that no sidecar lists
 *
 * It is kept by id and MD5, under which bytes never change, so it is never out of date; and it may be deleted at any time.
 */
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import * as z from 'zod';
import type { CallOptions } from '../../call-options.ts';
import { isMirrorError } from '../../errors.ts';
import type { OrthancId } from '../../identifiers.ts';
import { folders } from '../../stores/archive/keys.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import type { ArchivedFile } from './archived-file.ts';
import { type InstanceTags, instanceTagsSchema } from './instance-tags.ts';

const longestPartBytes = 32 << 20;
const longestInflatedBytes = 256 << 20;

const partSchema = z.strictObject({ version: z.literal(1), instances: z.record(z.string(), instanceTagsSchema) });

/** Tags of instances, by {@link nameOf}. */
export type TagsByFile = ReadonlyMap<string, InstanceTags>;

/** What an instance is kept under. */
export function nameOf({ id, md5 }: Pick<ArchivedFile, 'id' | 'md5'>): string {
  return `${id}/${md5}`;
}

/** The part of a study. */
export function partOfStudy(id: OrthancId): string {
  return `headers/${id}`;
}

/** Reads what is kept of a part; nothing where it is absent, damaged or of another version of this program. */
export async function readKeptTags(
  objects: ObjectStorage,
  part: string,
  options: CallOptions = {},
): Promise<TagsByFile> {
  const object = await objects.get(keyOf(part), options);
  if (object === undefined) return new Map();
  if (object.sizeBytes > longestPartBytes) {
    object.cancel();
    return new Map();
  }
  const bytes = Buffer.concat(await Array.fromAsync(object.body));
  try {
    const text = await promisify(gunzip)(bytes, { maxOutputLength: longestInflatedBytes });
    return new Map(Object.entries(partSchema.parse(JSON.parse(text.toString('utf8'))).instances));
  } catch {
    return new Map();
  }
}

/** Keeps a part. Whoever may only read the archive goes without; another writer knows as much as we do. */
export async function keepTags(
  objects: ObjectStorage,
  part: string,
  tags: TagsByFile,
  options: CallOptions = {},
): Promise<void> {
  const text = JSON.stringify({ version: 1, instances: Object.fromEntries(tags) } satisfies z.input<typeof partSchema>);
  try {
    const present = await objects.head(keyOf(part), options);
    await objects.replaceIf(keyOf(part), await promisify(gzip)(text), present?.etag ?? null, options);
  } catch (error) {
    if (!isMirrorError(error, 'forbidden', 'unauthorized', 'read-only', 'full')) throw error;
  }
}

function keyOf(part: string): string {
  return `${folders.state}open/${part}.json.gz`;
}
