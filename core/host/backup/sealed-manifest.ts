/**
 * A manifest as it lies in the archive: two lines of JSON. The first holds the salt and a tag (HMAC-SHA-256) over all
 * the other bytes, so that nothing is looked at before it is known who wrote it; the second is the manifest.
 */
import * as z from 'zod';
import { jsonBoundsOf, readJson } from '../../json.ts';
import { type BackupKeys, isTagOf, type Keyring, tagOf } from './backup-secrets.ts';
import { type BackupManifest, longestManifestBytes, manifestSchema } from './manifest.ts';

const format = { format: 'orthanc-mirror-host-backup', version: 1 } as const;

const headerSchema = z.strictObject({
  format: z.literal(format.format),
  version: z.literal(format.version),
  salt: z.base64().max(100),
  tag: z.string().regex(/^[0-9a-f]{64}$/),
});

/** The first line is not longer, whoever wrote it. */
const longestHeader = 1024;

/** What a reading of a manifest gave. */
export type OpenedManifest =
  | { readonly kind: 'authentic'; readonly manifest: BackupManifest; readonly keys: BackupKeys }
  /** It can be read, but nobody knows who wrote it. */
  | { readonly kind: 'unproven'; readonly manifest: BackupManifest; readonly reason: string }
  | { readonly kind: 'unreadable'; readonly reason: string };

export function sealManifest(manifest: BackupManifest, keys: BackupKeys): Buffer {
  const body = JSON.stringify(manifest);
  const salt = keys.salt.toString('base64');
  const tag = tagOf(keys, signedBytes(salt, Buffer.from(body))).toString('hex');
  return Buffer.from(`${JSON.stringify({ ...format, salt, tag })}\n${body}\n`);
}

/** What the tag is over: the rest of the first line, and the second. */
function signedBytes(salt: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${JSON.stringify({ ...format, salt })}\n`), body]);
}

/**
 * Opens the manifest of a backup.
 * @param keyring of the passphrase; `undefined`: nothing can be authenticated
 * @param expected whose manifest it must be: another one that was put under this name is not authentic
 */
export async function openManifest(
  bytes: Buffer,
  keyring: Keyring | undefined,
  expected: { readonly backup: string; readonly host: string },
): Promise<OpenedManifest> {
  const end = bytes.subarray(0, longestHeader).indexOf('\n');
  const body = bytes.subarray(end + 1, bytes.length - 1);
  const firstLine = bytes.subarray(0, Math.max(end, 0)).toString('utf8');
  const header = readJson(firstLine, headerSchema, jsonBoundsOf(longestHeader));
  const isWhole = header.ok && bytes.at(-1) === 0x0a && !body.includes(0x0a);
  if (!isWhole) return unproven(body, 'it has not the form of a manifest of this program');
  if (keyring === undefined) return unproven(body, 'no passphrase was given');
  const keys = await keyring.keysOf(Buffer.from(header.value.salt, 'base64'));
  if (keys === undefined) return unproven(body, 'too many different salts are in use: somebody adds manifests');
  if (!isTagOf(keys, signedBytes(header.value.salt, body), Buffer.from(header.value.tag, 'hex'))) {
    return unproven(body, 'it was made with another passphrase, or was changed or forged');
  }
  const manifest = parseManifest(body);
  if (manifest === undefined) {
    return { kind: 'unreadable', reason: 'it is authentic, but of a form that this version does not know' };
  }
  if (manifest.backup !== expected.backup || manifest.host !== expected.host) {
    return unproven(body, 'it is that of another backup and was put under this name');
  }
  return { kind: 'authentic', manifest, keys };
}

function unproven(body: Buffer, reason: string): OpenedManifest {
  const manifest = parseManifest(body);
  return manifest === undefined ? { kind: 'unreadable', reason } : { kind: 'unproven', manifest, reason };
}

function parseManifest(body: Buffer): BackupManifest | undefined {
  const read = readJson(body.toString('utf8'), manifestSchema, jsonBoundsOf(longestManifestBytes));
  return read.ok ? read.value : undefined;
}
