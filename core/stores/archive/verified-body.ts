/** Reading bytes that must turn out to be the promised ones. */
import { createHash } from 'node:crypto';
import { MirrorError } from '../../errors.ts';
import type { Md5 } from '../../identifiers.ts';
import { throwIfAborted, untilAborted } from '../aborted.ts';
import { md5OfFinal } from '../hashed-bytes.ts';
import type { InstanceBytes } from '../store.ts';
import type { PutOptions } from './object-storage.ts';

/**
 * Yields the bytes and ends normally only if they have the size and the MD5 of the options. A writer that completes its
 * object only after the end therefore never completes wrong bytes. Throws `body-short`, `hash-mismatch`, what `bytes`
 * throws, or `interrupted` when the signal aborts.
 */
export async function* verifiedBody(bytes: InstanceBytes, options: PutOptions): AsyncGenerator<Uint8Array> {
  if (bytes instanceof Uint8Array) {
    yield verifiedWhole(bytes, options);
    return;
  }
  const { sizeBytes, md5, signal } = options;
  const hash = md5 === undefined ? undefined : createHash('md5');
  let readBytes = 0;
  for await (const chunk of untilAborted(bytes, signal)) {
    readBytes += chunk.length;
    if (readBytes > sizeBytes) throw wrongSize(readBytes, sizeBytes);
    hash?.update(chunk);
    yield chunk;
  }
  if (readBytes < sizeBytes) throw wrongSize(readBytes, sizeBytes);
  const found = hash?.digest('hex');
  if (found !== md5) throw wrongHash(found, md5);
}

function verifiedWhole(bytes: Uint8Array, { sizeBytes, md5, signal }: PutOptions): Uint8Array {
  throwIfAborted(signal);
  if (bytes.length !== sizeBytes) throw wrongSize(bytes.length, sizeBytes);
  const found = md5 && md5OfFinal(bytes);
  if (found !== md5) throw wrongHash(found, md5);
  return bytes;
}

function wrongSize(readBytes: number, sizeBytes: number): MirrorError {
  return readBytes < sizeBytes
    ? new MirrorError('body-short', `received ${readBytes} of ${sizeBytes} bytes`)
    : new MirrorError('hash-mismatch', `received more than the expected ${sizeBytes} bytes`);
}

function wrongHash(found: string | undefined, md5: Md5 | undefined): MirrorError {
  return new MirrorError('hash-mismatch', `received bytes with the MD5 ${found} instead of ${md5}`);
}

/** Reads verified bytes into one piece of memory; for small ones. Throws like {@link verifiedBody}. */
export async function collectVerified(bytes: InstanceBytes, options: PutOptions): Promise<Uint8Array> {
  if (bytes instanceof Uint8Array) return verifiedWhole(bytes, options);
  const chunks = await Array.fromAsync(verifiedBody(bytes, options));
  const [only] = chunks;
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
}
