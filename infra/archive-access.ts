import { type IGrantable, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Bucket } from 'aws-cdk-lib/aws-s3';

/** Lets a function list and read the archives. Without the right to list, S3 answers 403 for what is not there. */
export function grantReadArchive(bucket: Bucket, grantee: IGrantable): void {
  grant(grantee, ['s3:ListBucket'], bucket.bucketArn);
  grant(grantee, ['s3:GetObject'], bucket.arnForObjects('*'));
}

/** Lets a function write objects whose keys match; overwriting makes a new version, and nothing can be deleted. */
export function grantWriteArchive(bucket: Bucket, grantee: IGrantable, keyPattern: string): void {
  grant(grantee, ['s3:PutObject', 's3:AbortMultipartUpload'], bucket.arnForObjects(keyPattern));
}

function grant(grantee: IGrantable, actions: string[], resource: string): void {
  grantee.grantPrincipal.addToPrincipalPolicy(new PolicyStatement({ actions, resources: [resource] }));
}
