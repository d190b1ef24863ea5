/** Saving and restoring the configuration files of a host, encrypted. */
import { readFile, stat } from 'node:fs/promises';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import type { CallOptions } from '../../stores/store.ts';
import { fileError, systemCode } from '../file-error.ts';
import type { OrthancHost } from '../orthanc-host.ts';
import type { HostKeys } from './backup-keys.ts';
import { decrypt, deriveKey, encrypt } from './configuration-secrets.ts';
import { readSavedDocument, saveDocument } from './documents.ts';
import type { SavedConfiguration } from './manifest.ts';

const permissionBits = 0o7777;

/**
 * Saves the configuration files and the scripts and certificates that they name.
 * Throws `configuration` if one cannot be read: a backup without it could not be started.
 */
export async function saveConfiguration(
  objects: ObjectStorage,
  keys: HostKeys,
  host: OrthancHost,
  passphrase: string,
  options: CallOptions = {},
): Promise<SavedConfiguration> {
  const key = await deriveKey(passphrase);
  const files: SavedConfiguration['files'] = [];
  for (const path of await configurationPaths(host)) {
    const [bytes, { mode }] = await Promise.all([readFile(path), stat(path)]).catch((error: unknown) => {
      throw fileError(error, path, 'configuration');
    });
    const encrypted = await saveDocument(objects, keys, onePiece(encrypt(key, path, bytes)), options);
    files.push({ path, mode: mode & permissionBits, encrypted });
  }
  return { salt: key.salt.toString('base64'), files };
}

/** The configuration files, and what they name: Orthanc's default configuration names certificates that do not exist. */
async function configurationPaths({ configuration, namedFiles }: OrthancHost): Promise<ReadonlySet<string>> {
  const present: string[] = [];
  for (const path of namedFiles) {
    const found = await stat(path).catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw fileError(error, path, 'configuration');
    });
    if (found?.isFile() === true) present.push(path);
  }
  return new Set([...configuration.files, ...present]);
}

/** A configuration file as it was. */
export interface OpenedFile {
  readonly path: string;
  readonly mode: number;
  readonly bytes: Buffer;
}

/** Decrypts the configuration files. Throws `configuration` for a wrong passphrase, before anything is yielded. */
export async function* openConfiguration(
  objects: ObjectStorage,
  keys: HostKeys,
  saved: SavedConfiguration,
  passphrase: string,
  options: CallOptions = {},
): AsyncGenerator<OpenedFile> {
  const key = await deriveKey(passphrase, Buffer.from(saved.salt, 'base64'));
  for (const { path, mode, encrypted } of saved.files) {
    const bytes = Buffer.concat(await Array.fromAsync(readSavedDocument(objects, keys, encrypted, options)));
    yield { path, mode, bytes: decrypt(key, path, bytes) };
  }
}

async function* onePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
