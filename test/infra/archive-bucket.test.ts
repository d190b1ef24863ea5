import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { fullConfiguration, plainConfiguration, SynthesizedStack } from './synthesize.ts';

const stack = new SynthesizedStack();
const { template } = stack;

function bucketHas(properties: object): void {
  template.hasResourceProperties('AWS::S3::Bucket', properties);
}

test('there is the archive bucket and the bucket of its access logs', () => {
  template.resourceCountIs('AWS::S3::Bucket', 2);
  bucketHas({ LoggingConfiguration: { DestinationBucketName: Match.anyValue() } });
});

test('the archive bucket keeps every version of every object', () => {
  bucketHas({ VersioningConfiguration: { Status: 'Enabled' } });
});

test('the archive bucket is encrypted by a customer managed key, with a bucket key that spares requests to KMS', () => {
  bucketHas({
    BucketEncryption: {
      ServerSideEncryptionConfiguration: [
        {
          BucketKeyEnabled: true,
          ServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: Match.anyValue() },
        },
      ],
    },
  });
});

test('the key of the archive is rotated and outlives the stack', () => {
  template.hasResource('AWS::KMS::Key', {
    Properties: { EnableKeyRotation: true },
    DeletionPolicy: 'Retain',
    UpdateReplacePolicy: 'Retain',
  });
});

test('a key of your own is used instead, and none is made', () => {
  const kmsKey = 'arn:aws:kms:eu-west-1:123456789012:key/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f';
  const own = new SynthesizedStack({ ...plainConfiguration, cloud: { encryption: { kmsKey } } });
  own.template.resourceCountIs('AWS::KMS::Key', 0);
  own.template.hasResourceProperties('AWS::S3::Bucket', {
    BucketEncryption: {
      ServerSideEncryptionConfiguration: [
        Match.objectLike({ ServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: kmsKey } }),
      ],
    },
  });
});

test.each([
  ['governance', 'GOVERNANCE'],
  ['compliance', 'COMPLIANCE'],
])('with object lock in %s mode every version of every object is kept for the configured days', (mode, expected) => {
  const locked = new SynthesizedStack({ ...plainConfiguration, cloud: { objectLock: { mode, days: 3650 } } });
  locked.template.hasResourceProperties('AWS::S3::Bucket', {
    ObjectLockEnabled: true,
    ObjectLockConfiguration: {
      ObjectLockEnabled: 'Enabled',
      Rule: { DefaultRetention: { Mode: expected, Days: 3650 } },
    },
  });
});

test('who replaces documents of state may lock these for less than the term, and nothing else', () => {
  const locked = new SynthesizedStack({
    ...plainConfiguration,
    cloud: { objectLock: { mode: 'compliance', days: 3650 } },
  });
  for (const name of ['Scheduler', 'Transfer', 'Verifier', 'Status'] as const) {
    const locking = locked.statementsOf(name).filter(({ Action }) => Action.includes('s3:PutObjectRetention'));
    const keys = JSON.stringify(locking).match(/main\/[^"]*/g) ?? [];
    expect(keys.length).toBeGreaterThan(0);
    for (const key of keys) expect(key).toMatch(/^main\/(?:state\/|reports\/status\.)/);
    expect(stack.actionsOf(name)).not.toContain('s3:PutObjectRetention');
  }
});

test('without object lock in the configuration there is none', () => {
  bucketHas({ ObjectLockEnabled: Match.absent(), LoggingConfiguration: Match.anyValue() });
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

interface Rule {
  readonly Prefix?: string;
  readonly [field: string]: unknown;
}

/** The lifecycle rules of the archive bucket. */
function rulesOf(stack: SynthesizedStack): Rule[] {
  const rulesSchema = z.object({ LifecycleConfiguration: z.object({ Rules: z.array(z.looseObject({})) }) });
  const [archive] = stack.resources('AWS::S3::Bucket', 'ArchiveBucket');
  return rulesSchema.parse(archive).LifecycleConfiguration.Rules;
}

test('interrupted uploads are removed after some days', () => {
  expect(rulesOf(stack)).toContainEqual(
    expect.objectContaining({ AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 }, Status: 'Enabled' }),
  );
});

test('nothing of the archive ever expires but old versions of its state and its reports', () => {
  const expiring = rulesOf(stack).filter((rule) => /Expiration/.test(JSON.stringify(rule)));
  expect(expiring.map(({ Prefix }) => Prefix)).toEqual(['main/state/', 'main/reports/']);
  for (const rule of expiring) {
    expect(rule).toMatchObject({ NoncurrentVersionExpiration: { NoncurrentDays: 30 } });
    expect(rule).not.toHaveProperty('ExpirationInDays');
  }
});

test('instances and attachments move to the configured storage classes, and nothing else does', () => {
  const moving = rulesOf(new SynthesizedStack(fullConfiguration)).filter((rule) => 'Transitions' in rule);
  expect(moving.map(({ Prefix }) => Prefix)).toEqual([
    'city/instances/',
    'city/attachments/',
    'deep/harbour/instances/',
    'deep/harbour/attachments/',
  ]);
  for (const rule of moving) {
    expect(rule).toMatchObject({
      Transitions: [
        { StorageClass: 'STANDARD_IA', TransitionInDays: 30 },
        { StorageClass: 'GLACIER_IR', TransitionInDays: 60 },
        { StorageClass: 'DEEP_ARCHIVE', TransitionInDays: 365 },
      ],
    });
  }
});

test('without storage classes in the configuration everything stays in Standard', () => {
  expect(rulesOf(stack).filter((rule) => 'Transitions' in rule)).toEqual([]);
});

test('the archive bucket outlives the stack and its replacement', () => {
  template.hasResource('AWS::S3::Bucket', { DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' });
});

describe('AWS refuses to overwrite what is written once', () => {
  /** The statement of the bucket's policy that forbids it. */
  function refusalOf(configuration: unknown): { NotResource: unknown[]; Condition: unknown } {
    const [policy] = new SynthesizedStack(configuration).resources('AWS::S3::BucketPolicy', 'ArchiveBucketPolicy');
    const schema = z.object({
      PolicyDocument: z.object({ Statement: z.array(z.looseObject({ Sid: z.string().optional() })) }),
    });
    const found = schema.parse(policy).PolicyDocument.Statement.filter(({ Sid }) => Sid === 'NothingIsOverwritten');
    expect(found).toMatchObject([{ Effect: 'Deny', Principal: { AWS: '*' }, Action: 's3:PutObject' }]);
    return z.object({ NotResource: z.array(z.unknown()), Condition: z.unknown() }).parse(found[0]);
  }

  test('whoever asks: every object but state, manifest and status page needs a condition that there is none', () => {
    const { NotResource, Condition } = refusalOf(plainConfiguration);
    // The parts of an upload cannot carry the condition; its completion does.
    expect(Condition).toEqual({ Null: { 's3:if-none-match': 'true' }, Bool: { 's3:ObjectCreationOperation': 'true' } });
    expect(NotResource.map((resource) => /"(\/[^"]*)"/.exec(JSON.stringify(resource))?.[1])).toEqual([
      '/main/archive.json',
      '/main/state/*',
      '/main/reports/status.*',
    ]);
  });

  test('but the role that the configuration names for repairs', () => {
    const repairRole = 'arn:aws:iam::123456789012:role/pacs-repair';
    const { Condition } = refusalOf({ ...plainConfiguration, cloud: { repairRole } });
    expect(Condition).toMatchObject({ ArnNotEquals: { 'aws:PrincipalArn': repairRole } });
  });

  test('what the configuration names as that role must be one', () => {
    const cloud = { repairRole: 'arn:aws:iam::123456789012:root' };
    expect(() => new SynthesizedStack({ ...plainConfiguration, cloud })).toThrow('cloud.repairRole: is not the ARN');
  });
});

test('an archive cannot lie within the state of another, where its instances could be overwritten', () => {
  const { main } = plainConfiguration.mirrors;
  const mirrors = { main, other: { ...main, archive: { prefix: 'main/state/' } } };
  expect(() => new SynthesizedStack({ mirrors })).toThrow('mirrors.other.archive.prefix: main/state/ lies within');
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
