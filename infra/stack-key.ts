import { Aws, RemovalPolicy } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { type IKey, Key } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import type { CloudConfiguration } from '../core/config/cloud-schema.ts';

/**
 * The customer managed key of archive, logs and alarms: the one of the configuration, or one that the stack makes. It
 * outlives the stack, because without it the archive cannot be read.
 */
export class StackKey extends Construct {
  readonly key: IKey;

  constructor(scope: Construct, id: string, { kmsKey }: CloudConfiguration['encryption']) {
    super(scope, id);
    this.key = kmsKey === undefined ? this.#ownKey() : Key.fromKeyArn(this, 'Key', kmsKey);
  }

  #ownKey(): Key {
    const key = new Key(this, 'Key', {
      description: 'Encrypts the archives, logs and alarms of orthanc-mirror. Without it, the archives are lost.',
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
    key.addToResourcePolicy(
      new PolicyStatement({
        sid: 'TellAlarms',
        principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
        actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
        resources: ['*'],
        conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
      }),
    );
    return key;
  }
}
