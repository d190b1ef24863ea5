/** Copying one storage file to the archive, under its uuid and the SHA-256 of its bytes. */
import type { FileHandle } from 'node:fs/promises';
import type { CallOptions } from '../../call-options.ts';
import { MirrorError } from '../../errors.ts';
import {
  type ContentHashes,
  chunksOf,
  hashesOf,
  hashesOfWhole,
  wholeBytesOf,
} from '../../orthanc-disk/files/file-bytes.ts';
import { fileError } from '../../orthanc-disk/files/file-error.ts';
import type { OpenFile } from '../../orthanc-disk/files/held-folder.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import { provenChunks } from '../../streams/proven-chunks.ts';
import type { ArchivedFile } from './archived-files.ts';
import { fileKey, type HostKeys } from './backup-keys.ts';

/** Up to this size a file is read once and held in memory; larger ones are hashed first and then streamed. */
const inMemoryBytes = 8 * 1024 * 1024;

/** Where the files of a host are saved. */
export interface FileArchive {
  readonly objects: ObjectStorage;
  readonly keys: HostKeys;
}

/** What was saved of a file. */
export interface SavedFile extends ContentHashes {
  /** Whether the archive lacked it. */
  readonly isNew: boolean;
}

/**
 * Saves an open file as it is, unless the archive holds these very bytes; the file stays open. May be repeated after
 * any error. Throws `source-corrupt` if the disk cannot read it, `hash-mismatch` or `body-short` if it changed meanwhile,
 * and what the archive throws.
 * @param archived what the archive holds of it, as far as that is known
 */
export async function saveFile(
  { objects, keys }: FileArchive,
  uuid: string,
  { handle, stats }: OpenFile,
  archived: ArchivedFile | undefined,
  { signal }: CallOptions = {},
): Promise<SavedFile> {
  const chunks = () => readable(uuid, chunksOf(handle, stats.size, signal));
  const bytes = stats.size <= inMemoryBytes ? await readWhole(uuid, handle, stats.size) : undefined;
  const hashes = bytes === undefined ? await hashesOf(chunks()) : hashesOfWhole(bytes);
  const { sha256, md5, sizeBytes } = hashes;
  if (archived?.versions.some((one) => one.sha256 === sha256 && one.sizeBytes === sizeBytes)) {
    return { ...hashes, isNew: false };
  }
  const changed = () => new MirrorError('hash-mismatch', `file ${uuid} changed while it was read`);
  const body = bytes ?? provenChunks(chunks(), { sha256 }, changed);
  await objects.putOnce(fileKey(keys, uuid, sha256), body, { sizeBytes, md5, signal });
  return { ...hashes, isNew: true };
}

async function readWhole(uuid: string, handle: FileHandle, sizeBytes: number): Promise<Buffer> {
  try {
    return await wholeBytesOf(handle, sizeBytes);
  } catch (error) {
    throw unreadable(uuid, error);
  }
}

async function* readable(uuid: string, chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* chunks;
  } catch (error) {
    throw unreadable(uuid, error);
  }
}

function unreadable(uuid: string, error: unknown): MirrorError {
  return fileError(error, `file ${uuid}`, 'source-corrupt');
}
