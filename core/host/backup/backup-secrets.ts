/** Configuration files hold passwords: they are kept encrypted by a passphrase that the archive never sees. */
import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { MirrorError } from '../../errors.ts';
import { fileError } from '../file-error.ts';

const scryptCost = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 } as const;
const [saltBytes, keyBytes, nonceBytes, tagBytes] = [16, 32, 12, 16];
const shortestPassphrase = 8;

const derive = promisify<string, Buffer, number, typeof scryptCost, Buffer>(scrypt);

/** A key and the salt that it was derived with. */
export interface ConfigurationKey {
  readonly key: Buffer;
  readonly salt: Buffer;
}

/** Reads a passphrase; white space at its end is ignored. Throws `configuration`. */
export async function readPassphrase(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw fileError(error, path, 'configuration');
  });
  const passphrase = text.trimEnd();
  if (passphrase.length < shortestPassphrase) {
    throw new MirrorError(
      'configuration',
      `${path} must hold a passphrase of at least ${shortestPassphrase} characters`,
    );
  }
  return passphrase;
}

/** Derives a key; with a new salt unless one is given. */
export async function deriveKey(passphrase: string, salt = randomBytes(saltBytes)): Promise<ConfigurationKey> {
  return { key: await derive(passphrase, salt, keyBytes, scryptCost), salt };
}

/** @param path authenticated with the bytes, so that two files cannot be exchanged */
export function encrypt({ key }: ConfigurationKey, path: string, bytes: Uint8Array): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(path));
  const encrypted = Buffer.concat([cipher.update(bytes), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), encrypted]);
}

/** Throws `configuration` if the passphrase is another one, or the bytes were changed. */
export function decrypt({ key }: ConfigurationKey, path: string, bytes: Uint8Array): Buffer {
  const body = nonceBytes + tagBytes;
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes))
    .setAAD(Buffer.from(path))
    .setAuthTag(bytes.subarray(nonceBytes, body));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(body)), decipher.final()]);
  } catch (error) {
    throw new MirrorError('configuration', 'the passphrase is not the one that the configuration was saved with', {
      cause: error,
    });
  }
}
