/**
 * Where a host backup lies in an archive. `docs/host-backups.md` describes the layout; nothing outside
 * `host-backups/` is ever written or deleted by it.
 *
 *     host-backups/<host>/backups/<UTC time>-<random8>.json  what one backup consists of; written last
 *     host-backups/<host>/files/<uuid>/<sha256>              a file of the storage area
 *     host-backups/<host>/blobs/<sha256>                     a piece of an index, dump, list or configuration file
 *
 * Who is changing the above right now says the lease `host-backups/<host>` of the archive's state.
 */
import { randomBytes } from 'node:crypto';
import { MirrorError } from '../../errors.ts';
import { isUuid } from '../../orthanc-disk/storage/storage-names.ts';
import { folders, keyTime } from '../../stores/archive/keys.ts';

/** The folder of all host backups of an archive. */
export const hostBackupsFolder = folders.hostBackups;

const hostPattern = /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/;
const backupIdPattern = /^\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{8}$/;

/** The keys of one host. */
export interface HostKeys {
  readonly host: string;
  readonly backups: string;
  readonly files: string;
  readonly blobs: string;
}

/** @returns whether a text can name a host in a key. */
export function isHostName(text: string): boolean {
  return hostPattern.test(text);
}

/** Throws `configuration` if `host` cannot be part of a key. */
export function hostKeys(host: string): HostKeys {
  if (!isHostName(host)) {
    throw new MirrorError('configuration', `"${host}" cannot name a host: use a-z, 0-9, dots and hyphens`);
  }
  const root = `${hostBackupsFolder}${host}/`;
  return {
    host,
    backups: `${root}backups/`,
    files: `${root}files/`,
    blobs: `${root}blobs/`,
  };
}

/** Makes a name for a host from what its configuration and its machine are called. */
export function hostNameOf(...parts: readonly string[]): string {
  const joined = parts
    .map((part) => part.toLowerCase().replace(/[^a-z0-9.-]+/g, '-'))
    .filter((part) => /[a-z0-9]/.test(part))
    .join('-');
  return (
    joined
      .replace(/^[^a-z0-9]+/, '')
      .slice(0, 60)
      .replace(/[^a-z0-9]+$/, '') || 'orthanc'
  );
}

/** A new name for a backup; names sort by time. */
export function newBackupId(takenAt: Date): string {
  return `${keyTime(takenAt)}-${randomBytes(4).toString('hex')}`;
}

export function isBackupId(text: string): boolean {
  return backupIdPattern.test(text);
}

export function backupKey(keys: HostKeys, id: string): string {
  return `${keys.backups}${id}.json`;
}

export function fileKey(keys: HostKeys, uuid: string, sha256: string): string {
  return `${keys.files}${uuid}/${sha256}`;
}

export function blobKey(keys: HostKeys, sha256: string): string {
  return `${keys.blobs}${sha256}`;
}

/** @returns what a key below `files/` names; `undefined` if it is none of ours. */
export function parseFileKey(
  keys: HostKeys,
  key: string,
): { readonly uuid: string; readonly sha256: string } | undefined {
  const [uuid = '', sha256 = '', ...more] = key.slice(keys.files.length).split('/');
  return isUuid(uuid) && isSha256(sha256) && more.length === 0 ? { uuid, sha256 } : undefined;
}

/** @returns the SHA-256 that a key below `blobs/` names; `undefined` if it is none of ours. */
export function parseBlobKey(keys: HostKeys, key: string): string | undefined {
  const sha256 = key.slice(keys.blobs.length);
  return isSha256(sha256) ? sha256 : undefined;
}

/** @returns whether a text is a SHA-256 in lower-case hexadecimal digits. */
export function isSha256(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}
