/** JSON documents of an archive: read with a schema, written in one canonical form. */
import type { z } from 'zod';
import type { CallOptions } from '../../call-options.ts';
import { MirrorError } from '../../errors.ts';
import { jsonBoundsOf, readJson } from '../../json.ts';
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
  const found = await readSmallObject(objects, key, options);
  if (found === undefined) {
    return undefined;
  }
  const parsed = found.bytes === undefined ? tooLarge() : parseDocument(found.bytes, schema);
  if ('problem' in parsed) {
    throw damaged(objects.name, key, parsed.problem, parsed.cause);
  }
  return { value: parsed.value, etag: found.etag };
}

/** Reads an object into memory; without `bytes` if it has more than `mostBytes`. `undefined` if there is none. */
export async function readSmallObject(
  objects: ObjectStorage,
  key: string,
  options?: CallOptions,
  mostBytes = longestDocumentBytes,
): Promise<{ readonly bytes: Uint8Array | undefined; readonly etag: string } | undefined> {
  const object = await objects.get(key, options);
  if (object === undefined) {
    return undefined;
  }
  if (object.sizeBytes > mostBytes) {
    object.cancel();
    return { bytes: undefined, etag: object.etag };
  }
  return { bytes: Buffer.concat(await Array.fromAsync(object.body)), etag: object.etag };
}

/** A document, or in words what is wrong with it; the words name fields and hold no values. */
export type ParsedDocument<T> = { readonly value: T } | DocumentProblem;
export interface DocumentProblem {
  readonly problem: string;
  readonly cause?: unknown;
}

/** What is wrong with an object that was not even read. */
export function tooLarge(mostBytes = longestDocumentBytes): DocumentProblem {
  return { problem: `it is longer than ${mostBytes} bytes` };
}

/** Parses the bytes of a document. */
export function parseDocument<T>(bytes: Uint8Array, schema: z.ZodType<T>): ParsedDocument<T> {
  let text: string;
  try {
    // Bytes that are no UTF-8 must not be read as if they were: something else would be restored.
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    return { problem: 'it is not UTF-8', cause };
  }
  const read = readJson(text, schema, jsonBoundsOf(longestDocumentBytes));
  return read.ok ? { value: read.value } : { problem: read.problem, cause: read.cause };
}

/** @returns the bytes of a document: indented, because people read them too, with a line feed at the end. */
export function documentBytes(value: unknown): Uint8Array {
  return Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`);
}

function damaged(storage: string, key: string, what: string, cause?: unknown): MirrorError {
  return new MirrorError(
    'archive-format',
    `${storage}: ${key} is damaged, ${what}; put back an earlier version of it, or move it away if it may be made anew`,
    { cause, store: storage },
  );
}
