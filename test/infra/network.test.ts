import { Match } from 'aws-cdk-lib/assertions';
import { expect, test } from 'vitest';
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
  expect(functions).toHaveLength(7);
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

test('the functions reach S3 by its prefix list and the other endpoints by their security group, on port 443 only', () => {
  const egress = stack.resources('AWS::EC2::SecurityGroupEgress');
  expect(egress).toHaveLength(2);
  expect(egress.every(({ FromPort, ToPort }) => FromPort === 443 && ToPort === 443)).toBe(true);
  template.hasResourceProperties('AWS::EC2::SecurityGroupEgress', { DestinationPrefixListId: 'pl-0a1b2c3d' });
  template.hasResourceProperties('AWS::EC2::SecurityGroupEgress', { DestinationSecurityGroupId: Match.anyValue() });
});

test('nobody can open a connection to the functions, and only the functions to the endpoints', () => {
  for (const group of stack.resources('AWS::EC2::SecurityGroup')) {
    expect(group).not.toHaveProperty('SecurityGroupIngress');
  }
  const ingress = stack.resources('AWS::EC2::SecurityGroupIngress');
  expect(ingress).toHaveLength(1);
  expect(JSON.stringify(ingress[0]?.SourceSecurityGroupId)).toContain('NetworkFunctions');
});

test('every AWS service that the functions use has an endpoint in the VPC, so that no way to the internet is needed', () => {
  const services = stack.resources('AWS::EC2::VPCEndpoint').map(({ ServiceName }) => JSON.stringify(ServiceName));
  for (const service of ['s3', 'sqs', 'secretsmanager', 'logs', 'kms']) {
    expect(services.filter((name) => new RegExp(`\\.${service}"`).test(name))).toHaveLength(1);
  }
  template.resourceCountIs('AWS::EC2::NatGateway', 0);
});

test('out of the VPC no bucket but archive and inbox can be reached', () => {
  template.hasResourceProperties('AWS::EC2::VPCEndpoint', {
    VpcEndpointType: 'Gateway',
    RouteTableIds: ['rtb-0a1b2c3d', 'rtb-0a1b2c3e'],
    PolicyDocument: {
      Statement: [
        Match.objectLike({ Effect: 'Allow', Resource: [Match.anyValue(), Match.anyValue()] }),
        Match.objectLike({ Effect: 'Allow', Resource: [Match.anyValue(), Match.anyValue()] }),
      ],
    },
  });
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
