/**
 * Unfolds what was found until files are left that hold something themselves: looks into archives, decompresses,
 * decrypts, one layer after the other, each within limits.
 */
import { isMirrorError, MirrorError } from '../errors.ts';
import type { MasterKeys } from '../orthanc-disk/object-encryption.ts';
import type { StorageRole } from '../orthanc-disk/storage/storage-names.ts';
import { storageRoleOf } from '../orthanc-disk/storage/storage-names.ts';
import type { HoldingPlace } from '../streams/holding-place.ts';
import type { RereadableBytes } from '../streams/rereadable-bytes.ts';
import { isSystemError, memoryBytes, openForReading, readError } from '../streams/rereadable-bytes.ts';
import { decrypted, gunzipped, inflatedStorageFile } from './decoded-bytes.ts';
import { ExpansionBudget, type ExpansionLimits } from './expansion-limits.ts';
import type { Found, FoundAt } from './found.ts';
import { type FileKind, sniff, sniffBytes } from './sniff.ts';
import { tarMembers } from './tar-members.ts';
import { type OpenArchive, zipMembers } from './zip-members.ts';

/** What is left when everything is unfolded. */
export type Leaf =
  /** A DICOM file, as far as its first bytes tell. */
  | {
      readonly kind: 'dicom';
      readonly found: Found;
      /** Whether it lies compressed in an Orthanc storage. */
      readonly isCompressedStorage: boolean;
    }
  | { readonly kind: 'json-summary' | 'encrypted'; readonly found: Found }
  | { readonly kind: 'other'; readonly found: Found; readonly what: string; readonly mayBeDamage: boolean }
  /** A folder, link or device in an archive. */
  | { readonly kind: 'no-file'; readonly at: FoundAt; readonly what: string }
  | {
      readonly kind: 'error';
      readonly at: FoundAt;
      readonly storage: StorageRole | undefined;
      readonly error: MirrorError;
    };

export interface UnfoldContext {
  readonly limits: ExpansionLimits;
  readonly holdingPlace: HoldingPlace;
  readonly masterKeys: MasterKeys;
}

/** Files up to this size are read once, and kept until they are done with. */
const keptBytes = 1024 * 1024;

interface Layer {
  readonly found: Found;
  readonly depth: number;
  readonly isCompressedStorage: boolean;
  /** Whether only the end of the bytes proves them. */
  readonly isEncrypted: boolean;
}

/**
 * Unfolds one file on disk or in a bucket. Who takes a leaf releases its bytes.
 * Errors come as leaves, so that one bad member hides no other.
 */
export async function* unfold(found: Found, context: UnfoldContext): AsyncGenerator<Leaf> {
  const budget = new ExpansionBudget(context.limits, found.bytes.sizeBytes ?? 0);
  yield* unfoldLayer({ found, depth: 0, isCompressedStorage: false, isEncrypted: false }, budget, context);
}

async function* unfoldLayer(layer: Layer, budget: ExpansionBudget, context: UnfoldContext): AsyncGenerator<Leaf> {
  const { found } = layer;
  try {
    const looked = await look(found);
    const { kind } = looked;
    if (isLayer(kind) && layer.depth >= context.limits.maxDepth) {
      const message = `more than ${context.limits.maxDepth} archives lie in each other; unpack the outer ones first`;
      throw new MirrorError('refused', message);
    }
    yield* leavesOf({ ...layer, found: looked.found }, kind, budget, context);
  } catch (error) {
    found.bytes.release();
    yield errorLeaf(found, meaningOf(error));
  }
}

async function* leavesOf(
  layer: Layer,
  kind: FileKind,
  budget: ExpansionBudget,
  context: UnfoldContext,
): AsyncGenerator<Leaf> {
  const { found } = layer;
  const deeper = (bytes: RereadableBytes, trait: Partial<Layer> = {}) =>
    unfoldLayer({ ...layer, ...trait, found: { ...found, bytes }, depth: layer.depth + 1 }, budget, context);
  switch (kind.kind) {
    case 'dicom':
      yield { kind: 'dicom', found, isCompressedStorage: layer.isCompressedStorage };
      break;
    case 'json-summary':
      yield { kind: 'json-summary', found };
      break;
    case 'other':
      if (layer.isEncrypted) {
        // Under a wrong key everything looks like this.
        await readToEnd(found.bytes);
      }
      yield { kind: 'other', found, what: kind.what, mayBeDamage: kind.mayBeDamage };
      break;
    case 'gzip':
      yield* deeper(gunzipped(found.bytes, budget));
      break;
    case 'zlib-with-size':
      yield* deeper(inflatedStorageFile(found.bytes, kind.sizeBytes, budget), { isCompressedStorage: true });
      break;
    case 'encrypted':
      if (context.masterKeys.size === 0) {
        yield { kind: 'encrypted', found };
      } else {
        yield* deeper(decrypted(found.bytes, context.masterKeys), { isEncrypted: true });
      }
      break;
    case 'zip':
      yield* zipLeaves(layer, budget, context);
      break;
    case 'tar':
      yield* tarLeaves(layer, budget, context);
      break;
  }
}

function isLayer({ kind }: FileKind): boolean {
  return kind === 'zip' || kind === 'tar' || kind === 'gzip' || kind === 'zlib-with-size';
}

async function* zipLeaves(layer: Layer, budget: ExpansionBudget, context: UnfoldContext): AsyncGenerator<Leaf> {
  const archive = await openArchive(layer, context.holdingPlace);
  for await (const member of zipMembers(archive, layer.found.at, budget)) {
    switch (member.kind) {
      case 'file': {
        const found: Found = { at: member.at, bytes: member.bytes, storage: storageRoleOf(member.at.path) };
        yield* unfoldLayer({ ...layer, found, depth: layer.depth + 1 }, budget, context);
        break;
      }
      case 'unreadable':
        yield { kind: 'error', at: member.at, storage: undefined, error: member.error };
        break;
      case 'no-file':
        yield member;
        break;
    }
  }
}

/** Reads for the sake of the error at the end. */
async function readToEnd(bytes: RereadableBytes): Promise<void> {
  for await (const _ of bytes.read()) {
    // Nothing is kept.
  }
}

/** A zip is read from its end, so one that is no file itself is put into a nameless temporary file. */
async function openArchive({ found, depth }: Layer, holdingPlace: HoldingPlace): Promise<OpenArchive> {
  const { file, bytes } = found;
  if (file !== undefined && depth === 0) {
    const handle = await openForReading(file);
    return { handle, close: () => void handle.close().catch(() => undefined) };
  }
  try {
    const held = await holdingPlace.holdInFile(bytes.read());
    return { handle: held.handle, close: () => held.release() };
  } finally {
    bytes.release();
  }
}

async function* tarLeaves(layer: Layer, budget: ExpansionBudget, context: UnfoldContext): AsyncGenerator<Leaf> {
  try {
    for await (const member of tarMembers(layer.found.bytes.read(), layer.found.at, budget)) {
      if (member.body === undefined) {
        yield { kind: 'no-file', at: member.at, what: member.what };
      } else {
        const bytes = await held(member.body, context.holdingPlace);
        const found: Found = { at: member.at, bytes, storage: storageRoleOf(member.at.path) };
        yield* unfoldLayer({ ...layer, found, depth: layer.depth + 1 }, budget, context);
      }
    }
  } finally {
    layer.found.bytes.release();
  }
}

/** Holds a member of a tar, of one that is nothing to us only its first bytes. */
async function held(body: AsyncIterable<Uint8Array>, holdingPlace: HoldingPlace): Promise<RereadableBytes> {
  const chunks = body[Symbol.asyncIterator]();
  const prefix = await readPrefix(chunks, sniffBytes);
  const kind = sniff(prefix, undefined);
  if (kind.kind === 'other') {
    await chunks.return?.();
    return memoryBytes(prefix);
  }
  return holdingPlace.hold(startingWith(prefix, chunks));
}

async function* startingWith(prefix: Buffer, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield prefix;
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) {
      yield next.value;
    }
  } finally {
    await rest.return?.();
  }
}

/** Reads the first bytes, of a small file all, which are kept then. */
async function look(found: Found): Promise<{ readonly kind: FileKind; readonly found: Found }> {
  const { bytes } = found;
  const isSmall = bytes.sizeBytes !== undefined && bytes.sizeBytes <= keptBytes;
  const chunks = bytes.read()[Symbol.asyncIterator]();
  let prefix: Buffer;
  try {
    prefix = await readPrefix(chunks, isSmall ? Number.POSITIVE_INFINITY : sniffBytes);
  } finally {
    await chunks.return?.();
  }
  const kind = knownByName(sniff(prefix, bytes.sizeBytes), found);
  if (!isSmall) {
    return { kind, found };
  }
  bytes.release();
  return { kind, found: { ...found, bytes: memoryBytes(prefix) } };
}

/** The two bytes that mark an encrypted object prove little: it must also have the name of one. */
function knownByName(kind: FileKind, { at, storage }: Found): FileKind {
  const isPlausible = kind.kind !== 'encrypted' || storage !== undefined || at.path.endsWith('.enc');
  return isPlausible ? kind : { kind: 'other', what: 'unknown binary file', mayBeDamage: false };
}

async function readPrefix(chunks: AsyncIterator<Uint8Array>, wantedBytes: number): Promise<Buffer> {
  const read: Uint8Array[] = [];
  let readBytes = 0;
  while (readBytes < wantedBytes) {
    const next = await chunks.next();
    if (next.done === true) {
      break;
    }
    read.push(next.value);
    readBytes += next.value.byteLength;
  }
  return Buffer.concat(read);
}

function errorLeaf({ at, storage }: Found, error: MirrorError): Leaf {
  return { kind: 'error', at, storage, error };
}

function meaningOf(error: unknown): MirrorError {
  if (isMirrorError(error)) {
    return error;
  }
  if (isSystemError(error)) {
    return readError(error);
  }
  throw error;
}
