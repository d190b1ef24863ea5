/** What is kept of one version of an object, and how it is written to disk. */
import { z } from 'zod';
import { checksumNames } from './checksums.ts';

const retentionSchema = z.object({ mode: z.enum(['GOVERNANCE', 'COMPLIANCE']), until: z.iso.datetime() });

export const objectVersionSchema = z.object({
  /** `null` where the bucket keeps no versions. */
  versionId: z.string(),
  isDeleteMarker: z.boolean(),
  /** Names of files in the bucket's `bytes/`, in order. */
  files: z.array(z.object({ name: z.string(), sizeBytes: z.int() })),
  sizeBytes: z.int(),
  /** Without quotes. */
  etag: z.string(),
  lastModified: z.iso.datetime(),
  contentType: z.string(),
  /** User metadata, names without `x-amz-meta-`. */
  metadata: z.record(z.string(), z.string()),
  checksum: z.object({ name: z.enum(checksumNames), value: z.string() }).optional(),
  retention: retentionSchema.optional(),
  hasLegalHold: z.boolean(),
  /** Absent: Standard. */
  storageClass: z.string().optional(),
  /** When a copy of what is cold can be read, and until when. */
  thaw: z.object({ readyAt: z.iso.datetime(), until: z.iso.datetime() }).optional(),
});

/** All versions under one key, the newest first. */
export const keyDocumentSchema = z.object({ key: z.string(), versions: z.array(objectVersionSchema) });

export const bucketDocumentSchema = z.object({
  name: z.string(),
  createdAt: z.iso.datetime(),
  versioning: z.enum(['Enabled', 'Suspended']).optional(),
  hasObjectLock: z.boolean(),
  /** Retention of new versions. */
  defaultRetention: z.object({ mode: retentionSchema.shape.mode, days: z.int().positive() }).optional(),
});

export type Retention = z.infer<typeof retentionSchema>;
export type ObjectVersion = z.infer<typeof objectVersionSchema>;
export type KeyDocument = z.infer<typeof keyDocumentSchema>;
export type BucketDocument = z.infer<typeof bucketDocumentSchema>;
