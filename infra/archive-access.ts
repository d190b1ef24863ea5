import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
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
