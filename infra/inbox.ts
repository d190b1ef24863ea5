import { Aws, Duration, RemovalPolicy, Validations } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { BlockPublicAccess, Bucket, BucketEncryption, CfnBucket, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import { QueuePolicy } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { inboxFolders } from '../core/cloud/inbox/inbox-keys.ts';
import type { CloudConfiguration } from '../core/config/cloud-schema.ts';
import { acknowledgedForInbox } from './acknowledged-findings.ts';
import type { LaneQueue } from './lane-queue.ts';

export interface InboxProps {
  readonly inbox: NonNullable<CloudConfiguration['inbox']>;
  readonly key: IKey;
  /** Who is told of what arrives for each mirror. */
  readonly lanes: readonly LaneQueue[];
}

/** Days for which an older version of an object is kept; what arrives twice under one name is taken in twice. */
const olderVersionDays = 7;

/**
 * The bucket in which files arrive, and whom S3 tells of them. These are the only messages of the stack that name keys,
 * and keys of an inbox may hold names of patients: only the function that takes files in reads them, and nothing of them
 * is logged.
 */
export class Inbox extends Construct {
  readonly bucket: Bucket;

  constructor(scope: Construct, id: string, { inbox, key, lanes }: InboxProps) {
    super(scope, id);
    this.bucket = this.#makeBucket(inbox.keepDays, key);
    this.#notify(lanes);
  }

  #makeBucket(keepDays: number, key: IKey): Bucket {
    const bucket = new Bucket(this, 'Bucket', {
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      removalPolicy: RemovalPolicy.RETAIN,
      // Each notification names one version, so that a file that is replaced meanwhile is never lost.
      versioned: true,
      encryption: BucketEncryption.KMS,
      encryptionKey: key,
      bucketKeyEnabled: true,
      lifecycleRules: [
        {
          id: 'abort-uploads',
          abortIncompleteMultipartUploadAfter: Duration.days(olderVersionDays),
          noncurrentVersionExpiration: Duration.days(olderVersionDays),
        },
        ...[inboxFolders.done, inboxFolders.refused].map((prefix) => ({
          id: `expire-${prefix.slice(0, -1)}`,
          prefix,
          expiration: Duration.days(keepDays),
        })),
      ],
    });
    for (const [id, reason] of Object.entries(acknowledgedForInbox)) {
      Validations.of(bucket).acknowledge({ id, reason });
    }
    return bucket;
  }

  /** Written by hand: the notifications of the CDK bring a function of their own that may change any bucket. */
  #notify(lanes: readonly LaneQueue[]): void {
    const bucket = this.bucket.node.defaultChild;
    if (!(bucket instanceof CfnBucket)) {
      throw new Error('the bucket of the inbox is not made by the stack');
    }
    bucket.notificationConfiguration = {
      queueConfigurations: lanes.map(({ mirror, queue }) => ({
        event: 's3:ObjectCreated:*',
        queue: queue.queueArn,
        filter: { s3Key: { rules: [{ name: 'prefix', value: `${inboxFolders.arriving}${mirror}/` }] } },
      })),
    };
    for (const { queue } of lanes) {
      // Naming the bucket here would make each of the two wait for the other.
      queue.addToResourcePolicy(
        new PolicyStatement({
          principals: [new ServicePrincipal('s3.amazonaws.com')],
          actions: ['sqs:SendMessage'],
          resources: [queue.queueArn],
          conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
        }),
      );
      const policy = queue.node.findAll().find((found) => found instanceof QueuePolicy);
      if (policy !== undefined) {
        bucket.node.addDependency(policy);
      }
    }
  }
}
