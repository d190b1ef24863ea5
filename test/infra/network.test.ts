import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { fullConfiguration, SynthesizedStack } from './synthesize.ts';

const stack = new SynthesizedStack(fullConfiguration);
const { template } = stack;

const ruleSchema = z.object({ CidrIp: z.string(), IpProtocol: z.string(), FromPort: z.number(), ToPort: z.number() });

test('without a VPC in the configuration the functions run outside of any', () => {
  const plain = new SynthesizedStack();
  plain.template.resourceCountIs('AWS::EC2::SecurityGroup', 0);
  plain.template.allResourcesProperties('AWS::Lambda::Function', { VpcConfig: Match.absent() });
});

test('every function runs in the configured subnets', () => {
  const functions = stack.resources('AWS::Lambda::Function');
  expect(functions).toHaveLength(9);
  for (const properties of functions) {
    expect(properties).toMatchObject({ VpcConfig: { SubnetIds: ['subnet-0a1b2c3d', 'subnet-0a1b2c3e'] } });
  }
});

test('the functions reach the ports of the configured servers in the configured networks, and nothing else by address', () => {
  const [group] = stack.resources('AWS::EC2::SecurityGroup', 'NetworkFunctions');
  const rules = z.array(ruleSchema).parse(group?.SecurityGroupEgress);
  expect(rules.map(({ CidrIp, IpProtocol, FromPort, ToPort }) => [CidrIp, IpProtocol, FromPort, ToPort])).toEqual([
    ['10.1.2.0/23', 'tcp', 443, 443],
    ['10.1.2.0/23', 'tcp', 8443, 8443],
    ['10.1.2.0/23', 'tcp', 8444, 8444],
  ]);
});

const twoEndpoints = { sqs: 'sqs', secretsManager: 'secretsmanager' } as const;
const vpcSchema = z.object({ cloud: z.object({ vpc: z.looseObject({}) }) });

/** The full configuration with another VPC. */
function withVpc(change: object): unknown {
  const configuration = z.looseObject({ cloud: z.looseObject({}) }).parse(fullConfiguration);
  const { vpc } = vpcSchema.parse(fullConfiguration).cloud;
  return { ...configuration, cloud: { ...configuration.cloud, vpc: { ...vpc, ...change } } };
}

const shared = new SynthesizedStack(withVpc({ s3Endpoint: 'existing' }));

test('the functions reach S3 by its prefix list and the other endpoints by their security groups, on port 443 only', () => {
  const egress = stack.resources('AWS::EC2::SecurityGroupEgress');
  expect(egress).toHaveLength(3);
  expect(egress.every(({ FromPort, ToPort }) => FromPort === 443 && ToPort === 443)).toBe(true);
  template.hasResourceProperties('AWS::EC2::SecurityGroupEgress', { DestinationPrefixListId: 'pl-0a1b2c3d' });
  template.hasResourceProperties('AWS::EC2::SecurityGroupEgress', { DestinationSecurityGroupId: Match.anyValue() });
});

test('nobody can open a connection to the functions, and only the functions to the endpoints', () => {
  for (const group of stack.resources('AWS::EC2::SecurityGroup')) {
    expect(group).not.toHaveProperty('SecurityGroupIngress');
  }
  const ingress = stack.resources('AWS::EC2::SecurityGroupIngress');
  expect(ingress).toHaveLength(2);
  for (const { SourceSecurityGroupId } of ingress) {
    expect(JSON.stringify(SourceSecurityGroupId)).toContain('NetworkFunctions');
  }
});

test('there are endpoints for what the functions use and for nothing else, so that no way to the internet is needed', () => {
  const services = stack.resources('AWS::EC2::VPCEndpoint').map(({ ServiceName }) => JSON.stringify(ServiceName));
  expect(services.map((name) => /\.(\w+)"/.exec(name)?.[1] ?? '').toSorted()).toEqual(['s3', 'secretsmanager', 'sqs']);
  template.resourceCountIs('AWS::EC2::NatGateway', 0);
});

describe('a VPC that others use too', () => {
  test('keeps the names of AWS services as they were: endpoints have names of their own, which the functions know', () => {
    const endpoints = stack
      .resources('AWS::EC2::VPCEndpoint')
      .filter(({ VpcEndpointType }) => VpcEndpointType === 'Interface');
    expect(endpoints.map(({ PrivateDnsEnabled }) => PrivateDnsEnabled)).toEqual([false, false]);
    for (const { Environment } of stack.resources('AWS::Lambda::Function')) {
      const { AWS_ENDPOINT_URL_SQS: sqs, AWS_ENDPOINT_URL_SECRETS_MANAGER: secrets } = Object(Environment).Variables;
      expect(JSON.stringify(sqs)).toMatch(
        /^\{"Fn::Join":\["",\["https:\/\/",.*"Fn::GetAtt":\["Networksqs\w+","DnsEntries"\]/,
      );
      expect(JSON.stringify(secrets)).toContain('NetworksecretsManager');
    }
  });

  test('keeps its route tables as they are, unless they are said to be ours', () => {
    const gateways = { VpcEndpointType: 'Gateway' };
    expect(Object.keys(shared.template.findResources('AWS::EC2::VPCEndpoint', { Properties: gateways }))).toEqual([]);
    shared.template.hasResourceProperties('AWS::EC2::SecurityGroupEgress', { DestinationPrefixListId: 'pl-0a1b2c3d' });
    template.hasResourceProperties('AWS::EC2::VPCEndpoint', {
      ...gateways,
      RouteTableIds: ['rtb-0a1b2c3d', 'rtb-0a1b2c3e'],
    });
  });

  test('keeps its own endpoints: those that are named are used, and none is made beside them', () => {
    const url = (service: string) => `https://vpce-0a1b.${service}.eu-central-1.vpce.amazonaws.com`;
    const endpoints = Object.fromEntries(
      Object.entries(twoEndpoints).map(([name, service]) => [
        name,
        { url: url(service), securityGroupId: 'sg-0a1b2c3d' },
      ]),
    );
    const existing = new SynthesizedStack(withVpc({ s3Endpoint: 'existing', endpoints }));
    existing.template.resourceCountIs('AWS::EC2::VPCEndpoint', 0);
    for (const { Environment } of existing.resources('AWS::Lambda::Function')) {
      expect(Object(Environment).Variables).toMatchObject({
        AWS_ENDPOINT_URL_SQS: url('sqs'),
        AWS_ENDPOINT_URL_SECRETS_MANAGER: url('secretsmanager'),
      });
    }
    const [functions] = existing.resources('AWS::EC2::SecurityGroup', 'NetworkFunctions');
    const toEndpoints = z.array(z.looseObject({ DestinationSecurityGroupId: z.literal('sg-0a1b2c3d') }));
    const rules = z.array(z.unknown()).parse(functions?.SecurityGroupEgress);
    // Both endpoints have one group: a rule for each would be refused as doubled.
    expect(toEndpoints.parse(rules.filter((rule) => 'DestinationSecurityGroupId' in Object(rule)))).toMatchObject([
      { FromPort: 443, ToPort: 443 },
    ]);
    existing.template.hasOutput('FunctionsSecurityGroupId', {});
  });

  test('gets no endpoint of Secrets Manager where no secret is named', () => {
    const bare = { mirrors: { main: { source: { url: 'https://10.1.2.5/' }, archive: {} } } };
    const { vpc } = vpcSchema.parse(withVpc({ s3Endpoint: 'existing' })).cloud;
    const without = new SynthesizedStack({ ...bare, cloud: { allowPrivateNetworks: true, vpc } });
    expect(without.resources('AWS::EC2::VPCEndpoint')).toHaveLength(1);
  });

  test('needs the route tables named that are to be ours', () => {
    const subnets = [{ subnetId: 'subnet-0a1b2c3d', availabilityZone: 'eu-central-1a' }];
    expect(() => new SynthesizedStack(withVpc({ subnets }))).toThrow('cloud.vpc.subnets.0.routeTableId: is missing');
  });
});

const policySchema = z.object({
  PolicyDocument: z.object({
    Statement: z.array(
      z.object({
        Effect: z.literal('Allow'),
        Action: z.unknown(),
        Resource: z.array(z.unknown()),
        Condition: z.unknown(),
      }),
    ),
  }),
});

test('every endpoint lets the functions through, to what they use, and nobody with other credentials', () => {
  const roles = stack.resources('AWS::Lambda::Function').map(({ Role }) => JSON.stringify(Role));
  const statements = stack
    .resources('AWS::EC2::VPCEndpoint')
    .flatMap((endpoint) => policySchema.parse(endpoint).PolicyDocument.Statement);
  expect(statements).toHaveLength(4);
  for (const { Action, Resource, Condition } of statements) {
    const { 'aws:PrincipalArn': admitted } = Object(Object(Condition).ArnEquals);
    expect(
      [admitted]
        .flat()
        .map((role) => JSON.stringify(role))
        .toSorted(),
    ).toEqual(roles.toSorted());
    expect(JSON.stringify(Action)).not.toContain('*');
    expect(Resource).not.toContain('*');
  }
  const reached = JSON.stringify(statements.map(({ Resource }) => Resource));
  for (const named of [
    'Queuesnewcity',
    'Queuesbacklogcity',
    'Queueslargecity',
    'Queuesinboxharbour',
    'secret:harbour-AbCdEf',
    'webhook-before',
    'InboxBucket',
  ]) {
    expect(reached).toContain(named);
  }
});

test.each(['Scheduler', 'Transfer', 'Verifier', 'Status', 'Webhook', 'InboxTaker'] as const)(
  'the %s function has two permissions on all resources, which only describe networks and which its code is denied',
  (name) => {
    const everywhere = stack.statementsOf(name).filter(({ Resource }) => Resource === '*');
    expect(everywhere).toMatchObject([
      { Effect: 'Allow', Action: ['ec2:DescribeNetworkInterfaces', 'ec2:DescribeSubnets'] },
      { Effect: 'Deny', Condition: { ArnLike: { 'lambda:SourceFunctionArn': expect.anything() } } },
    ]);
    expect(everywhere[1]?.Action).toEqual(expect.arrayContaining(everywhere[0]?.Action ?? []));
  },
);
