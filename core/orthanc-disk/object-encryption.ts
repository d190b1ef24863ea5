/**
 * The client-side encryption of Orthanc's object-storage plugins, format "A1" (EncryptionHelpers.cpp of
 * orthanc-object-storage; documented in the Orthanc Book, "Object storage plugins"):
 *
 *     'A1' | key id, uint32 little-endian | encrypted IV, 32 bytes | encrypted data key, 32 bytes
 *          | AES-256-GCM of the content under data key and IV, the 70 bytes before as additional data | tag, 16 bytes
 *
 * IV and data key are encrypted by AES-256-CTR under the master key with an IV of zeros, each by itself.
 */
import { createDecipheriv } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { MirrorError } from '../errors.ts';

/** Master keys by their id. */
export type MasterKeys = ReadonlyMap<number, Buffer>;

const headerBytes = 70;
const tagBytes = 16;
const keyBytes = 32;

/** By how much encryption makes an object larger. */
export const encryptionBytes = headerBytes + tagBytes;

/**
 * Reads master keys as they are configured in the plugin (`StorageEncryption.MasterKey`, `PreviousMasterKeys`).
 *
 * @param specifications `ID:FILE` each, or `FILE` for the key 1
 * Throws `configuration` if a file is not a key.
 */
export async function readMasterKeys(specifications: readonly string[]): Promise<MasterKeys> {
  const keys = new Map<number, Buffer>();
  for (const specification of specifications) {
    const match = /^(\d+):(.+)$/s.exec(specification);
    const id = match?.[1] === undefined ? 1 : Number(match[1]);
    keys.set(id, await readMasterKey(match?.[2] ?? specification));
  }
  return keys;
}

async function readMasterKey(path: string): Promise<Buffer> {
  const content = await readFile(path).catch((cause: unknown) => {
    throw new MirrorError('configuration', 'the file of the master key cannot be read', {
      cause,
      advice: 'give-master-key',
    });
  });
  const key = Buffer.from(content.toString('latin1'), 'base64');
  if (key.length === keyBytes) {
    return key;
  }
  throw new MirrorError(
    'configuration',
    `a master key file holds 32 bytes in base64 (openssl rand -base64 32), this one holds ${key.length}`,
    { advice: 'give-master-key' },
  );
}

/**
 * Decrypts an object while it is read. The content is authentic only when it ends without error: read it to its end
 * before it is used. Throws `source-corrupt` if the key is missing or wrong, or the object is damaged.
 */
export async function* decryptObject(
  encrypted: AsyncIterable<Uint8Array>,
  keys: MasterKeys,
): AsyncGenerator<Uint8Array> {
  let kept = Buffer.alloc(0);
  let decipher: ReturnType<typeof contentDecipher> | undefined;
  for await (const chunk of encrypted) {
    kept = Buffer.concat([kept, chunk]);
    if (decipher === undefined) {
      if (kept.length < headerBytes) {
        continue;
      }
      decipher = contentDecipher(kept.subarray(0, headerBytes), keys);
      kept = kept.subarray(headerBytes);
    }
    // The last bytes may be the tag.
    if (kept.length > tagBytes) {
      yield decipher.update(kept.subarray(0, -tagBytes));
      kept = kept.subarray(-tagBytes);
    }
  }
  if (decipher === undefined || kept.length < tagBytes) {
    throw new MirrorError('source-corrupt', 'an encrypted object is cut; get it from a backup');
  }
  try {
    decipher.setAuthTag(kept);
    yield decipher.final();
  } catch (cause) {
    throw new MirrorError(
      'source-corrupt',
      'an encrypted object does not open with this master key: the key is wrong or the object is damaged',
      { cause },
    );
  }
}

function contentDecipher(header: Buffer, keys: MasterKeys) {
  const id = header.readUInt32LE(2);
  const masterKey = keys.get(id);
  if (masterKey === undefined) {
    throw new MirrorError('source-corrupt', `an object is encrypted with master key ${id}, which was not given`, {
      advice: 'give-master-key',
    });
  }
  const iv = unwrap(header.subarray(6, 38), masterKey);
  const dataKey = unwrap(header.subarray(38, headerBytes), masterKey);
  return createDecipheriv('aes-256-gcm', dataKey, iv, { authTagLength: tagBytes }).setAAD(header);
}

function unwrap(wrapped: Buffer, masterKey: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-ctr', masterKey, Buffer.alloc(16));
  return Buffer.concat([decipher.update(wrapped), decipher.final()]);
}
