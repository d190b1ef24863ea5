/** Saving and restoring the configuration files of a host, encrypted. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { CallOptions } from '../../call-options.ts';
import { MirrorError } from '../../errors.ts';
import { wholeBytesOf } from '../../orthanc-disk/files/file-bytes.ts';
import { fileError, systemCode } from '../../orthanc-disk/files/file-error.ts';
import type { OrthancHost } from '../../orthanc-disk/orthanc-host.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import type { HostKeys } from './backup-keys.ts';
import { type BackupKeys, decrypt, encrypt } from './backup-secrets.ts';
import { readSavedDocument, saveDocument } from './documents.ts';
import type { SavedConfiguration } from './manifest.ts';

const permissionBits = 0o7777;
/** A configuration, script or certificate is far smaller. */
const largestBytes = 64 * 1024 * 1024;

/** A configuration file as it was. */
export interface ConfigurationFile {
  readonly path: string;
  readonly mode: number;
  readonly owner: { readonly user: number; readonly group: number };
  readonly bytes: Buffer;
}

/**
 * Saves the configuration files and the scripts and certificates that they name.
 * Throws `configuration` if one cannot be read: a backup without it could not be started.
 */
export async function saveConfiguration(
  objects: ObjectStorage,
  keys: HostKeys,
  host: OrthancHost,
  secrets: BackupKeys,
  options: CallOptions = {},
): Promise<SavedConfiguration> {
  const files: SavedConfiguration['files'] = [];
  for await (const { path, mode, owner, bytes } of configurationFiles(host)) {
    const encrypted = await saveDocument(objects, keys, onePiece(encrypt(secrets, path, bytes)), options);
    files.push({ path, mode, owner, sizeBytes: bytes.length, encrypted });
  }
  return { files };
}

/** The configuration files, and what they name: Orthanc's default configuration names certificates that do not exist. */
async function* configurationFiles({ configuration, namedFiles }: OrthancHost): AsyncGenerator<ConfigurationFile> {
  const own = new Set(configuration.files);
  for (const path of own) yield await readWhole(path);
  for (const path of new Set(namedFiles)) {
    if (own.has(path)) continue;
    const file = await readWhole(path).catch((error: unknown) => {
      if (systemCode(causeOf(error)) === 'ENOENT') return undefined;
      throw error;
    });
    if (file !== undefined) yield file;
  }
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}

/** Links are followed: certificates are often reached by them. A pipe is not waited for, a device not read. */
async function readWhole(path: string): Promise<ConfigurationFile> {
  try {
    await using handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await handle.stat();
    if (!stats.isFile() || stats.size > largestBytes) {
      throw new MirrorError('configuration', `${path}, which the configuration names, is no file of a usual size`);
    }
    const bytes = await wholeBytesOf(handle, stats.size);
    return { path, mode: stats.mode & permissionBits, owner: { user: stats.uid, group: stats.gid }, bytes };
  } catch (error) {
    throw fileError(error, path, 'configuration');
  }
}

/** Decrypts the configuration files. Throws `not-authentic` and `source-corrupt`, before the file is yielded. */
export async function* openConfiguration(
  objects: ObjectStorage,
  keys: HostKeys,
  saved: SavedConfiguration,
  secrets: BackupKeys,
  options: CallOptions = {},
): AsyncGenerator<ConfigurationFile> {
  for (const { path, mode, owner, sizeBytes, encrypted } of saved.files) {
    const bytes = Buffer.concat(await Array.fromAsync(readSavedDocument(objects, keys, encrypted, options)));
    const file = decrypt(secrets, path, bytes);
    if (file.length !== sizeBytes) throw new MirrorError('not-authentic', `${path} of this backup has another size`);
    yield { path, mode, owner, bytes: file };
  }
}

async function* onePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
