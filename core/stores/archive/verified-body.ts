/** Reading bytes that must turn out to be the promised ones. */
import { createHash } from 'node:crypto';
import { MirrorError } from '../../errors.ts';
import { untilAborted } from '../aborted.ts';
import type { InstanceBytes } from '../store.ts';
import type { PutOptions } from './object-storage.ts';

/**
 * Yields the bytes and ends normally only if they have the size and the MD5 of the options. A writer that completes its
 * object only after the end therefore never completes wrong bytes. Throws `body-short`, `hash-mismatch`, what `bytes`
 * throws, or `interrupted` when the signal aborts.
 */
export async function* verifiedBody(bytes: InstanceBytes, options: PutOptions): AsyncGenerator<Uint8Array> {
  const { sizeBytes, md5, signal } = options;
  const hash = md5 === undefined ? undefined : createHash('md5');
  let readBytes = 0;
  for await (const chunk of untilAborted(bytes instanceof Uint8Array ? inOnePiece(bytes) : bytes, signal)) {
    readBytes += chunk.length;
    if (readBytes > sizeBytes) {
      throw new MirrorError('hash-mismatch', `received more than the expected ${sizeBytes} bytes`);
    }
    hash?.update(chunk);
    yield chunk;
  }
  if (readBytes < sizeBytes) {
    throw new MirrorError('body-short', `received ${readBytes} of ${sizeBytes} bytes`);
  }
  const found = hash?.digest('hex');
  if (found !== md5) {
    throw new MirrorError('hash-mismatch', `received bytes with the MD5 ${found} instead of ${md5}`);
  }
}

/** Reads verified bytes into one piece of memory; for small ones. Throws like {@link verifiedBody}. */
export async function collectVerified(bytes: InstanceBytes, options: PutOptions): Promise<Uint8Array> {
  const chunks = await Array.fromAsync(verifiedBody(bytes, options));
  const [only] = chunks;
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
}

async function* inOnePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
