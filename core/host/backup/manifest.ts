/** The manifest of a host backup: everything that it consists of, with hashes. It is written when all of that lies safe. */
import { z } from 'zod';
import { MirrorError } from '../../errors.ts';
import { documentBytes, readDocument } from '../../stores/archive/json-document.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import type { CallOptions } from '../../stores/store.ts';
import { backupId, backupKey, type HostKeys, isBackupId } from './backup-keys.ts';
import { sha256Of } from './documents.ts';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.int().nonnegative();

/** Bytes that are kept as pieces under their hashes; two backups share equal pieces. */
export const documentSchema = z.object({
  sizeBytes: count,
  sha256,
  pieces: z.array(z.object({ sha256, sizeBytes: count })),
});
export type BackupDocument = z.infer<typeof documentSchema>;

const configurationSchema = z.object({
  /** scrypt with N = 2^15, r = 8, p = 1 over the passphrase and this salt gives the key for AES-256-GCM. */
  salt: z.base64(),
  files: z.array(
    z.object({
      /** Absolute path on the host. */
      path: z.string(),
      mode: count,
      /** 12 bytes nonce, 16 bytes tag, then the encrypted bytes; the path is authenticated too. */
      encrypted: documentSchema,
    }),
  ),
});

const manifestSchema = z.object({
  format: z.literal('orthanc-mirror-host-backup'),
  version: z.literal(1),
  host: z.string(),
  takenAt: z.iso.datetime(),
  /** `stopped`: the server was; `hot`: copy of a running SQLite server; `dump`: of a running database server. */
  method: z.enum(['stopped', 'hot', 'dump']),
  index: z.object({
    kind: z.enum(['sqlite', 'postgresql', 'mysql']),
    schema: z.union([z.int(), z.literal('unversioned')]).optional(),
    revision: count.optional(),
    instances: count.optional(),
    /** Where it was: absolute path of a SQLite index. */
    path: z.string().optional(),
    document: documentSchema,
  }),
  storage: z.object({
    /** Absolute path of the folder; absent where the files lie in the database and are part of the dump. */
    folder: z.string().optional(),
    files: count,
    bytes: count,
    /** Files that the index names and the storage lacked, or whose bytes had not the hash of the index. */
    missing: count,
    damaged: count,
    /** The files, one JSON line each in ascending order of uuid, compressed by gzip. */
    list: documentSchema,
  }),
  configuration: configurationSchema.optional(),
});
export type BackupManifest = z.infer<typeof manifestSchema>;
export type SavedConfiguration = z.infer<typeof configurationSchema>;

/** A manifest and its name. */
export interface NamedBackup {
  readonly id: string;
  readonly manifest: BackupManifest;
}

/** Writes a manifest: from then on the backup exists. @returns its name. */
export async function writeManifest(
  objects: ObjectStorage,
  keys: HostKeys,
  manifest: BackupManifest,
  options: CallOptions = {},
): Promise<string> {
  const bytes = documentBytes(manifest);
  const id = backupId(new Date(manifest.takenAt), sha256Of(bytes));
  const contentType = 'application/json';
  await objects.putOnce(backupKey(keys, id), bytes, { sizeBytes: bytes.length, contentType, ...options });
  return id;
}

/** Lists the names of all backups of a host, oldest first. */
export async function listBackupIds(objects: ObjectStorage, keys: HostKeys, options?: CallOptions): Promise<string[]> {
  const entries = await Array.fromAsync(objects.list(keys.backups, options));
  return entries.map(({ key }) => key.slice(keys.backups.length).replace(/\.json$/, '')).filter(isBackupId);
}

/** Throws `configuration` if there is no such backup, `archive-format` if its manifest is damaged. */
export async function readManifest(
  objects: ObjectStorage,
  keys: HostKeys,
  id: string,
  options?: CallOptions,
): Promise<NamedBackup> {
  const document = await readDocument(objects, backupKey(keys, id), manifestSchema, options);
  if (document === undefined) throw new MirrorError('configuration', `${keys.host} has no backup ${id}`);
  return { id, manifest: document.value };
}

/** Reads the named backup, or the newest. Throws `configuration` if there is none. */
export async function readBackup(
  objects: ObjectStorage,
  keys: HostKeys,
  id: string | undefined,
  options?: CallOptions,
): Promise<NamedBackup> {
  const chosen = id ?? (await listBackupIds(objects, keys, options)).at(-1);
  if (chosen === undefined)
    throw new MirrorError('configuration', `there is no backup of ${keys.host} in ${objects.name}`);
  return readManifest(objects, keys, chosen, options);
}
