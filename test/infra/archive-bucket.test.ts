import { Match } from 'aws-cdk-lib/assertions';
import { expect, test } from 'vitest';
import { SynthesizedStack } from './synthesize.ts';

const { template } = new SynthesizedStack();

function bucketHas(properties: object): void {
  template.hasResourceProperties('AWS::S3::Bucket', properties);
}

test('there is one bucket', () => {
  template.resourceCountIs('AWS::S3::Bucket', 1);
});

test('the archive bucket keeps every version of every object', () => {
  bucketHas({ VersioningConfiguration: { Status: 'Enabled' } });
});

test('the archive bucket is encrypted', () => {
  bucketHas({
    BucketEncryption: {
      ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
    },
  });
});

test('nothing in the archive bucket can be made public', () => {
  bucketHas({
    PublicAccessBlockConfiguration: {
      BlockPublicAcls: true,
      BlockPublicPolicy: true,
      IgnorePublicAcls: true,
      RestrictPublicBuckets: true,
    },
  });
});

test('the owner of the bucket owns every object in it', () => {
  bucketHas({ OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] } });
});

test('interrupted uploads are removed after some days, and nothing else ever is', () => {
  bucketHas({
    LifecycleConfiguration: {
      Rules: [{ AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 }, Status: 'Enabled' }],
    },
  });
  const rules = JSON.stringify(template.findResources('AWS::S3::Bucket'));
  expect(rules).not.toMatch(/Expiration|NoncurrentVersion/);
});

test('the archive bucket outlives the stack and its replacement', () => {
  template.hasResource('AWS::S3::Bucket', { DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' });
});

test('the archive bucket is reached by TLS 1.2 or later only', () => {
  const denied = (condition: object) =>
    Match.objectLike({ Effect: 'Deny', Principal: { AWS: '*' }, Action: 's3:*', Condition: condition });
  template.hasResourceProperties('AWS::S3::BucketPolicy', {
    PolicyDocument: {
      Statement: Match.arrayWith([
        denied({ Bool: { 'aws:SecureTransport': 'false' } }),
        denied({ NumericLessThan: { 's3:TlsVersion': 1.2 } }),
      ]),
    },
  });
});
