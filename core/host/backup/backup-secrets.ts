/**
 * What the passphrase of a host's backups gives: one key that encrypts the configuration, which holds passwords, and one
 * that authenticates everything. The archive sees neither the passphrase nor a key.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hkdfSync,
  randomBytes,
  scrypt,
  timingSafeEqual,
} from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { MirrorError } from '../../errors.ts';
import { fileError } from '../../orthanc-disk/files/file-error.ts';

/** Fixed with the format, and no part of what is read: numbers from a stranger could ask for any amount of memory. */
const scryptCost = { N: 2 ** 17, r: 8, p: 1, maxmem: 192 * 1024 * 1024 } as const;
const [saltBytes, keyBytes, nonceBytes, tagBytes] = [16, 32, 12, 16];
const shortestPassphrase = 8;
const safePassphrase = 12;

/** All backups of a host share one salt, until its passphrase is changed. More than a few are somebody's forgeries. */
const mostSalts = 8;

/** The passphrase in a file, and what is to be said of it. */
export interface Passphrase {
  readonly text: string;
  /** What somebody can do with a passphrase as short as this one; `undefined` if it is long enough. */
  readonly risk: string | undefined;
}

/** Reads a passphrase; white space at its end is ignored. Throws `configuration`. */
export async function readPassphrase(path: string): Promise<Passphrase> {
  const content = await readFile(path, 'utf8').catch((error: unknown) => {
    throw fileError(error, path, 'configuration');
  });
  const text = content.trimEnd();
  const length = Array.from(text).length;
  if (length < shortestPassphrase) {
    throw new MirrorError(
      'configuration',
      `${path} must hold a passphrase of at least ${shortestPassphrase} characters, better ${safePassphrase} or more`,
    );
  }
  const risk =
    length >= safePassphrase
      ? undefined
      : `the passphrase has ${length} characters: whoever can read the archive can try them all, and could then read ` +
        `the passwords of the configuration and forge backups; use at least ${safePassphrase}`;
  return { text, risk };
}

/** The keys that a passphrase and a salt give. */
export interface BackupKeys {
  readonly salt: Buffer;
  readonly encryption: Buffer;
  readonly authentication: Buffer;
}

/** The keys of one passphrase, each derived once. */
export class Keyring {
  readonly #passphrase: string;
  readonly #keys = new Map<string, Promise<BackupKeys>>();

  constructor(passphrase: string) {
    this.#passphrase = passphrase;
  }

  /** Keys with a new salt. */
  newKeys(): Promise<BackupKeys> {
    return this.#derive(randomBytes(saltBytes));
  }

  /**
   * Keys with a salt that somebody wrote; `undefined` if it has another form, or too many others were asked for: each
   * costs half a second.
   */
  async keysOf(salt: Buffer): Promise<BackupKeys | undefined> {
    if (salt.length !== saltBytes) return undefined;
    if (this.#keys.size >= mostSalts && !this.#keys.has(salt.toString('hex'))) return undefined;
    return this.#derive(salt);
  }

  #derive(salt: Buffer): Promise<BackupKeys> {
    const name = salt.toString('hex');
    const keys = this.#keys.get(name) ?? deriveKeys(this.#passphrase, salt);
    this.#keys.set(name, keys);
    return keys;
  }
}

async function deriveKeys(passphrase: string, salt: Buffer): Promise<BackupKeys> {
  const derive = promisify<string, Buffer, number, typeof scryptCost, Buffer>(scrypt);
  const secret = await derive(passphrase.normalize('NFC'), salt, keyBytes, scryptCost);
  const keyFor = (purpose: string) =>
    Buffer.from(hkdfSync('sha256', secret, '', `orthanc-mirror host backup: ${purpose}`, keyBytes));
  return { salt, encryption: keyFor('encryption'), authentication: keyFor('authentication') };
}

/** The tag that only who has the passphrase can make for these bytes: HMAC-SHA-256. */
export function tagOf({ authentication }: BackupKeys, bytes: Uint8Array): Buffer {
  return createHmac('sha256', authentication).update(bytes).digest();
}

/** @returns whether a tag is the one of these bytes. */
export function isTagOf(keys: BackupKeys, bytes: Uint8Array, tag: Buffer): boolean {
  const right = tagOf(keys, bytes);
  return tag.length === right.length && timingSafeEqual(tag, right);
}

/** @param path authenticated with the bytes, so that two files cannot be exchanged */
export function encrypt({ encryption }: BackupKeys, path: string, bytes: Uint8Array): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', encryption, nonce).setAAD(Buffer.from(path));
  const encrypted = Buffer.concat([cipher.update(bytes), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), encrypted]);
}

/** Throws `not-authentic` if the bytes were not encrypted under this path with these keys. */
export function decrypt({ encryption }: BackupKeys, path: string, bytes: Uint8Array): Buffer {
  const body = nonceBytes + tagBytes;
  try {
    const decipher = createDecipheriv('aes-256-gcm', encryption, bytes.subarray(0, nonceBytes), {
      authTagLength: tagBytes,
    })
      .setAAD(Buffer.from(path))
      .setAuthTag(bytes.subarray(nonceBytes, body));
    return Buffer.concat([decipher.update(bytes.subarray(body)), decipher.final()]);
  } catch (error) {
    throw new MirrorError('not-authentic', `${path} of this backup was not encrypted with its passphrase`, {
      cause: error,
    });
  }
}
