/**
 * Removing old host backups: first their manifests, then what no remaining manifest names. Only keys of the host's own
 * folder in `host-backups/` are ever deleted; instances of the archive lie elsewhere.
 */
import { MirrorError } from '../../errors.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import type { CallOptions } from '../../stores/store.ts';
import { joinSorted } from '../join-sorted.ts';
import { archivedFiles } from './archived-files.ts';
import { backupKey, fileKey, type HostKeys, hostBackupsFolder } from './backup-keys.ts';
import { withBackupLock } from './backup-lock.ts';
import { documentsOf } from './check-backup.ts';
import { readSavedDocument } from './documents.ts';
import { type ListedFile, readFileList } from './file-list.ts';
import { listBackupIds, type NamedBackup, readManifest } from './manifest.ts';
import { keptBackups, type RetentionRule } from './retention.ts';

export interface Removal {
  /** Names of the backups that were removed. */
  readonly removed: readonly string[];
  readonly removedFiles: number;
  readonly removedPieces: number;
}

/**
 * Removes the backups that the rule does not keep. A manifest that cannot be read stops it before anything is deleted.
 * Throws `archive-format`, `source-corrupt`, `busy`, and what the archive throws. May be repeated after any error.
 */
export function removeOldBackups(
  objects: ObjectStorage,
  keys: HostKeys,
  rule: RetentionRule,
  options: CallOptions = {},
): Promise<Removal> {
  return withBackupLock(objects, keys, async () => {
    const backups: NamedBackup[] = [];
    for (const id of await listBackupIds(objects, keys, options)) {
      backups.push(await readManifest(objects, keys, id, options));
    }
    const dated = backups.map(({ id, manifest }) => ({ id, takenAt: new Date(manifest.takenAt) }));
    const keptIds = keptBackups(dated, rule);
    const kept = backups.filter(({ id }) => keptIds.has(id));
    const removed = backups.filter(({ id }) => !keptIds.has(id)).map(({ id }) => id);
    // Also when nothing is removed: an interrupted run left what no backup names.
    for (const id of removed) await remove(objects, backupKey(keys, id), options);
    return {
      removed,
      removedFiles: await removeUnnamedFiles(kept, objects, keys, options),
      removedPieces: await removeUnnamedPieces(kept, objects, keys, options),
    };
  });
}

async function removeUnnamedFiles(
  kept: readonly NamedBackup[],
  objects: ObjectStorage,
  keys: HostKeys,
  options: CallOptions,
): Promise<number> {
  let removed = 0;
  const named = namedFiles(kept, objects, keys, options);
  const pairs = joinSorted(
    archivedFiles(objects, keys, options),
    named,
    ({ uuid }) => uuid,
    ({ uuid }) => uuid,
  );
  for await (const { left, right } of pairs) {
    for (const { md5 } of left?.versions ?? []) {
      if (left === undefined || right?.md5s.has(md5)) continue;
      await remove(objects, fileKey(keys, left.uuid, md5), options);
      removed += 1;
    }
  }
  return removed;
}

interface NamedFile {
  readonly uuid: string;
  readonly md5s: ReadonlySet<string>;
}

/** The lists of several backups as one, in ascending order of uuid. */
async function* namedFiles(
  kept: readonly NamedBackup[],
  objects: ObjectStorage,
  keys: HostKeys,
  options: CallOptions,
): AsyncGenerator<NamedFile> {
  const listed = (backup: NamedBackup): AsyncIterable<NamedFile> =>
    asNamed(readFileList(readSavedDocument(objects, keys, backup.manifest.storage.list, options)));
  let merged: AsyncIterable<NamedFile> = none();
  for (const backup of kept) merged = mergeNamed(merged, listed(backup));
  yield* merged;
}

async function* none(): AsyncGenerator<NamedFile> {}

async function* asNamed(files: AsyncIterable<ListedFile>): AsyncGenerator<NamedFile> {
  for await (const { uuid, md5 } of files) yield { uuid, md5s: new Set(md5 === undefined ? [] : [md5]) };
}

async function* mergeNamed(one: AsyncIterable<NamedFile>, other: AsyncIterable<NamedFile>): AsyncGenerator<NamedFile> {
  const pairs = joinSorted(
    one,
    other,
    ({ uuid }) => uuid,
    ({ uuid }) => uuid,
  );
  for await (const { key, left, right } of pairs) {
    yield { uuid: key, md5s: new Set([...(left?.md5s ?? []), ...(right?.md5s ?? [])]) };
  }
}

async function removeUnnamedPieces(
  kept: readonly NamedBackup[],
  objects: ObjectStorage,
  keys: HostKeys,
  options: CallOptions,
): Promise<number> {
  const pieces = kept.flatMap(({ manifest }) => documentsOf(manifest)).flatMap((document) => document.pieces);
  const named = new Set(pieces.map(({ sha256 }) => sha256));
  let removed = 0;
  for await (const { key } of objects.list(keys.blobs, options)) {
    if (named.has(key.slice(keys.blobs.length))) continue;
    await remove(objects, key, options);
    removed += 1;
  }
  return removed;
}

/** The only deletion of host backups. */
async function remove(objects: ObjectStorage, key: string, options: CallOptions): Promise<void> {
  if (!key.startsWith(hostBackupsFolder)) {
    throw new MirrorError('deletion-guard', `${key} is no part of a host backup and is not deleted`);
  }
  await objects.delete(key, options);
}
