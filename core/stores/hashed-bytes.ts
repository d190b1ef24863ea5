/** Remembers what was found out about bytes in memory, so that those on their way to several stores are read once. */
import { readIdentifyingElements } from '../dicom/identifier-reader.ts';
import type { IdentifyingElements } from '../dicom/identifying-elements.ts';
import { type Md5, md5Of } from '../identifiers.ts';

const hashes = new WeakMap<Uint8Array, Md5>();
const identities = new WeakMap<Uint8Array, { readonly elements: IdentifyingElements | undefined }>();

/** @returns the MD5 of bytes that nobody will change while this view of them is used, and remembers it as long. */
export function md5OfFinal(bytes: Uint8Array): Md5 {
  const md5 = hashes.get(bytes) ?? md5Of(bytes);
  hashes.set(bytes, md5);
  return md5;
}

/** The same for what identifies a DICOM file; `undefined` if it is no instance. */
export function identifyingElementsOfFinal(bytes: Uint8Array): IdentifyingElements | undefined {
  const known = identities.get(bytes) ?? { elements: readIdentifyingElements(bytes) };
  identities.set(bytes, known);
  return known.elements;
}
