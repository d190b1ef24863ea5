/** Bytes that lie compressed or encrypted in a file, decoded while they are read. */
import { createGunzip, createInflate } from 'node:zlib';
import { InflateError, inflated } from '../dicom/inflate.ts';
import { MirrorError } from '../errors.ts';
import { decryptObject, encryptionBytes, type MasterKeys } from '../orthanc-disk/object-encryption.ts';
import type { RereadableBytes } from '../streams/rereadable-bytes.ts';
import type { ExpansionBudget } from './expansion-limits.ts';

const sizeHeaderBytes = 8;

/** Content of a gzip file (RFC 1952), also of several in one. */
export function gunzipped(outer: RereadableBytes, budget: ExpansionBudget): RereadableBytes {
  const read = () => meaningfulErrors(inflated(outer.read(), createGunzip()), 'gzip file');
  return { sizeBytes: undefined, read: budget.counted(read), release: () => outer.release() };
}

/** Content of a file of a compressed storage: 8 bytes of size, little-endian, and a zlib stream with its checksum. */
export function inflatedStorageFile(
  outer: RereadableBytes,
  sizeBytes: number,
  budget: ExpansionBudget,
): RereadableBytes {
  const read = () =>
    exactly(
      sizeBytes,
      meaningfulErrors(inflated(skip(outer.read(), sizeHeaderBytes), createInflate()), 'storage file'),
    );
  return { sizeBytes, read: budget.counted(read), release: () => outer.release() };
}

/** Content of a file that the object-storage plugin encrypted. A wrong key throws `source-corrupt` at the end. */
export function decrypted(outer: RereadableBytes, keys: MasterKeys): RereadableBytes {
  return {
    sizeBytes: outer.sizeBytes === undefined ? undefined : Math.max(0, outer.sizeBytes - encryptionBytes),
    read: () => decryptObject(outer.read(), keys),
    release: () => outer.release(),
  };
}

async function* skip(chunks: AsyncIterable<Uint8Array>, count: number): AsyncGenerator<Uint8Array> {
  let left = count;
  for await (const chunk of chunks) {
    if (left < chunk.byteLength) {
      yield left === 0 ? chunk : chunk.subarray(left);
    }
    left = Math.max(0, left - chunk.byteLength);
  }
}

async function* exactly(sizeBytes: number, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let received = 0;
  for await (const chunk of chunks) {
    received += chunk.byteLength;
    yield chunk;
  }
  if (received !== sizeBytes) {
    throw new MirrorError('source-corrupt', `the file announces ${sizeBytes} bytes of content and holds ${received}`);
  }
}

async function* meaningfulErrors(chunks: AsyncIterable<Uint8Array>, what: string): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks;
  } catch (error) {
    if (error instanceof InflateError) {
      throw new MirrorError('source-corrupt', `a compressed ${what} is damaged or cut; get it from a backup`, {
        cause: error,
      });
    }
    throw error;
  }
}
