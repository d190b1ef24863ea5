/** The backups of a host as they are found in an archive: nothing of them is believed before it is authenticated. */

import type { CallOptions } from '../../call-options.ts';
import { MirrorError } from '../../errors.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import { backupKey, type HostKeys, isBackupId } from './backup-keys.ts';
import type { BackupKeys, Keyring } from './backup-secrets.ts';
import { type BackupManifest, longestManifestBytes } from './manifest.ts';
import { openManifest, sealManifest } from './sealed-manifest.ts';

/** A backup that who has the passphrase made. */
export interface AuthenticBackup {
  readonly isAuthentic: true;
  readonly id: string;
  /** When the archive received its manifest, by the archive's own clock. */
  readonly writtenAt: Date;
  readonly manifest: BackupManifest;
  readonly keys: BackupKeys;
}

/** A backup that anybody may have made who can write to the archive. */
export interface UnprovenBackup {
  readonly isAuthentic: false;
  readonly id: string;
  readonly writtenAt: Date;
  /** What it says of itself; `undefined` if even that cannot be read. */
  readonly manifest: BackupManifest | undefined;
  readonly reason: string;
}

export type FoundBackup = AuthenticBackup | UnprovenBackup;

/** Writes a manifest: from then on the backup exists. */
export async function writeManifest(
  objects: ObjectStorage,
  keys: HostKeys,
  manifest: BackupManifest,
  secrets: BackupKeys,
  options: CallOptions = {},
): Promise<void> {
  const bytes = sealManifest(manifest, secrets);
  await objects.putOnce(backupKey(keys, manifest.backup), bytes, {
    sizeBytes: bytes.length,
    contentType: 'application/json',
    ...options,
  });
}

/** Lists the names of all backups of a host, by the times in them, oldest first. */
export async function listBackupIds(objects: ObjectStorage, keys: HostKeys, options?: CallOptions): Promise<string[]> {
  const entries = await Array.fromAsync(objects.list(keys.backups, options));
  return entries.map(({ key }) => key.slice(keys.backups.length).replace(/\.json$/, '')).filter(isBackupId);
}

/** Reads a manifest, whoever wrote it. Throws `configuration` if there is none of that name. */
export async function readFound(
  objects: ObjectStorage,
  keys: HostKeys,
  id: string,
  keyring: Keyring | undefined,
  options?: CallOptions,
): Promise<FoundBackup> {
  const object = isBackupId(id) ? await objects.get(backupKey(keys, id), options) : undefined;
  if (object === undefined) throw new MirrorError('configuration', `${keys.host} has no backup of that name`);
  const { lastModified: writtenAt } = object;
  if (object.sizeBytes > longestManifestBytes) {
    object.cancel();
    return { isAuthentic: false, id, writtenAt, manifest: undefined, reason: 'it is too large' };
  }
  const bytes = Buffer.concat(await Array.fromAsync(object.body));
  const opened = await openManifest(bytes, keyring, { backup: id, host: keys.host });
  if (opened.kind === 'authentic') {
    return { isAuthentic: true, id, writtenAt, manifest: opened.manifest, keys: opened.keys };
  }
  const manifest = opened.kind === 'unproven' ? opened.manifest : undefined;
  return { isAuthentic: false, id, writtenAt, manifest, reason: opened.reason };
}

/**
 * Finds the newest authentic backup. `newerUnproven`: those whose names say that they are newer, newest first. Both are
 * empty if there is no backup at all.
 */
export async function findNewest(
  objects: ObjectStorage,
  keys: HostKeys,
  keyring: Keyring,
  options?: CallOptions,
): Promise<{ readonly newest: AuthenticBackup | undefined; readonly newerUnproven: readonly UnprovenBackup[] }> {
  const newerUnproven: UnprovenBackup[] = [];
  for (const id of (await listBackupIds(objects, keys, options)).reverse()) {
    const found = await readFound(objects, keys, id, keyring, options);
    if (found.isAuthentic) return { newest: found, newerUnproven };
    newerUnproven.push(found);
  }
  return { newest: undefined, newerUnproven };
}

/**
 * The named backup, or the newest. Throws `configuration` if there is none, `not-authentic` if it cannot be
 * authenticated, or a newer one cannot: the caller has to say which one is meant.
 */
export async function readAuthentic(
  objects: ObjectStorage,
  keys: HostKeys,
  id: string | undefined,
  keyring: Keyring,
  options?: CallOptions,
): Promise<AuthenticBackup> {
  if (id !== undefined) {
    const found = await readFound(objects, keys, id, keyring, options);
    if (found.isAuthentic) return found;
    throw notAuthentic(found, keys);
  }
  const { newest, newerUnproven } = await findNewest(objects, keys, keyring, options);
  const [first] = newerUnproven;
  if (first !== undefined) throw notAuthentic(first, keys, newest?.id);
  if (newest !== undefined) return newest;
  throw new MirrorError('configuration', `there is no backup of ${keys.host} in ${objects.name}`);
}

function notAuthentic({ id, reason }: UnprovenBackup, { host }: HostKeys, other?: string): MirrorError {
  const next =
    other === undefined
      ? 'give the passphrase that it was made with, or use another backup (see "orthanc-mirror backup list")'
      : `the newest authentic backup is ${other}: name it`;
  return new MirrorError('not-authentic', `backup ${id} of ${host} is not authenticated: ${reason}; ${next}`, {
    advice: 'choose-backup',
  });
}
