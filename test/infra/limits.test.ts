/** What AWS takes at most: stacks of many mirrors are within it, and what is not is refused with a reason. */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { longestLength, requireWithinLimits } from '../../infra/limits.ts';
import { SynthesizedStack } from './synthesize.ts';

/** A configuration with everything that takes room: long names, two targets each, an inbox, a webhook, a VPC. */
function mirrorsOf(count: number): unknown {
  const names = Array.from({ length: count }, (_, n) => `hospital-with-a-long-name-no-${String(n).padStart(2, '0')}`);
  const serverOf = (name: string, role: string) => ({
    url: `https://${role}.${name}.example.org/`,
    auth: { bearer: { secretsManager: `orthanc-mirror/${name}/${role}` } },
  });
  const mirrorOf = (name: string) => ({
    source: serverOf(name, 'source'),
    targets: { standby: serverOf(name, 'standby'), research: serverOf(name, 'research') },
    archive: {},
  });
  return {
    mirrors: Object.fromEntries(names.map((name) => [name, mirrorOf(name)])),
    cloud: {
      inbox: {},
      webhook: { secret: { secretsManager: 'orthanc-mirror/webhook' } },
      alarms: { emails: ['pacs@example.org'] },
      vpc: {
        vpcId: 'vpc-0a1b2c3d',
        subnets: [{ subnetId: 'subnet-0a1b2c3d', availabilityZone: 'eu-central-1a', routeTableId: 'rtb-0a1b2c3d' }],
        serverNetworks: ['10.0.0.0/8'],
        s3PrefixList: 'pl-0a1b2c3d',
        s3Endpoint: 'own',
      },
    },
  };
}

describe('twelve mirrors with two targets each, an inbox, a webhook and a VPC', () => {
  const stack = new SynthesizedStack(mirrorsOf(12));

  test('are one stack', () => {
    const all = Object.keys(
      z.object({ Resources: z.record(z.string(), z.unknown()) }).parse(stack.template.toJSON()).Resources,
    );
    expect(all.length).toBeLessThanOrEqual(500);
  });

  test('have no policy that AWS would refuse for its size, and no role with too many', () => {
    for (const { PolicyDocument } of stack.resources('AWS::IAM::ManagedPolicy')) {
      expect(longestLength(PolicyDocument)).toBeLessThanOrEqual(6144);
    }
    for (const { ManagedPolicyArns } of stack.resources('AWS::IAM::Role')) {
      expect(z.array(z.unknown()).parse(ManagedPolicyArns).length).toBeLessThanOrEqual(10);
    }
  });

  test('grant the same to every mirror, however many policies that takes', () => {
    const written = stack
      .statementsOf('Transfer')
      .filter(({ Sid }) => Sid === 'WriteArchive')
      .map(({ Resource }) => JSON.stringify(Resource))
      .join();
    for (const folder of ['instances', 'studies', 'patients', 'attachments', 'history']) {
      expect(written.match(new RegExp(`/hospital-with-a-long-name-no-\\d\\d/${folder}/\\*`, 'g'))).toHaveLength(12);
    }
  });
});

test('more mirrors than a stack has room for are refused with the number', () => {
  expect(() => new SynthesizedStack(mirrorsOf(26))).toThrow(/Number of resources in stack .* is greater than .* 500/);
});

const policyOf = (characters: number) => ({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: 's3:GetObject', Resource: 'x'.repeat(characters) }],
});

test.each([
  ['a managed policy', { Type: 'AWS::IAM::ManagedPolicy', Properties: { PolicyDocument: policyOf(6144) } }, '6144'],
  ['a bucket policy', { Type: 'AWS::S3::BucketPolicy', Properties: { PolicyDocument: policyOf(20_480) } }, '20480'],
  ['an endpoint', { Type: 'AWS::EC2::VPCEndpoint', Properties: { PolicyDocument: policyOf(20_480) } }, '20480'],
  ['a key policy', { Type: 'AWS::KMS::Key', Properties: { KeyPolicy: policyOf(32_768) } }, '32768'],
  [
    'a role with many policies',
    { Type: 'AWS::IAM::Role', Properties: { ManagedPolicyArns: Array(11).fill('x') } },
    '10',
  ],
  ['a role with permissions of its own', { Type: 'AWS::IAM::Role', Properties: { Policies: [{}] } }, 'inline policies'],
  [
    'an environment',
    { Type: 'AWS::Lambda::Function', Properties: { Environment: { Variables: { X: 'x'.repeat(4096) } } } },
    '4096',
  ],
])('%s that AWS would refuse is told by name, with the limit and what to do', (_what, resource, limit) => {
  const check = () => requireWithinLimits({ Resources: { TooMuch: resource } });
  expect(check).toThrow('TooMuch has ');
  expect(check).toThrow(limit);
  expect(check).toThrow('Spread the mirrors over several stacks');
});

test('a template that is too large is refused', () => {
  const Resources = { Big: { Type: 'AWS::SNS::Topic', Properties: { DisplayName: 'x'.repeat(1_000_000) } } };
  expect(() => requireWithinLimits({ Resources })).toThrow('the template has 1000');
});

test.each([
  ['a text', 'abc', 5],
  ['a list', ['a', 'bc'], 10],
  ['an object', { a: 'b', c: [] }, 16],
  ['a reference to the account', { Ref: 'AWS::AccountId' }, 14],
  ['an ARN that is put together', { 'Fn::Join': ['', ['arn:', { Ref: 'AWS::Partition' }, ':s3']] }, 19],
])('%s is as long as it can become', (_what, value, length) => {
  expect(longestLength(value)).toBe(length);
});
