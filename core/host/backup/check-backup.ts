/** Whether a host backup can be restored: everything that its manifest names is there, and on demand has its bytes. */
import { createHash } from 'node:crypto';
import { isMirrorError } from '../../errors.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import type { CallOptions } from '../../stores/store.ts';
import { inParallel } from '../in-parallel.ts';
import { joinSorted } from '../join-sorted.ts';
import { type ArchivedFile, archivedFiles } from './archived-files.ts';
import { blobKey, fileKey, type HostKeys } from './backup-keys.ts';
import { readSavedDocument } from './documents.ts';
import { type ListedFile, readFileList } from './file-list.ts';
import type { BackupDocument, BackupManifest, NamedBackup } from './manifest.ts';
import { filesAtOnce } from './save-ahead.ts';

export interface CheckOptions extends CallOptions {
  /** Whether everything is read and hashed; otherwise names and sizes are compared. */
  readonly readBytes: boolean;
}

/** One part of a backup that is not as it should be. */
export interface BackupFlaw {
  readonly part: 'file' | 'piece' | 'list';
  /** The uuid of a file, the SHA-256 of a piece. */
  readonly name: string;
  readonly reason: 'missing' | 'damaged';
}

/** Yields every flaw; none: the backup can be restored. Throws only what the archive throws. */
export async function* checkBackup(
  { manifest }: NamedBackup,
  objects: ObjectStorage,
  keys: HostKeys,
  options: CheckOptions,
): AsyncGenerator<BackupFlaw> {
  let flaws = 0;
  for await (const flaw of checkPieces(documentsOf(manifest), objects, keys, options)) {
    flaws += 1;
    yield flaw;
  }
  // Without its pieces the list cannot be read.
  if (flaws === 0) yield* checkFiles(manifest, objects, keys, options);
}

/** All documents of a backup. */
export function documentsOf(manifest: BackupManifest): readonly BackupDocument[] {
  const encrypted = manifest.configuration?.files.map((file) => file.encrypted) ?? [];
  return [manifest.index.document, manifest.storage.list, ...encrypted];
}

async function* checkPieces(
  documents: readonly BackupDocument[],
  objects: ObjectStorage,
  keys: HostKeys,
  { readBytes, signal }: CheckOptions,
): AsyncGenerator<BackupFlaw> {
  for (const { sha256, sizeBytes } of documents.flatMap(({ pieces }) => pieces)) {
    const found = await objects.head(blobKey(keys, sha256), { signal });
    if (found === undefined) yield { part: 'piece', name: sha256, reason: 'missing' };
    else if (found.sizeBytes !== sizeBytes) yield { part: 'piece', name: sha256, reason: 'damaged' };
    else if (readBytes && !(await pieceIsGood(objects, keys, { sha256, sizeBytes }, signal))) {
      yield { part: 'piece', name: sha256, reason: 'damaged' };
    }
  }
}

async function pieceIsGood(
  objects: ObjectStorage,
  keys: HostKeys,
  piece: BackupDocument['pieces'][number],
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    for await (const _ of readSavedDocument(objects, keys, { ...piece, pieces: [piece] }, { signal }));
    return true;
  } catch (error) {
    if (isMirrorError(error, 'source-corrupt')) return false;
    throw error;
  }
}

async function* checkFiles(
  manifest: BackupManifest,
  objects: ObjectStorage,
  keys: HostKeys,
  options: CheckOptions,
): AsyncGenerator<BackupFlaw> {
  const { signal } = options;
  let files = 0;
  try {
    const pairs = joinSorted(
      readFileList(readSavedDocument(objects, keys, manifest.storage.list, { signal })),
      archivedFiles(objects, keys, { signal }),
      ({ uuid }) => uuid,
      ({ uuid }) => uuid,
    );
    for await (const flaw of inParallel(pairs, filesAtOnce, async ({ left, right }) => {
      if (left?.md5 !== undefined) files += 1;
      return left === undefined ? undefined : checkFile(left, right, objects, keys, options);
    })) {
      if (flaw !== undefined) yield flaw;
    }
  } catch (error) {
    if (!isMirrorError(error, 'source-corrupt', 'archive-format')) throw error;
    yield { part: 'list', name: manifest.storage.list.sha256, reason: 'damaged' };
    return;
  }
  if (files !== manifest.storage.files) {
    yield { part: 'list', name: manifest.storage.list.sha256, reason: 'damaged' };
  }
}

async function checkFile(
  { uuid, md5, bytes }: ListedFile,
  archived: ArchivedFile | undefined,
  objects: ObjectStorage,
  keys: HostKeys,
  { readBytes, signal }: CheckOptions,
): Promise<BackupFlaw | undefined> {
  // The server itself had lost it.
  if (md5 === undefined) return undefined;
  const version = archived?.versions.find((candidate) => candidate.md5 === md5);
  if (version === undefined) return { part: 'file', name: uuid, reason: 'missing' };
  if (version.sizeBytes !== bytes) return { part: 'file', name: uuid, reason: 'damaged' };
  if (!readBytes) return undefined;
  const object = await objects.get(fileKey(keys, uuid, md5), { signal });
  if (object === undefined) return { part: 'file', name: uuid, reason: 'missing' };
  const hash = createHash('md5');
  for await (const chunk of object.body) hash.update(chunk);
  return hash.digest('hex') === md5 ? undefined : { part: 'file', name: uuid, reason: 'damaged' };
}
