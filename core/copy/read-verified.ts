/** Reads what a source opened and makes sure that its bytes can be verified before anybody completes them. */
import { IdentifierReader } from '../dicom/identifier-reader.ts';
import { canBe, givenIds, type IdentifyingElements } from '../dicom/identifying-elements.ts';
import { MirrorError } from '../errors.ts';
import type { Md5 } from '../identifiers.ts';
import { identifyingElementsOfFinal, md5OfFinal } from '../stores/hashed-bytes.ts';
import { md5ReadBack } from '../stores/md5-read-back.ts';
import type { InstanceIdentity, OpenInstance } from '../stores/store.ts';
import type { CopyContext } from './copy-context.ts';

/** Instances up to this size are hashed in memory before anything is sent; larger ones are streamed. */
export const wholeInMemoryBytes = 4 * 1024 * 1024;

export interface Readable {
  readonly identity: InstanceIdentity;
  /** The verified bytes of a small instance; `undefined` for one that must be streamed. */
  readonly bytes: Uint8Array<ArrayBuffer> | undefined;
}

/** Reads a small instance whole and verifies it; of a large one it only makes sure that its hash is known. */
export async function readUntilVerifiable(
  opened: OpenInstance,
  { source, budget: { buffers }, signal }: CopyContext,
): Promise<Readable> {
  const { id, sizeBytes } = opened;
  if (sizeBytes <= wholeInMemoryBytes) {
    const bytes = buffers.take(sizeBytes);
    const received = await fill(bytes, opened.body);
    const md5 = md5OfFinal(bytes);
    assertVerified(opened, { md5, sizeBytes: received }, source.name);
    if (opened.idIsProven !== true) assertIdentified(opened, identifyingElementsOfFinal(bytes), source.name);
    return { identity: { id, md5, sizeBytes }, bytes };
  }
  // A source that keeps no hashes is read twice: two reads that agree are the only proof there is.
  const md5 = opened.md5 ?? (await md5ReadBack(source, id, { signal }));
  return { identity: { id, md5, sizeBytes }, bytes: undefined };
}

/** Fills `room` from the body. @returns how many bytes came, as soon as they are more than the room holds. */
async function fill(room: Uint8Array, body: AsyncIterable<Uint8Array>): Promise<number> {
  let received = 0;
  for await (const chunk of body) {
    if (received + chunk.byteLength > room.byteLength) return received + chunk.byteLength;
    room.set(chunk, received);
    received += chunk.byteLength;
  }
  return received;
}

/** Throws `body-short` or `hash-mismatch` unless what was received is what the source announced. */
export function assertVerified(
  announced: Pick<OpenInstance, 'id' | 'md5' | 'sizeBytes'>,
  received: { readonly md5: Md5; readonly sizeBytes: number },
  sourceName: string,
): void {
  if (received.sizeBytes !== announced.sizeBytes) {
    throw new MirrorError(
      'body-short',
      `${sourceName} announced ${announced.sizeBytes} bytes of instance ${announced.id} and sent ${received.sizeBytes}`,
    );
  }
  if (announced.md5 !== undefined && received.md5 !== announced.md5) {
    throw new MirrorError(
      'hash-mismatch',
      `instance ${announced.id} arrived from ${sourceName} with MD5 ${received.md5} instead of ${announced.md5}`,
    );
  }
}

/**
 * Throws `not-dicom` or `wrong-id` unless a file can be the instance that a source says it is: a server whose storage, or
 * a proxy before it, mixes files up delivers another one, with the right hash.
 */
export function assertIdentified(
  { id }: Pick<OpenInstance, 'id'>,
  elements: IdentifyingElements | undefined,
  sourceName: string,
): void {
  if (elements === undefined) {
    const what =
      'is no DICOM file with the UIDs of an instance; nothing was copied. Look at the storage of that server';
    throw new MirrorError('not-dicom', `what ${sourceName} delivers for instance ${id} ${what}`);
  }
  if (canBe(elements, id)) return;
  const what = `is the instance ${givenIds(elements, undefined).id} by its identifiers`;
  throw new MirrorError(
    'wrong-id',
    `what ${sourceName} delivers for instance ${id} ${what}; nothing was copied. Look at the storage of that server`,
  );
}

/** The body of what was opened, which throws at its end what {@link assertIdentified} throws. */
export async function* identifiedBody(opened: OpenInstance, sourceName: string): AsyncGenerator<Uint8Array> {
  const identifiers = new IdentifierReader();
  for await (const chunk of opened.body) {
    identifiers.push(chunk);
    yield chunk;
  }
  if (opened.idIsProven !== true) assertIdentified(opened, identifiers.finish(), sourceName);
}
