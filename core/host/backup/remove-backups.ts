/**
 * Removing old host backups: first their manifests, then what no remaining manifest names. Only keys of the host's own
 * folder in `host-backups/` are ever deleted; instances of the archive lie elsewhere. Nothing is removed because of what
 * somebody without the passphrase wrote.
 */

import type { CallOptions } from '../../call-options.ts';
import { isMirrorError, MirrorError } from '../../errors.ts';
import { throwIfAborted } from '../../stores/aborted.ts';
import type { LeaseUse } from '../../stores/archive/lease.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import { joinSorted } from '../../streams/merge-join.ts';
import { type ArchivedVersion, archivedFiles } from './archived-files.ts';
import { backupKey, blobKey, fileKey, type HostKeys, hostBackupsFolder } from './backup-keys.ts';
import { underBackupLease } from './backup-lease.ts';
import type { Keyring } from './backup-secrets.ts';
import { archivedPieces, checkBackup } from './check-backup.ts';
import { readSavedDocument } from './documents.ts';
import { type ListedFile, readFileList } from './file-list.ts';
import { type AuthenticBackup, listBackupIds, readFound, type UnprovenBackup } from './found-backups.ts';
import { documentsOf } from './manifest.ts';
import { keptBackups, type RetentionRule, reliableTime } from './retention.ts';

/** A backup that the rule does not judge: it stays, and keeps no other from being removed. */
export interface UncountedBackup {
  readonly id: string;
  readonly reason: string;
}

/** What is to be removed, before it is. */
export interface RemovalPlan {
  readonly remove: readonly { readonly id: string; readonly writtenAt: Date }[];
  readonly keep: readonly string[];
  /** The time of the newest backup that is kept; `undefined`: there is none. */
  readonly newestAt: Date | undefined;
  readonly uncounted: readonly UncountedBackup[];
}

export interface RemovalOptions extends CallOptions {
  readonly keyring: Keyring;
  /** More than these are not removed at once. */
  readonly maxRemovals: number;
  /** Only plans. */
  readonly dryRun: boolean;
  /** Told before anything is removed. */
  readonly onPlan: (plan: RemovalPlan) => void;
  readonly now?: Date | undefined;
}

export interface Removal {
  /** Names of the backups that were removed. */
  readonly removed: readonly string[];
  readonly removedFiles: number;
  readonly removedPieces: number;
  /** Why what no backup names was left where it is; `undefined`: it was removed. */
  readonly leftBecause: string | undefined;
}

/**
 * Removes the backups that the rule does not keep; the newest complete one always stays. May be repeated after any error.
 * Throws `deletion-guard` before anything is removed: none of the backups is authentic and complete, or too many would
 * be removed. Also `source-corrupt`, `busy`, `lease-lost`, and what the archive throws.
 */
export function removeOldBackups(
  objects: ObjectStorage,
  keys: HostKeys,
  rule: RetentionRule,
  options: RemovalOptions,
): Promise<Removal> {
  if (options.dryRun) {
    const archive = { objects, keys, call: { signal: options.signal } };
    return prepare(archive, rule, options).then(() => nothingRemoved);
  }
  return underBackupLease(objects, keys, options.signal, async (lease) => {
    const archive = { objects, keys, call: { signal: lease.signal } };
    const { backups, plan } = await prepare(archive, rule, options);
    return removePlanned(archive, backups, plan, lease);
  });
}

const nothingRemoved: Removal = { removed: [], removedFiles: 0, removedPieces: 0, leftBecause: undefined };

/** The part of an archive that is worked on. */
interface Archive {
  readonly objects: ObjectStorage;
  readonly keys: HostKeys;
  readonly call: CallOptions;
}

interface AllBackups {
  readonly authentic: readonly AuthenticBackup[];
  readonly unproven: readonly UnprovenBackup[];
}

/** Plans, tells the plan, and refuses it if it removes too many. */
async function prepare(
  archive: Archive,
  rule: RetentionRule,
  { keyring, now = new Date(), maxRemovals, onPlan }: RemovalOptions,
): Promise<{ readonly backups: AllBackups; readonly plan: RemovalPlan }> {
  const backups = await readAll(archive, keyring);
  const plan = await planRemoval(archive, backups, rule, now);
  onPlan(plan);
  refuseTooMany(plan, maxRemovals);
  return { backups, plan };
}

async function readAll({ objects, keys, call }: Archive, keyring: Keyring): Promise<AllBackups> {
  const authentic: AuthenticBackup[] = [];
  const unproven: UnprovenBackup[] = [];
  for (const id of (await listBackupIds(objects, keys, call)).reverse()) {
    const found = await readFound(objects, keys, id, keyring, call);
    if (found.isAuthentic) authentic.push(found);
    else unproven.push(found);
  }
  return { authentic, unproven };
}

async function planRemoval(
  archive: Archive,
  { authentic, unproven }: AllBackups,
  rule: RetentionRule,
  now: Date,
): Promise<RemovalPlan> {
  const uncounted = unproven.map(({ id, reason }) => ({ id, reason: `it is not authenticated: ${reason}` }));
  const dated = authentic.flatMap(({ id, manifest, writtenAt }) => {
    const takenAt = reliableTime(new Date(manifest.takenAt), writtenAt, now);
    if (takenAt !== undefined) return [{ id, takenAt, manifest }];
    uncounted.push({ id, reason: 'its time and that of the archive differ, or lie in the future' });
    return [];
  });
  const newestFirst = dated.toSorted((left, right) => right.takenAt.getTime() - left.takenAt.getTime());
  while (newestFirst[0] !== undefined && !(await isComplete(archive, newestFirst[0].manifest))) {
    uncounted.push({ id: newestFirst[0].id, reason: 'parts of it are missing; see "orthanc-mirror backup check"' });
    newestFirst.shift();
  }
  if (newestFirst.length === 0 && authentic.length + unproven.length > 0) {
    throw new MirrorError(
      'deletion-guard',
      `nothing is removed: no backup of ${archive.keys.host} is authentic, complete and of a time that can be relied ` +
        `on; the newest: ${uncounted[0]?.id}, because ${uncounted[0]?.reason}`,
    );
  }
  const kept = keptBackups(newestFirst, rule);
  return {
    remove: newestFirst.filter(({ id }) => !kept.has(id)).map(({ id, takenAt }) => ({ id, writtenAt: takenAt })),
    keep: [...kept],
    newestAt: newestFirst[0]?.takenAt,
    uncounted,
  };
}

async function isComplete({ objects, keys, call }: Archive, manifest: AuthenticBackup['manifest']): Promise<boolean> {
  for await (const _ of checkBackup(manifest, objects, keys, { ...call, readBytes: false })) return false;
  return true;
}

function refuseTooMany({ remove }: RemovalPlan, most: number): void {
  if (remove.length <= most) return;
  throw new MirrorError(
    'deletion-guard',
    `${remove.length} backups would be removed, more than ${most} at once; if that is right, allow for ` +
      `${remove.length} removals`,
    { advice: 'allow-more-removals' },
  );
}

async function removePlanned(
  archive: Archive,
  { authentic, unproven }: AllBackups,
  { remove: planned, newestAt }: RemovalPlan,
  lease: LeaseUse,
): Promise<Removal> {
  const removed = planned.map(({ id }) => id);
  const remaining = authentic.filter(({ id }) => !removed.includes(id));
  await lease.confirm();
  for (const id of removed) await remove(archive, backupKey(archive.keys, id));
  if (unproven.length > 0) {
    // What they consist of can neither be believed nor, if they are good ones, be taken from them.
    const leftBecause = `${unproven.length} backups are not authenticated and may need it`;
    return { ...nothingRemoved, removed, leftBecause };
  }
  // Also when nothing was removed: an interrupted run left what no backup names.
  return { removed, ...(await removeUnnamed(archive, remaining, newestAt)) };
}

/**
 * Removes what no backup names. What came after the newest of them stays: perhaps a backup was interrupted, and the next
 * one uses it, or somebody took a manifest away.
 */
async function removeUnnamed(
  archive: Archive,
  remaining: readonly AuthenticBackup[],
  newestAt: Date | undefined,
): Promise<Omit<Removal, 'removed'>> {
  const isOld = ({ writtenAt }: ArchivedVersion): boolean => newestAt !== undefined && writtenAt <= newestAt;
  try {
    const removedFiles = await removeUnnamedFiles(archive, remaining, isOld);
    const removedPieces = await removeUnnamedPieces(archive, remaining, isOld);
    return { removedFiles, removedPieces, leftBecause: undefined };
  } catch (error) {
    if (!isMirrorError(error, 'source-corrupt', 'archive-format')) throw error;
    return { ...nothingRemoved, leftBecause: `a backup that stays is damaged (${error.message})` };
  }
}

async function removeUnnamedFiles(
  archive: Archive,
  remaining: readonly AuthenticBackup[],
  isOld: (version: ArchivedVersion) => boolean,
): Promise<number> {
  let removed = 0;
  const pairs = joinSorted(
    archivedFiles(archive.objects, archive.keys, archive.call),
    namedFiles(archive, remaining),
    ({ uuid }) => uuid,
    ({ uuid }) => uuid,
  );
  for await (const { left, right } of pairs) {
    for (const version of left?.versions ?? []) {
      if (left === undefined || right?.hashes.has(version.sha256) || !isOld(version)) continue;
      await remove(archive, fileKey(archive.keys, left.uuid, version.sha256));
      removed += 1;
    }
  }
  return removed;
}

interface NamedFile {
  readonly uuid: string;
  /** SHA-256 of the versions that are named. */
  readonly hashes: ReadonlySet<string>;
}

/** The lists of several backups as one, in ascending order of uuid. */
function namedFiles({ objects, keys, call }: Archive, backups: readonly AuthenticBackup[]): AsyncIterable<NamedFile> {
  let merged: AsyncIterable<NamedFile> = none();
  for (const { manifest } of backups) {
    const listed = asNamed(readFileList(readSavedDocument(objects, keys, manifest.storage.list, call)));
    merged = mergeNamed(merged, listed);
  }
  return merged;
}

async function* none(): AsyncGenerator<NamedFile> {}

async function* asNamed(files: AsyncIterable<ListedFile>): AsyncGenerator<NamedFile> {
  for await (const { uuid, content } of files) {
    yield { uuid, hashes: new Set(content === undefined ? [] : [content.sha256]) };
  }
}

async function* mergeNamed(one: AsyncIterable<NamedFile>, other: AsyncIterable<NamedFile>): AsyncGenerator<NamedFile> {
  const pairs = joinSorted(
    one,
    other,
    ({ uuid }) => uuid,
    ({ uuid }) => uuid,
  );
  for await (const { key, left, right } of pairs) {
    yield { uuid: key, hashes: new Set([...(left?.hashes ?? []), ...(right?.hashes ?? [])]) };
  }
}

async function removeUnnamedPieces(
  archive: Archive,
  remaining: readonly AuthenticBackup[],
  isOld: (version: ArchivedVersion) => boolean,
): Promise<number> {
  const documents = remaining.flatMap(({ manifest }) => documentsOf(manifest));
  const named = new Set(documents.flatMap(({ pieces }) => pieces).map(({ sha256 }) => sha256));
  let removed = 0;
  for await (const piece of archivedPieces(archive.objects, archive.keys, archive.call)) {
    if (named.has(piece.sha256) || !isOld(piece)) continue;
    await remove(archive, blobKey(archive.keys, piece.sha256));
    removed += 1;
  }
  return removed;
}

/** The only deletion of host backups. */
async function remove({ objects, call }: Archive, key: string): Promise<void> {
  throwIfAborted(call.signal);
  if (!key.startsWith(hostBackupsFolder)) {
    throw new MirrorError('deletion-guard', `${key} is no part of a host backup and is not deleted`);
  }
  await objects.delete(key, call);
}
