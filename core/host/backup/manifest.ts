/** The manifest of a host backup: everything that it consists of, with hashes. */
import { isAbsolute, resolve } from 'node:path';
import * as z from 'zod';
import { listOf } from '../../json.ts';
import { isBackupId, isSha256 } from './backup-keys.ts';

const sha256 = z.string().refine(isSha256);
const count = z.int().nonnegative();
/** A path that means what it says wherever it is used. */
const absolutePath = z
  .string()
  .max(4096)
  .refine((path) => isAbsolute(path) && resolve(path) === path && path !== '/' && !path.includes('\0'));

/** No manifest of ours is larger, and no larger one is read: it would be one of an index of many terabytes. */
export const longestManifestBytes = 64 * 1024 * 1024;

/** The size of every piece but the last. */
export const pieceBytes = 8 * 1024 * 1024;

/** Bytes that are kept as pieces under their hashes; two backups share equal pieces. */
export const documentSchema = z.strictObject({
  sizeBytes: count,
  sha256,
  pieces: listOf(z.strictObject({ sha256, sizeBytes: count.max(pieceBytes) })),
});
export type BackupDocument = z.infer<typeof documentSchema>;

const configurationFileSchema = z.strictObject({
  /** Where it was on the host, which the encryption authenticates too. */
  path: absolutePath,
  /** Permission bits, and the numbers of owner and group. */
  mode: count.max(0o7777),
  owner: z.strictObject({ user: count, group: count }),
  sizeBytes: count,
  /** 12 bytes nonce, 16 bytes tag, then the encrypted bytes (AES-256-GCM). */
  encrypted: documentSchema,
});

/** `null` says that a part is not in the backup; no part can just be left out. */
export const manifestSchema = z.strictObject({
  /** Its own name, and that of the host: it is no other's. */
  backup: z.string().refine(isBackupId),
  host: z.string(),
  takenAt: z.iso.datetime(),
  /** `stopped`: the server was; `hot`: copy of a running SQLite server; `dump`: of a running database server. */
  method: z.enum(['stopped', 'hot', 'dump']),
  index: z.strictObject({
    kind: z.enum(['sqlite', 'postgresql', 'mysql']),
    schema: z.union([z.int(), z.literal('unversioned')]).nullable(),
    revision: count.nullable(),
    instances: count.nullable(),
    /** Where a SQLite index was. */
    path: absolutePath.nullable(),
    document: documentSchema,
  }),
  storage: z.strictObject({
    /** The folders that files lay in, Orthanc's own first; none where the files are part of the dump. */
    folders: listOf(absolutePath),
    files: count,
    bytes: count,
    /** Files that the index names and that are not in the backup, and those whose bytes had not the hash of the index. */
    missing: count,
    damaged: count,
    /** The files, one JSON line each in ascending order of uuid, compressed by gzip. */
    list: documentSchema,
  }),
  configuration: z.strictObject({ files: listOf(configurationFileSchema) }).nullable(),
});
export type BackupManifest = z.infer<typeof manifestSchema>;
export type SavedConfiguration = NonNullable<BackupManifest['configuration']>;

/** All documents of a backup. */
export function documentsOf({ index, storage, configuration }: BackupManifest): readonly BackupDocument[] {
  const encrypted = configuration?.files.map((file) => file.encrypted) ?? [];
  return [index.document, storage.list, ...encrypted];
}
