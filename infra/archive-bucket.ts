import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { AnyPrincipal, Effect, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  type BucketProps,
  type IBucket,
  type LifecycleRule,
  ObjectLockRetention,
  ObjectOwnership,
  StorageClass,
  type Transition,
} from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { archivePrefixOf } from '../core/config/archive-location.ts';
import type { CloudConfiguration } from '../core/config/cloud-schema.ts';
import type { Configuration } from '../core/config/schema.ts';
import { manifestKey, replacedPrefixes } from '../core/stores/archive/keys.ts';

/** Days after which what is left of an interrupted multipart upload is deleted. It never was an object. */
const abortUploadsAfterDays = 7;
/** Days for which old versions of state documents and the status page are kept; they are written every few minutes. */
const oldStateDays = 30;
const accessLogDays = 400;

const secured = {
  enforceSSL: true,
  minimumTLSVersion: 1.2,
  blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
  objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
  removalPolicy: RemovalPolicy.RETAIN,
} satisfies BucketProps;

/**
 * The bucket of the archives and of the state. It outlives the stack, nothing in the stack may delete from it, and what is
 * written once cannot be overwritten.
 */
export class ArchiveBucket extends Construct {
  readonly bucket: Bucket;

  constructor(scope: Construct, id: string, { configuration, key }: { configuration: Configuration; key: IKey }) {
    super(scope, id);
    // S3 supports no other encryption by default of a bucket to which it delivers access logs. Source:
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
    const accessLogs = new Bucket(this, 'AccessLogs', {
      ...secured,
      encryption: BucketEncryption.S3_MANAGED,
      versioned: true,
      lifecycleRules: [
        { id: 'ExpireLogs', expiration: Duration.days(accessLogDays), noncurrentVersionExpiration: Duration.days(1) },
      ],
    });
    this.bucket = new Bucket(this, 'Bucket', {
      ...secured,
      ...lockOf(configuration.cloud),
      versioned: true,
      encryption: BucketEncryption.KMS,
      encryptionKey: key,
      bucketKeyEnabled: true,
      // The CDK's own class and interface disagree about one optional property that is not used here.
      serverAccessLogsBucket: accessLogs as IBucket,
      lifecycleRules: lifecycleOf(configuration),
    });
    this.bucket.addToResourcePolicy(writtenOnce(this.bucket, configuration));
  }
}

/**
 * Makes AWS itself refuse to overwrite what is written once, whoever asks and with whatever rights: everything but state,
 * the status page and the manifest, which are replaced on the condition that nobody else did.
 * `verify --repair` puts right bytes in the place of damaged ones; one role may, if the configuration names one. The parts
 * of an upload carry no condition, its completion does. Source:
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
 */
function writtenOnce(bucket: Bucket, { cloud: { repairRole }, mirrors }: Configuration): PolicyStatement {
  const replaced = Object.entries(mirrors).flatMap(([name, mirror]) =>
    [manifestKey, ...replacedPrefixes.map((prefix) => `${prefix}*`)].map((key) => archivePrefixOf(name, mirror) + key),
  );
  return new PolicyStatement({
    sid: 'NothingIsOverwritten',
    effect: Effect.DENY,
    principals: [new AnyPrincipal()],
    actions: ['s3:PutObject'],
    notResources: replaced.map((key) => bucket.arnForObjects(key)),
    conditions: {
      Null: { 's3:if-none-match': 'true' },
      Bool: { 's3:ObjectCreationOperation': 'true' },
      ...(repairRole === undefined ? {} : { ArnNotEquals: { 'aws:PrincipalArn': repairRole } }),
    },
  });
}

function lockOf({ objectLock }: CloudConfiguration): BucketProps {
  if (objectLock === undefined) {
    return {};
  }
  const days = Duration.days(objectLock.days);
  const retention =
    objectLock.mode === 'compliance' ? ObjectLockRetention.compliance(days) : ObjectLockRetention.governance(days);
  return { objectLockEnabled: true, objectLockDefaultRetention: retention };
}

function lifecycleOf({ cloud, mirrors }: Configuration): LifecycleRule[] {
  const transitions = transitionsOf(cloud);
  const rulesOfMirrors = Object.entries(mirrors).flatMap(([name, mirror]) => {
    const prefix = archivePrefixOf(name, mirror);
    const moving = ['instances/', 'attachments/'].map((folder) => ({
      id: `${name}-${folder.slice(0, -1)}-to-colder-storage`,
      prefix: prefix + folder,
      transitions,
    }));
    const oldVersions = ['state/', 'reports/'].map((folder) => ({
      id: `${name}-old-versions-of-${folder.slice(0, -1)}`,
      prefix: prefix + folder,
      noncurrentVersionExpiration: Duration.days(oldStateDays),
    }));
    return [...(transitions.length > 0 ? moving : []), ...oldVersions];
  });
  return [
    { id: 'abort-uploads', abortIncompleteMultipartUploadAfter: Duration.days(abortUploadsAfterDays) },
    ...rulesOfMirrors,
  ];
}

function transitionsOf({ storageClasses }: CloudConfiguration): Transition[] {
  const { infrequentAccessAfterDays, instantRetrievalAfterDays, deepArchiveAfterDays } = storageClasses;
  const candidates: [StorageClass, number | undefined][] = [
    [StorageClass.INFREQUENT_ACCESS, infrequentAccessAfterDays],
    [StorageClass.GLACIER_INSTANT_RETRIEVAL, instantRetrievalAfterDays],
    [StorageClass.DEEP_ARCHIVE, deepArchiveAfterDays],
  ];
  return candidates.flatMap(([storageClass, days]) =>
    days === undefined ? [] : [{ storageClass, transitionAfter: Duration.days(days) }],
  );
}
