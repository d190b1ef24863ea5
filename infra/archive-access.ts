import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import { archivePrefixOf } from '../core/config/archive-location.ts';
import type { Configuration } from '../core/config/schema.ts';
import type { PermissionName } from './permission-reasons.ts';
import type { ServiceRole } from './service-role.ts';

/** The bucket of the archives and the key that encrypts it. */
export interface ArchivePlace {
  readonly bucket: Bucket;
  readonly key: IKey;
}

/**
 * What each function may write below the prefix of each mirror, as patterns of keys. None may write `jobs/`: what lies
 * there authorizes restores, and only whoever commands them puts it there.
 */
const writtenBy = {
  scheduler: ['archive.json', 'history/*', 'removals/*', 'state/*'],
  transfer: [
    'attachments/*',
    'history/*',
    'instances/*',
    'patients/*',
    'reports/replaced/*',
    'state/pause.json',
    'studies/*',
  ],
  inbox: ['archive.json', 'history/*', 'imports/*', 'instances/*', 'removals/*'],
  verifier: ['reports/verify/*', 'state/verify-*'],
  status: ['reports/status.*', 'state/status*'],
} as const;

const permissionOf = {
  scheduler: 'WriteState',
  transfer: 'WriteArchive',
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

/** Lets a function write what it has to in every archive; overwriting makes a new version, and nothing can be deleted. */
export function allowWriteArchive(
  { bucket, key }: ArchivePlace,
  role: ServiceRole,
  writer: keyof typeof writtenBy,
  { mirrors }: Configuration,
): void {
  const keys = Object.entries(mirrors).flatMap(([name, mirror]) =>
    writtenBy[writer].map((pattern) => archivePrefixOf(name, mirror) + pattern),
  );
  const actions = ['s3:PutObject', 's3:AbortMultipartUpload'];
  role.allow(
    permissionOf[writer],
    actions,
    keys.map((pattern) => bucket.arnForObjects(pattern)),
  );
  role.allow('EncryptArchive', ['kms:GenerateDataKey'], [key.keyArn]);
}
