import { createHash } from 'node:crypto';

/** The hash that bytes must have: 32 (MD5) or 64 (SHA-256) hexadecimal digits. */
export type PromisedHash = { readonly md5: string } | { readonly sha256: string };

/**
 * Passes bytes on, and holds the last chunk back until the hash of all of them is the promised one: wrong bytes are never
 * complete anywhere. Throws the error that `wrong` makes if it is another one, and what `chunks` throws.
 */
export async function* provenChunks(
  chunks: AsyncIterable<Uint8Array>,
  promised: PromisedHash,
  wrong: () => Error,
): AsyncGenerator<Uint8Array> {
  const [algorithm, digest] = 'md5' in promised ? ['md5', promised.md5] : ['sha256', promised.sha256];
  const hash = createHash(algorithm);
  let last: Uint8Array | undefined;
  for await (const chunk of chunks) {
    hash.update(chunk);
    if (last !== undefined) yield last;
    last = chunk;
  }
  if (hash.digest('hex') !== digest) throw wrong();
  if (last !== undefined) yield last;
}
