import { Aws, Duration, RemovalPolicy, Validations } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { BlockPublicAccess, Bucket, BucketEncryption, CfnBucket, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import { Queue, QueueEncryption, QueuePolicy } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { CloudConfiguration } from '../core/config/cloud-schema.ts';
import { inboxFolders } from '../core/inbox/inbox-keys.ts';
import { acknowledgedForInbox } from './acknowledged-findings.ts';

export interface InboxProps {
  readonly inbox: NonNullable<CloudConfiguration['inbox']>;
  readonly transfer: CloudConfiguration['transfer'];
  readonly key: IKey;
}

/** Days for which an older version of an object is kept; what arrives twice under one name is taken in twice. */
const olderVersionDays = 7;

/**
 * The bucket in which files arrive, and the queue of its notifications. These are the only messages of the stack that
 * name keys, and keys of an inbox may hold names of patients: the queues are encrypted, only the function that takes
 * files in reads them, and nothing of them is logged.
 */
export class Inbox extends Construct {
  readonly bucket: Bucket;
  readonly queue: Queue;
  readonly deadLetterQueue: Queue;

  constructor(scope: Construct, id: string, { inbox, transfer, key }: InboxProps) {
    super(scope, id);
    const secured = { encryption: QueueEncryption.SQS_MANAGED, enforceSSL: true };
    this.deadLetterQueue = new Queue(this, 'DeadLetters', { ...secured, retentionPeriod: Duration.days(14) });
    this.queue = new Queue(this, 'Queue', {
      ...secured,
      retentionPeriod: Duration.days(4),
      visibilityTimeout: Duration.seconds(6 * inbox.timeoutSeconds),
      receiveMessageWaitTime: Duration.seconds(20),
      deadLetterQueue: { queue: this.deadLetterQueue, maxReceiveCount: transfer.maxReceiveCount },
    });
    this.bucket = this.#makeBucket(inbox.keepDays, key);
    this.#notify();
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
  #notify(): void {
    const bucket = this.bucket.node.defaultChild;
    if (!(bucket instanceof CfnBucket)) {
      throw new Error('the bucket of the inbox is not made by the stack');
    }
    bucket.notificationConfiguration = {
      queueConfigurations: [
        {
          event: 's3:ObjectCreated:*',
          queue: this.queue.queueArn,
          filter: { s3Key: { rules: [{ name: 'prefix', value: inboxFolders.arriving }] } },
        },
      ],
    };
    // Naming the bucket here would make each of the two wait for the other.
    this.queue.addToResourcePolicy(
      new PolicyStatement({
        principals: [new ServicePrincipal('s3.amazonaws.com')],
        actions: ['sqs:SendMessage'],
        resources: [this.queue.queueArn],
        conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
      }),
    );
    const policy = this.queue.node.findAll().find((found) => found instanceof QueuePolicy);
    if (policy !== undefined) {
      bucket.node.addDependency(policy);
    }
  }
}
