import { Aws } from 'aws-cdk-lib';
import {
  GatewayVpcEndpoint,
  GatewayVpcEndpointAwsService,
  InterfaceVpcEndpoint,
  InterfaceVpcEndpointAwsService,
  type ISecurityGroup,
  type ISubnet,
  type IVpc,
  Peer,
  Port,
  SecurityGroup,
  Subnet,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { AnyPrincipal, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import type { CloudConfiguration } from '../core/config/cloud-schema.ts';
import type { Configuration } from '../core/config/schema.ts';
import { serversOf } from './configured-servers.ts';
import type { ServiceRole } from './service-role.ts';

type VpcConfiguration = NonNullable<CloudConfiguration['vpc']>;

export interface NetworkProps {
  readonly configuration: Configuration;
  readonly vpc: VpcConfiguration;
  readonly bucket: Bucket;
  readonly inbox: Bucket | undefined;
}

const https = Port.tcp(443);

const attachingActions = [
  'ec2:AssignPrivateIpAddresses',
  'ec2:CreateNetworkInterface',
  'ec2:DeleteNetworkInterface',
  'ec2:UnassignPrivateIpAddresses',
];
const describingActions = ['ec2:DescribeNetworkInterfaces', 'ec2:DescribeSubnets'];

const interfaceServices = {
  Sqs: InterfaceVpcEndpointAwsService.SQS,
  SecretsManager: InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
  Logs: InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
  Kms: InterfaceVpcEndpointAwsService.KMS,
};

/**
 * Where the functions run inside a VPC: they reach the ports of the configured servers and the endpoints of the AWS
 * services that they use, and nothing else. No way to the internet is needed.
 */
export class Network extends Construct {
  readonly vpc: IVpc;
  readonly subnets: readonly ISubnet[];
  readonly securityGroup: ISecurityGroup;

  constructor(scope: Construct, id: string, { configuration, vpc, bucket, inbox }: NetworkProps) {
    super(scope, id);
    this.vpc = Vpc.fromVpcAttributes(this, 'Vpc', {
      vpcId: vpc.vpcId,
      availabilityZones: [...new Set(vpc.subnets.map(({ availabilityZone }) => availabilityZone))],
    });
    this.subnets = vpc.subnets.map((subnet) => Subnet.fromSubnetAttributes(this, subnet.subnetId, subnet));
    this.securityGroup = this.#functionsGroup(configuration, vpc);
    this.#makeInterfaceEndpoints();
    this.#makeStorageEndpoint(bucket, inbox, vpc.s3PrefixList);
  }

  #functionsGroup(configuration: Configuration, { serverNetworks }: VpcConfiguration): SecurityGroup {
    const group = new SecurityGroup(this, 'Functions', {
      vpc: this.vpc,
      description: 'The functions: only to the configured servers and to AWS endpoints',
      allowAllOutbound: false,
    });
    for (const network of serverNetworks) {
      for (const port of serverPorts(configuration)) {
        group.addEgressRule(Peer.ipv4(network), Port.tcp(port), 'a configured server');
      }
    }
    return group;
  }

  #makeInterfaceEndpoints(): void {
    const group = new SecurityGroup(this, 'Endpoints', {
      vpc: this.vpc,
      description: 'AWS endpoints: only from the functions',
      allowAllOutbound: false,
    });
    group.addIngressRule(this.securityGroup, https, 'from the functions');
    this.securityGroup.addEgressRule(group, https, 'AWS endpoints');
    for (const [name, service] of Object.entries(interfaceServices)) {
      new InterfaceVpcEndpoint(this, name, {
        vpc: this.vpc,
        service,
        subnets: { subnets: this.#onePerZone() },
        securityGroups: [group],
        open: false,
      });
    }
  }

  /** An endpoint can have one subnet in each zone. */
  #onePerZone(): ISubnet[] {
    return [...new Map(this.subnets.toReversed().map((subnet) => [subnet.availabilityZone, subnet])).values()];
  }

  #makeStorageEndpoint(bucket: Bucket, inbox: Bucket | undefined, prefixList: string): void {
    const endpoint = new GatewayVpcEndpoint(this, 'S3', {
      vpc: this.vpc,
      service: GatewayVpcEndpointAwsService.S3,
      subnets: [{ subnets: [...this.subnets] }],
    });
    endpoint.addToPolicy(
      new PolicyStatement({
        principals: [new AnyPrincipal()],
        actions: ['s3:ListBucket', 's3:GetObject', 's3:PutObject', 's3:AbortMultipartUpload'],
        resources: [bucket.bucketArn, bucket.arnForObjects('*')],
      }),
    );
    if (inbox !== undefined) {
      endpoint.addToPolicy(
        new PolicyStatement({
          principals: [new AnyPrincipal()],
          actions: [
            's3:ListBucket',
            's3:ListBucketVersions',
            's3:GetObjectVersion',
            's3:PutObject',
            's3:DeleteObjectVersion',
          ],
          resources: [inbox.bucketArn, inbox.arnForObjects('*')],
        }),
      );
    }
    this.securityGroup.addEgressRule(Peer.prefixList(prefixList), https, 'S3');
  }

  /**
   * Lets the Lambda service attach a function, and denies the same to the function's own code. Actions and resources:
   * https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
   */
  static allowAttach(role: ServiceRole): void {
    const ofAccount = (service: string, resource: string): string =>
      `arn:${Aws.PARTITION}:${service}:${Aws.REGION}:${Aws.ACCOUNT_ID}:${resource}`;
    role.allow('AttachNetwork', attachingActions, [ofAccount('ec2', '*/*')]);
    role.allow('DescribeNetwork', describingActions, ['*']);
    role.deny('KeepNetworkFromCode', [...attachingActions, ...describingActions], {
      ArnLike: { 'lambda:SourceFunctionArn': ofAccount('lambda', 'function:*') },
    });
  }
}

/** The distinct ports of all configured servers, in ascending order. */
function serverPorts(configuration: Configuration): number[] {
  const ports = serversOf(configuration).map(({ url }) => portOf(new URL(url)));
  return [...new Set(ports)].toSorted((one, other) => one - other);
}

function portOf({ port, protocol }: URL): number {
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
}
