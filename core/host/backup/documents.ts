/**
 * Streams of unknown length kept as pieces under their own hash. Equal pieces are kept once: of an index that changed
 * little, little is stored again. A piece is whole in memory while it is written and read.
 */
import { createHash } from 'node:crypto';
import type { CallOptions } from '../../call-options.ts';
import { MirrorError } from '../../errors.ts';
import { md5Of } from '../../identifiers.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import { blobKey, type HostKeys } from './backup-keys.ts';
import { type BackupDocument, pieceBytes } from './manifest.ts';

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Stores a stream. Throws what the stream and the storage throw; pieces that were written stay, unused. */
export async function saveDocument(
  objects: ObjectStorage,
  keys: HostKeys,
  source: AsyncIterable<Uint8Array>,
  options: CallOptions = {},
): Promise<BackupDocument> {
  const whole = createHash('sha256');
  const pieces: BackupDocument['pieces'] = [];
  let sizeBytes = 0;
  for await (const piece of inPieces(source)) {
    whole.update(piece);
    sizeBytes += piece.length;
    const sha256 = sha256Of(piece);
    await objects.putOnce(blobKey(keys, sha256), piece, { sizeBytes: piece.length, md5: md5Of(piece), ...options });
    pieces.push({ sha256, sizeBytes: piece.length });
  }
  return { sizeBytes, sha256: whole.digest('hex'), pieces };
}

/** Cuts a stream into pieces of equal size; the last may be smaller. */
async function* inPieces(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  for await (const chunk of source) {
    let rest = chunk;
    while (heldBytes + rest.length >= pieceBytes) {
      const cut = pieceBytes - heldBytes;
      yield Buffer.concat([...held, rest.subarray(0, cut)]);
      rest = rest.subarray(cut);
      held = [];
      heldBytes = 0;
    }
    if (rest.length > 0) held.push(rest);
    heldBytes += rest.length;
  }
  if (heldBytes > 0) yield Buffer.concat(held);
}

/**
 * Reads a document, each piece verified before it is yielded; one that is too large is not read. Throws `source-corrupt`
 * if a piece is missing or has not its hash.
 */
export async function* readSavedDocument(
  objects: ObjectStorage,
  keys: HostKeys,
  document: BackupDocument,
  options: CallOptions = {},
): AsyncGenerator<Uint8Array> {
  for (const { sha256, sizeBytes } of document.pieces) {
    const object = await objects.get(blobKey(keys, sha256), options);
    if (object === undefined) throw damaged(objects, sha256, 'is missing');
    if (object.sizeBytes !== sizeBytes) {
      object.cancel();
      throw damaged(objects, sha256, 'has another size');
    }
    const bytes = Buffer.concat(await Array.fromAsync(object.body));
    if (bytes.length !== sizeBytes || sha256Of(bytes) !== sha256) throw damaged(objects, sha256, 'is damaged');
    yield bytes;
  }
}

function damaged(objects: ObjectStorage, sha256: string, what: string): MirrorError {
  return new MirrorError(
    'source-corrupt',
    `${objects.name}: piece ${sha256} of a host backup ${what}; use another backup`,
  );
}
