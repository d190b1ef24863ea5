/**
 * Restoring a host backup: the files first, the index last, so that no Orthanc finds an index whose files are not all
 * there. Everything is verified against the manifest while it is written. A restore that was interrupted goes on when it
 * is run again.
 */
import { isAbsolute, join, sep } from 'node:path';
import { MirrorError } from '../../errors.ts';
import { md5Of } from '../../identifiers.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import type { CallOptions } from '../../stores/store.ts';
import { inParallel } from '../in-parallel.ts';
import { checkIntegrity } from '../index/sqlite-database.ts';
import { hashFile, storagePath } from '../storage/folder-storage.ts';
import type { HostKeys } from './backup-keys.ts';
import { readSavedDocument } from './documents.ts';
import { type ListedFile, readFileList } from './file-list.ts';
import type { NamedBackup } from './manifest.ts';
import { type DatabaseLocation, refuseUnfitDatabase, restoreDatabase } from './restore-database.ts';
import { occupied, restoreFile, writeFileWhole } from './restore-files.ts';
import { claimPlaces, type RestorePlaces, releasePlaces } from './restore-places.ts';
import { filesAtOnce } from './save-ahead.ts';
import { openConfiguration } from './saved-configuration.ts';

export interface RestoreOptions extends CallOptions {
  /** Opens the configuration; without it, it is not restored. */
  readonly passphrase: string | undefined;
  /** An empty database to restore a dump into; without it the dump is written to a file. */
  readonly database: DatabaseLocation | undefined;
  readonly onRestored?: ((sizeBytes: number) => void) | undefined;
}

export interface RestoreResult {
  readonly files: number;
  /** Files that were not there yet from an interrupted restore. */
  readonly writtenFiles: number;
  /** Files that the backup itself lacks. */
  readonly missing: number;
  readonly configurationFiles: readonly string[];
}

/**
 * Restores a backup. Throws `configuration` (not empty, wrong passphrase), `source-corrupt` (the archive lacks a part,
 * or it is damaged), `full`, and what the archive throws.
 */
export async function restoreHost(
  backup: NamedBackup,
  objects: ObjectStorage,
  keys: HostKeys,
  places: RestorePlaces,
  options: RestoreOptions,
): Promise<RestoreResult> {
  if (options.database !== undefined) await refuseUnfitDatabase(options.database, backup);
  await claimPlaces(places, backup.id);
  const configurationFiles = await restoreConfiguration(backup, objects, keys, places, options);
  const counts = await restoreStorage(backup, objects, keys, places, options);
  await restoreIndex(backup, objects, keys, places, options);
  await releasePlaces(places);
  return { ...counts, configurationFiles };
}

async function restoreConfiguration(
  { manifest }: NamedBackup,
  objects: ObjectStorage,
  keys: HostKeys,
  places: RestorePlaces,
  { passphrase, signal }: RestoreOptions,
): Promise<readonly string[]> {
  const { configuration } = manifest;
  if (configuration === undefined || passphrase === undefined) return [];
  const written: string[] = [];
  for await (const { path, mode, bytes } of openConfiguration(objects, keys, configuration, passphrase, { signal })) {
    const target = places.configurationFile(path);
    const present = await hashFile(target, { signal });
    if (present !== undefined && present.md5 !== md5Of(bytes)) throw occupied(target);
    await writeFileWhole(target, inOnePiece(bytes), mode);
    written.push(target);
  }
  return written;
}

async function restoreStorage(
  { manifest }: NamedBackup,
  objects: ObjectStorage,
  keys: HostKeys,
  places: RestorePlaces,
  { signal, onRestored }: RestoreOptions,
): Promise<Pick<RestoreResult, 'files' | 'writtenFiles' | 'missing'>> {
  const counts = { files: 0, writtenFiles: 0, missing: 0 };
  const list = readFileList(readSavedDocument(objects, keys, manifest.storage.list, { signal }));
  const results = inParallel(list, filesAtOnce, async (file) => {
    const { uuid, md5, bytes } = file;
    if (md5 === undefined) return undefined;
    const written = await restoreFile(objects, keys, { uuid, md5, path: placeOf(places.storage, file) }, { signal });
    return { written, bytes: bytes ?? 0 };
  });
  for await (const result of results) {
    if (result === undefined) {
      counts.missing += 1;
      continue;
    }
    counts.files += 1;
    if (result.written) counts.writtenFiles += 1;
    onRestored?.(result.bytes);
  }
  if (counts.files !== manifest.storage.files) {
    throw new MirrorError('source-corrupt', 'the list of files of this backup is not the one of its manifest');
  }
  return counts;
}

/** A file that a plugin keeps elsewhere, by an absolute path, goes back there; everything else below the storage. */
function placeOf(storage: string, { uuid, path }: ListedFile): string {
  if (path === undefined) return join(storage, storagePath(uuid));
  if (isAbsolute(path)) return path;
  const place = join(storage, path);
  if (place.startsWith(`${storage}${sep}`)) return place;
  throw new MirrorError('source-corrupt', `the list of this backup names a place outside of the storage for ${uuid}`);
}

async function restoreIndex(
  { id, manifest }: NamedBackup,
  objects: ObjectStorage,
  keys: HostKeys,
  places: RestorePlaces,
  { database, signal }: RestoreOptions,
): Promise<void> {
  const { kind, document } = manifest.index;
  const source = readSavedDocument(objects, keys, document, { signal });
  if (database !== undefined) {
    await restoreDatabase(database, source, id, signal);
    return;
  }
  await writeFileWhole(places.index, source);
  if (kind === 'sqlite') checkIntegrity(places.index);
}

async function* inOnePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
