/** Whether a host backup can be restored: everything that its manifest names is there, and on demand has its bytes. */
import { createHash } from 'node:crypto';
import type { CallOptions } from '../../call-options.ts';
import { isMirrorError } from '../../errors.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import { mapInOrder } from '../../streams/in-parallel.ts';
import { joinSorted } from '../../streams/merge-join.ts';
import { type ArchivedFile, type ArchivedVersion, archivedFiles } from './archived-files.ts';
import { fileKey, type HostKeys, parseBlobKey } from './backup-keys.ts';
import { readSavedDocument } from './documents.ts';
import { type ListedFile, readFileList } from './file-list.ts';
import { type BackupDocument, type BackupManifest, documentsOf } from './manifest.ts';
import { filesAtOnce } from './save-ahead.ts';

export interface CheckOptions extends CallOptions {
  /** Whether everything is read and hashed; otherwise names and sizes are compared. */
  readonly readBytes: boolean;
}

/** One part of a backup that is not as it should be. */
export interface BackupFlaw {
  readonly part: 'manifest' | 'file' | 'piece' | 'list';
  /** The name of a backup, the uuid of a file, the SHA-256 of a piece or list. */
  readonly name: string;
  readonly reason: 'missing' | 'damaged' | 'not-authentic';
}

/** Yields every flaw of what an authentic manifest names; none: it can be restored. Throws only what the archive throws. */
export async function* checkBackup(
  manifest: BackupManifest,
  objects: ObjectStorage,
  keys: HostKeys,
  options: CheckOptions,
): AsyncGenerator<BackupFlaw> {
  let flaws = 0;
  for await (const flaw of checkPieces(manifest, objects, keys, options)) {
    flaws += 1;
    yield flaw;
  }
  // Without its pieces the list cannot be read.
  if (flaws === 0) yield* checkFiles(manifest, objects, keys, options);
}

type Piece = BackupDocument['pieces'][number];

async function* checkPieces(
  manifest: BackupManifest,
  objects: ObjectStorage,
  keys: HostKeys,
  { readBytes, signal }: CheckOptions,
): AsyncGenerator<BackupFlaw> {
  const pairs = joinSorted(
    distinctPieces(manifest),
    archivedPieces(objects, keys, { signal }),
    ({ sha256 }) => sha256,
    ({ sha256 }) => sha256,
  );
  for await (const { left, right } of pairs) {
    if (left === undefined) continue;
    const flaw = (reason: BackupFlaw['reason']): BackupFlaw => ({ part: 'piece', name: left.sha256, reason });
    if (right === undefined) yield flaw('missing');
    else if (right.sizeBytes !== left.sizeBytes) yield flaw('damaged');
    else if (readBytes && !(await pieceIsGood(objects, keys, left, { signal }))) yield flaw('damaged');
  }
}

async function* distinctPieces(manifest: BackupManifest): AsyncGenerator<Piece> {
  const pieces = documentsOf(manifest).flatMap((document) => document.pieces);
  const distinct = new Map(pieces.map((piece) => [piece.sha256, piece]));
  yield* [...distinct.values()].sort((left, right) => (left.sha256 < right.sha256 ? -1 : 1));
}

/** The pieces that the archive holds of a host, in ascending order. */
export async function* archivedPieces(
  objects: ObjectStorage,
  keys: HostKeys,
  options?: CallOptions,
): AsyncGenerator<ArchivedVersion> {
  for await (const { key, sizeBytes, lastModified } of objects.list(keys.blobs, options)) {
    const sha256 = parseBlobKey(keys, key);
    if (sha256 !== undefined) yield { sha256, sizeBytes, writtenAt: lastModified };
  }
}

async function pieceIsGood(
  objects: ObjectStorage,
  keys: HostKeys,
  piece: Piece,
  options: CallOptions,
): Promise<boolean> {
  try {
    for await (const _ of readSavedDocument(objects, keys, { ...piece, pieces: [piece] }, options));
    return true;
  } catch (error) {
    if (isMirrorError(error, 'source-corrupt')) return false;
    throw error;
  }
}

async function* checkFiles(
  { storage }: BackupManifest,
  objects: ObjectStorage,
  keys: HostKeys,
  options: CheckOptions,
): AsyncGenerator<BackupFlaw> {
  const { signal } = options;
  let files = 0;
  try {
    const pairs = joinSorted(
      readFileList(readSavedDocument(objects, keys, storage.list, { signal })),
      archivedFiles(objects, keys, { signal }),
      ({ uuid }) => uuid,
      ({ uuid }) => uuid,
    );
    for await (const flaw of mapInOrder(pairs, filesAtOnce, async ({ left, right }) => {
      if (left?.content !== undefined) files += 1;
      return left === undefined ? undefined : checkFile(left, right, objects, keys, options);
    })) {
      if (flaw !== undefined) yield flaw;
    }
  } catch (error) {
    if (!isMirrorError(error, 'source-corrupt', 'archive-format')) throw error;
    yield { part: 'list', name: storage.list.sha256, reason: 'damaged' };
    return;
  }
  if (files !== storage.files) yield { part: 'list', name: storage.list.sha256, reason: 'damaged' };
}

async function checkFile(
  { uuid, content }: ListedFile,
  archived: ArchivedFile | undefined,
  objects: ObjectStorage,
  keys: HostKeys,
  { readBytes, signal }: CheckOptions,
): Promise<BackupFlaw | undefined> {
  // The server itself had lost it.
  if (content === undefined) return undefined;
  const flaw = (reason: BackupFlaw['reason']): BackupFlaw => ({ part: 'file', name: uuid, reason });
  const version = archived?.versions.find(({ sha256 }) => sha256 === content.sha256);
  if (version === undefined) return flaw('missing');
  if (version.sizeBytes !== content.sizeBytes) return flaw('damaged');
  if (!readBytes) return undefined;
  const object = await objects.get(fileKey(keys, uuid, content.sha256), { signal });
  if (object === undefined) return flaw('missing');
  const hash = createHash('sha256');
  for await (const chunk of object.body) hash.update(chunk);
  return hash.digest('hex') === content.sha256 ? undefined : flaw('damaged');
}
