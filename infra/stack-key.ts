import { Aws, RemovalPolicy } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { type IKey, Key } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import type { CloudConfiguration } from '../core/config/cloud-schema.ts';

/**
 * The customer managed key of archive, inbox, queues, logs and alarms: the one of the configuration, or one that the stack
 * makes. It outlives the stack, because without it the archive cannot be read.
 */
export class StackKey extends Construct {
  readonly key: IKey;

  constructor(scope: Construct, id: string, cloud: CloudConfiguration) {
    super(scope, id);
    const { kmsKey } = cloud.encryption;
    this.key = kmsKey === undefined ? this.#ownKey(cloud) : Key.fromKeyArn(this, 'Key', kmsKey);
  }

  #ownKey({ inbox, alarms }: CloudConfiguration): Key {
    const key = new Key(this, 'Key', {
      description:
        'Encrypts the archives, queues, logs and alarms of orthanc-mirror. Without it, the archives are lost.',
      enableKeyRotation: true,
      removalPolicy: RemovalPolicy.RETAIN,
    });
    key.addToResourcePolicy(
      new PolicyStatement({
        sid: 'EncryptLogs',
        principals: [new ServicePrincipal(`logs.${Aws.REGION}.amazonaws.com`)],
        actions: ['kms:Encrypt', 'kms:Decrypt', 'kms:GenerateDataKey', 'kms:DescribeKey'],
        resources: ['*'],
        conditions: {
          ArnLike: {
            'kms:EncryptionContext:aws:logs:arn': `arn:${Aws.PARTITION}:logs:${Aws.REGION}:${Aws.ACCOUNT_ID}:log-group:*`,
          },
        },
      }),
    );
    const ofThisAccount = { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } };
    allowUse(key, 'TellAlarms', 'cloudwatch.amazonaws.com', ofThisAccount);
    if (inbox !== undefined) {
      allowUse(key, 'TellArrivals', 's3.amazonaws.com', ofThisAccount);
    }
    if (alarms.topic === undefined && alarms.emails.length > 0) {
      const topics = `arn:${Aws.PARTITION}:sns:${Aws.REGION}:${Aws.ACCOUNT_ID}:*`;
      allowUse(key, 'KeepAlarms', 'sns.amazonaws.com', { ArnLike: { 'aws:SourceArn': topics } });
    }
    return key;
  }
}

/** Lets a service of AWS put what is encrypted by the key onto topics and queues. */
function allowUse(key: Key, sid: string, service: string, conditions: Record<string, unknown>): void {
  key.addToResourcePolicy(
    new PolicyStatement({
      sid,
      principals: [new ServicePrincipal(service)],
      actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
      resources: ['*'],
      conditions,
    }),
  );
}
