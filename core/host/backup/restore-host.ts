/**
 * Restoring a host backup: the files first, the index last, so that no Orthanc finds an index whose files are not all
 * there. Everything is verified against the manifest while it is written. A restore that was interrupted goes on when it
 * is run again.
 */
import { basename, dirname } from 'node:path';
import type { CallOptions } from '../../call-options.ts';
import { MirrorError } from '../../errors.ts';
import { hashesOfWhole } from '../../orthanc-disk/files/file-bytes.ts';
import type { HeldFolder } from '../../orthanc-disk/files/held-folder.ts';
import { checkIntegrity } from '../../orthanc-disk/index/sqlite-database.ts';
import { storagePath } from '../../orthanc-disk/storage/storage-names.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import { mapInOrder } from '../../streams/in-parallel.ts';
import type { HostKeys } from './backup-keys.ts';
import { readSavedDocument } from './documents.ts';
import { type ListedFile, readFileList } from './file-list.ts';
import type { AuthenticBackup, UnprovenBackup } from './found-backups.ts';
import type { BackupManifest } from './manifest.ts';
import { type DatabaseLocation, refuseUnfitDatabase, restoreDatabase } from './restore-database.ts';
import { hashesOfFile, occupied, restoreFile, writeFileWhole } from './restore-files.ts';
import {
  claimPlaces,
  openRestoreFolder,
  originalPlaces,
  pathOfFile,
  placesBelow,
  type RestorePlaces,
  releasePlaces,
} from './restore-places.ts';
import { filesAtOnce } from './save-ahead.ts';
import { openConfiguration } from './saved-configuration.ts';

/** Where a backup goes. Only one that was authenticated may say itself where that is. */
export type RestoreTarget = { readonly folder: string } | 'original-paths';

export interface RestoreOptions extends CallOptions {
  /** An empty database to restore a dump into; without it the dump is written to a file. */
  readonly database: DatabaseLocation | undefined;
  readonly onRestored?: ((sizeBytes: number) => void) | undefined;
}

export interface RestoreResult {
  readonly places: RestorePlaces;
  readonly files: number;
  /** Files that were not there yet from an interrupted restore. */
  readonly writtenFiles: number;
  /** Files that the backup itself lacks. */
  readonly missing: number;
  readonly configurationFiles: readonly string[];
}

/** Where everything of a backup goes. Throws `configuration`. */
export function restorePlaces(manifest: BackupManifest, target: RestoreTarget): RestorePlaces {
  return target === 'original-paths' ? originalPlaces(manifest) : placesBelow(target.folder, manifest);
}

/**
 * Restores an authentic backup. Throws `configuration` (not empty), `refused` (a link in the way), `source-corrupt` or
 * `not-authentic` (the archive lacks a part, or it is damaged), `full`, and what the archive throws.
 */
export async function restoreHost(
  backup: AuthenticBackup,
  objects: ObjectStorage,
  keys: HostKeys,
  target: RestoreTarget,
  options: RestoreOptions,
): Promise<RestoreResult> {
  const { id, manifest } = backup;
  const places = restorePlaces(manifest, target);
  if (options.database !== undefined) await refuseUnfitDatabase(options.database, id, manifest);
  await claimPlaces(places, id);
  const configurationFiles = await restoreConfiguration(backup, objects, keys, places, options);
  return restoreData({ id, manifest, objects, keys, places }, configurationFiles, options);
}

/**
 * Restores what a backup says that it consists of, although anybody may have made it: to a folder only, without its
 * configuration, into no database. Throws like {@link restoreHost}, and `not-authentic` if it cannot even be read.
 */
export async function restoreUnproven(
  { id, manifest, reason }: UnprovenBackup,
  objects: ObjectStorage,
  keys: HostKeys,
  folder: string,
  options: Omit<RestoreOptions, 'database'>,
): Promise<RestoreResult> {
  if (manifest === undefined) throw new MirrorError('not-authentic', `backup ${id} cannot be read: ${reason}`);
  const places = placesBelow(folder, manifest);
  await claimPlaces(places, id);
  return restoreData({ id, manifest, objects, keys, places }, [], { ...options, database: undefined });
}

/** A backup that is being restored, and where to. */
interface Restoring {
  readonly id: string;
  readonly manifest: BackupManifest;
  readonly objects: ObjectStorage;
  readonly keys: HostKeys;
  readonly places: RestorePlaces;
}

async function restoreData(
  restoring: Restoring,
  configurationFiles: readonly string[],
  options: RestoreOptions,
): Promise<RestoreResult> {
  const { places } = restoring;
  const counts = await restoreStorage(restoring, options);
  await restoreIndex(restoring, options);
  await releasePlaces(places);
  return { places, ...counts, configurationFiles };
}

async function restoreConfiguration(
  { manifest, keys: secrets }: AuthenticBackup,
  objects: ObjectStorage,
  keys: HostKeys,
  places: RestorePlaces,
  { signal }: RestoreOptions,
): Promise<readonly string[]> {
  if (manifest.configuration === null) return [];
  const written: string[] = [];
  const files = openConfiguration(objects, keys, manifest.configuration, secrets, { signal });
  for await (const { mode, bytes } of files) {
    const place = places.configuration[written.length];
    if (place === undefined) throw new TypeError('a configuration file has no place');
    await using folder = await openRestoreFolder(place.folder);
    const present = await hashesOfFile(folder, place.name, { signal });
    if (present !== undefined && present.sha256 !== hashesOfWhole(bytes).sha256) throw occupied(pathOfFile(place));
    if (present === undefined) await writeFileWhole(folder, place.name, [bytes], mode);
    written.push(pathOfFile(place));
  }
  return written;
}

async function restoreStorage(
  { manifest: { storage }, objects, keys, places }: Restoring,
  { signal, onRestored }: RestoreOptions,
): Promise<Pick<RestoreResult, 'files' | 'writtenFiles' | 'missing'>> {
  const counts = { files: 0, writtenFiles: 0, missing: 0 };
  const folders: HeldFolder[] = [];
  try {
    for (const folder of places.storage) folders.push(await openRestoreFolder(folder));
    const list = readFileList(readSavedDocument(objects, keys, storage.list, { signal }));
    const results = mapInOrder(list, filesAtOnce, async (file) => {
      const { uuid, content } = file;
      if (content === undefined) return undefined;
      const { folder, name } = await placeOf(folders, file);
      await using _ = folder;
      const written = await restoreFile(objects, keys, { uuid, content, folder, name }, { signal });
      return { written, bytes: content.sizeBytes };
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
  } finally {
    await Promise.allSettled(folders.map((folder) => folder[Symbol.asyncDispose]()));
  }
  if (counts.files !== storage.files) {
    throw new MirrorError('source-corrupt', 'the list of files of this backup is not the one of its manifest');
  }
  return counts;
}

/** The folder that a file goes to, created if it is missing. */
async function placeOf(
  folders: readonly HeldFolder[],
  { uuid, place }: ListedFile,
): Promise<{ readonly folder: HeldFolder; readonly name: string }> {
  const { folder: number, path } = place ?? { folder: 0, path: storagePath(uuid) };
  const above = dirname(path);
  const folder = await folders[number]?.descend(above === '.' ? '' : above, { create: true });
  if (folder !== undefined) return { folder, name: basename(path) };
  throw new MirrorError('source-corrupt', `the list of this backup names a folder for ${uuid} that its manifest lacks`);
}

async function restoreIndex(
  { id, manifest: { index }, objects, keys, places }: Restoring,
  { database, signal }: RestoreOptions,
): Promise<void> {
  const source = readSavedDocument(objects, keys, index.document, { signal });
  if (database !== undefined) {
    await restoreDatabase(database, source, id, signal);
    return;
  }
  await using folder = await openRestoreFolder(places.index.folder);
  const present = await hashesOfFile(folder, places.index.name, { signal });
  if (present !== undefined && present.sha256 !== index.document.sha256) throw occupied(pathOfFile(places.index));
  if (present === undefined) await writeFileWhole(folder, places.index.name, source);
  if (index.kind === 'sqlite') checkIntegrity(folder.at(places.index.name), pathOfFile(places.index));
}
