/**
 * Where a host backup lies in an archive. `docs/host-backups.md` describes the layout; nothing outside
 * `host-backups/` is ever written or deleted by it.
 *
 *     host-backups/<host>/backups/<UTC time>-<hash8>.json   what one backup consists of; written last
 *     host-backups/<host>/files/<uuid>/<md5>                a file of the storage area
 *     host-backups/<host>/blobs/<sha256>                    a piece of an index, dump, list or configuration file
 *     host-backups/<host>/lock.json                         who is changing the above right now
 */
import { MirrorError } from '../../errors.ts';
import { isMd5, type Md5 } from '../../identifiers.ts';
import { folders } from '../../stores/archive/keys.ts';
import { isUuid } from '../storage/storage-area.ts';

/** The folder of all host backups of an archive. */
export const hostBackupsFolder = folders.hostBackups;

const hostPattern = /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/;
const backupIdPattern = /^\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{8}$/;

/** The keys of one host. */
export interface HostKeys {
  readonly host: string;
  readonly lock: string;
  readonly backups: string;
  readonly files: string;
  readonly blobs: string;
}

/** Throws `configuration` if `host` cannot be part of a key. */
export function hostKeys(host: string): HostKeys {
  if (!hostPattern.test(host)) {
    throw new MirrorError('configuration', `"${host}" cannot name a host: use a-z, 0-9, dots and hyphens`);
  }
  const root = `${hostBackupsFolder}${host}/`;
  return {
    host,
    lock: `${root}lock.json`,
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

/** The name of a backup; names sort by time. */
export function backupId(takenAt: Date, sha256: string): string {
  return `${takenAt.toISOString().replaceAll(/[-:]/g, '')}-${sha256.slice(0, 8)}`;
}

export function isBackupId(text: string): boolean {
  return backupIdPattern.test(text);
}

export function backupKey(keys: HostKeys, id: string): string {
  return `${keys.backups}${id}.json`;
}

export function fileKey(keys: HostKeys, uuid: string, md5: Md5): string {
  return `${keys.files}${uuid}/${md5}`;
}

export function blobKey(keys: HostKeys, sha256: string): string {
  return `${keys.blobs}${sha256}`;
}

/** @returns what a key below `files/` names; `undefined` if it is none of ours. */
export function parseFileKey(keys: HostKeys, key: string): { readonly uuid: string; readonly md5: Md5 } | undefined {
  const [uuid = '', md5, ...more] = key.slice(keys.files.length).split('/');
  return isUuid(uuid) && isMd5(md5) && more.length === 0 ? { uuid, md5 } : undefined;
}
