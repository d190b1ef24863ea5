import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import { archivePrefixOf } from '../core/config/archive-location.ts';
import type { Configuration } from '../core/config/schema.ts';
import { isReplaced } from '../core/stores/archive/keys.ts';
import type { PermissionName } from './permission-reasons.ts';
import type { ServiceRole } from './service-role.ts';

/** The bucket of the archives and the key that encrypts it. */
export interface ArchivePlace {
  readonly bucket: Bucket;
  readonly key: IKey;
}

const writtenByTransfer = [
  'attachments/*',
  'history/*',
  'instances/*',
  'patients/*',
  'reports/replaced/*',
  'state/pause.json',
  'state/repair/*',
  'studies/*',
] as const;

/**
 * What each function may write below the prefix of each mirror, as patterns of keys. None may write `jobs/`: what lies
 * there authorizes restores, and only whoever commands them puts it there.
 */
const writtenBy = {
  // Of `state/` also what an interrupted replacement left to be written, which it finishes.
  scheduler: ['archive.json', 'history/*', 'state/*'],
  transfer: writtenByTransfer,
  shards: [...writtenByTransfer, 'reports/verify/*', 'state/shards/*'],
  inbox: ['archive.json', 'history/*', 'instances/*'],
  verifier: ['reports/verify/*', 'state/verify-*'],
  status: ['reports/status.*', 'state/status*'],
} as const;

const permissionOf = {
  scheduler: 'WriteState',
  transfer: 'WriteArchive',
  shards: 'WriteArchive',
  inbox: 'WriteArchive',
  verifier: 'WriteReports',
  status: 'WriteReports',
} as const satisfies Record<keyof typeof writtenBy, PermissionName>;

/** Lets a function list and read the archives. */
export function allowReadArchive({ bucket, key }: ArchivePlace, role: ServiceRole): void {
  role.allow('ListArchive', ['s3:ListBucket'], [bucket.bucketArn]);
  role.allow('ReadArchive', ['s3:GetObject'], [bucket.arnForObjects('*')]);
  role.allow('DecryptArchive', ['kms:Decrypt'], [key.keyArn]);
}

/**
 * Lets a function write what it has to in every archive; overwriting makes a new version, and nothing can be deleted.
 *
 * Under object lock it may lock what it replaces every few minutes for a day only, where the bucket would lock it for
 * years. What is locked already it cannot unlock: that takes `s3:BypassGovernanceRetention`, which nobody has.
 */
export function allowWriteArchive(
  { bucket, key }: ArchivePlace,
  role: ServiceRole,
  writer: keyof typeof writtenBy,
  { cloud, mirrors }: Configuration,
): void {
  const resourcesOf = (patterns: readonly string[]): string[] =>
    Object.entries(mirrors).flatMap(([name, mirror]) =>
      patterns.map((pattern) => bucket.arnForObjects(archivePrefixOf(name, mirror) + pattern)),
    );
  const written = writtenBy[writer];
  role.allow(permissionOf[writer], ['s3:PutObject', 's3:AbortMultipartUpload'], resourcesOf(written));
  role.allow('EncryptArchive', ['kms:GenerateDataKey'], [key.keyArn]);
  if (cloud.objectLock === undefined) return;
  role.allow('LockStateBriefly', ['s3:PutObjectRetention'], resourcesOf(written.filter(isReplaced)));
}
