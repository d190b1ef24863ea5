/** Remembers which bytes in memory were hashed, so that those on their way to several stores are hashed once. */
import { type Md5, md5Of } from '../identifiers.ts';

const known = new WeakMap<Uint8Array, Md5>();

/** @returns the MD5 of bytes that nobody will change while this view of them is used, and remembers it as long. */
export function md5OfFinal(bytes: Uint8Array): Md5 {
  const md5 = known.get(bytes) ?? md5Of(bytes);
  known.set(bytes, md5);
  return md5;
}
