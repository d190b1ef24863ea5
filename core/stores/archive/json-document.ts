/** JSON documents of an archive: read with a schema, written in one canonical form. */
import type { z } from 'zod';
import { MirrorError } from '../../errors.ts';
import type { CallOptions } from '../store.ts';
import type { ObjectStorage } from './object-storage.ts';

/** A document and the ETag of the object that it was read from. */
export interface ReadDocument<T> {
  readonly value: T;
  readonly etag: string;
}

/** Documents are small; a larger object is not one of ours and is not read into memory. */
const longestDocumentBytes = 64 * 1024 * 1024;

/**
 * Reads the document under a key; `undefined` if there is none. Throws `archive-format` if it is not JSON or does not
 * fit the schema.
 */
export async function readDocument<T>(
  objects: ObjectStorage,
  key: string,
  schema: z.ZodType<T>,
  options?: CallOptions,
): Promise<ReadDocument<T> | undefined> {
  const object = await objects.get(key, options);
  if (object === undefined) {
    return undefined;
  }
  if (object.sizeBytes > longestDocumentBytes) {
    object.cancel();
    throw damaged(objects.name, key, 'is too large');
  }
  const bytes = Buffer.concat(await Array.fromAsync(object.body));
  return { value: parseDocument(objects.name, key, bytes, schema), etag: object.etag };
}

/** @returns the bytes of a document: indented, because people read them too, with a line feed at the end. */
export function documentBytes(value: unknown): Uint8Array {
  return Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`);
}

function parseDocument<T>(storage: string, key: string, bytes: Buffer, schema: z.ZodType<T>): T {
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw damaged(storage, key, 'is not JSON', error);
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    const fields = parsed.error.issues.map((issue) => issue.path.join('.') || 'the whole document');
    throw damaged(storage, key, `does not have the expected form (${[...new Set(fields)].join(', ')})`, parsed.error);
  }
  return parsed.data;
}

function damaged(storage: string, key: string, what: string, cause?: unknown): MirrorError {
  return new MirrorError(
    'archive-format',
    `${storage}: ${key} ${what}; put back an earlier version of it, or move it away if it may be made anew`,
    { cause, store: storage },
  );
}
