import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import type { CloudConfiguration } from '../core/config/cloud-schema.ts';
import type { PermissionName } from './permission-reasons.ts';
import type { ServiceRole } from './service-role.ts';

/** The bucket of the archives and the key that encrypts it. */
export interface ArchivePlace {
  readonly bucket: Bucket;
  readonly key: IKey;
}

/** Lets a function list and read the archives. */
export function allowReadArchive({ bucket, key }: ArchivePlace, role: ServiceRole): void {
  role.allow('ListArchive', ['s3:ListBucket'], [bucket.bucketArn]);
  role.allow('ReadArchive', ['s3:GetObject'], [bucket.arnForObjects('*')]);
  role.allow('DecryptArchive', ['kms:Decrypt'], [key.keyArn]);
}

/** Lets a function write objects whose keys match; overwriting makes a new version, and nothing can be deleted. */
export function allowWriteArchive(
  { bucket, key }: ArchivePlace,
  role: ServiceRole,
  name: PermissionName,
  keyPatterns: readonly string[],
): void {
  const actions = ['s3:PutObject', 's3:AbortMultipartUpload'];
  role.allow(
    name,
    actions,
    keyPatterns.map((pattern) => bucket.arnForObjects(pattern)),
  );
  role.allow('EncryptArchive', ['kms:GenerateDataKey'], [key.keyArn]);
}

/**
 * Lets a function lock what it replaces every few minutes for a day only, where the bucket would lock it for years. What is
 * locked already it cannot unlock: that takes `s3:BypassGovernanceRetention`, which nobody has.
 */
export function allowShortRetention(
  { bucket }: ArchivePlace,
  role: ServiceRole,
  { objectLock }: CloudConfiguration,
  keyPatterns: readonly string[],
): void {
  const resources = keyPatterns.map((pattern) => bucket.arnForObjects(pattern));
  role.allow('LockStateBriefly', ['s3:PutObjectRetention'], objectLock === undefined ? [] : resources);
}
