/** JSON documents of an archive: read with a schema, written in one canonical form. */
import type { z } from 'zod';
import { MirrorError } from '../../errors.ts';
import { jsonBoundsOf, readJson } from '../../json.ts';
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
    throw damaged(objects.name, key, `it is longer than ${longestDocumentBytes} bytes`);
  }
  const bytes = Buffer.concat(await Array.fromAsync(object.body));
  const read = readJson(textOf(objects.name, key, bytes), schema, jsonBoundsOf(longestDocumentBytes));
  if (!read.ok) throw damaged(objects.name, key, read.problem, read.cause);
  return { value: read.value, etag: object.etag };
}

/** @returns the bytes of a document: indented, because people read them too, with a line feed at the end. */
export function documentBytes(value: unknown): Uint8Array {
  return Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`);
}

/** Bytes that are no UTF-8 must not be read as if they were: something else would be restored. */
function textOf(storage: string, key: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw damaged(storage, key, 'it is not UTF-8', error);
  }
}

function damaged(storage: string, key: string, what: string, cause?: unknown): MirrorError {
  return new MirrorError(
    'archive-format',
    `${storage}: ${key} is damaged, ${what}; put back an earlier version of it, or move it away if it may be made anew`,
    { cause },
  );
}
