import { Aws, Fn } from 'aws-cdk-lib';
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
import type { EndpointEnvironment } from '../core/environment.ts';
import { serversOf } from './configured-servers.ts';
import { secretArnsOf } from './secret-access.ts';
import type { ServiceRole } from './service-role.ts';

type VpcConfiguration = NonNullable<CloudConfiguration['vpc']>;

export interface NetworkProps {
  readonly configuration: Configuration;
  readonly vpc: VpcConfiguration;
}

const https = Port.tcp(443);

const attachingActions = [
  'ec2:AssignPrivateIpAddresses',
  'ec2:CreateNetworkInterface',
  'ec2:DeleteNetworkInterface',
  'ec2:UnassignPrivateIpAddresses',
];
const archiveActions = ['s3:AbortMultipartUpload', 's3:GetObject', 's3:ListBucket', 's3:PutObject'];
const inboxActions = [
  's3:AbortMultipartUpload',
  's3:DeleteObjectVersion',
  's3:GetObjectVersion',
  's3:ListBucket',
  's3:ListBucketVersions',
  's3:PutObject',
];
const describingActions = ['ec2:DescribeNetworkInterfaces', 'ec2:DescribeSubnets'];

/** What the functions use of services with interface endpoints; S3 has a gateway. Lambda itself delivers logs. */
const interfaceServices = {
  sqs: {
    service: InterfaceVpcEndpointAwsService.SQS,
    variable: 'AWS_ENDPOINT_URL_SQS',
    actions: ['sqs:ChangeMessageVisibility', 'sqs:GetQueueAttributes', 'sqs:SendMessage'],
  },
  secretsManager: {
    service: InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
    variable: 'AWS_ENDPOINT_URL_SECRETS_MANAGER',
    actions: ['secretsmanager:GetSecretValue'],
  },
} as const satisfies Record<string, { variable: keyof EndpointEnvironment; [more: string]: unknown }>;
type InterfaceService = keyof typeof interfaceServices;

/** What the functions may reach through the endpoints of the stack, by ARN. */
export interface Reachable extends Readonly<Record<InterfaceService, readonly string[]>> {
  /** Roles of the functions. */
  readonly roles: readonly string[];
  readonly archive: Bucket;
  readonly inbox: Bucket | undefined;
}

/**
 * Where the functions run inside a VPC that others use too: they reach the ports of the configured servers and the
 * endpoints of the AWS services that they use, and nothing else. No way to the internet is needed, and nothing changes for
 * the others: the endpoints have no private names, and no route table is touched unless it is said to be ours.
 */
export class Network extends Construct {
  readonly vpc: IVpc;
  readonly subnets: readonly ISubnet[];
  readonly securityGroup: ISecurityGroup;
  /** Where the functions reach AWS services. */
  readonly environment: EndpointEnvironment;
  readonly #made = new Map<InterfaceService, InterfaceVpcEndpoint>();
  readonly #storage: GatewayVpcEndpoint | undefined;

  constructor(scope: Construct, id: string, { configuration, vpc }: NetworkProps) {
    super(scope, id);
    this.vpc = Vpc.fromVpcAttributes(this, 'Vpc', {
      vpcId: vpc.vpcId,
      availabilityZones: [...new Set(vpc.subnets.map(({ availabilityZone }) => availabilityZone))],
    });
    this.subnets = vpc.subnets.map(({ subnetId, availabilityZone, routeTableId }) =>
      Subnet.fromSubnetAttributes(this, subnetId, {
        subnetId,
        availabilityZone,
        ...(routeTableId === undefined ? {} : { routeTableId }),
      }),
    );
    this.securityGroup = this.#functionsGroup(configuration, vpc);
    const hasSecrets = secretArnsOf(this, configuration).length > 0;
    this.environment = {
      ...this.#interfaceEndpoint('sqs', vpc),
      ...(hasSecrets ? this.#interfaceEndpoint('secretsManager', vpc) : {}),
    };
    this.#storage = vpc.s3Endpoint === 'own' ? this.#storageEndpoint() : undefined;
    this.securityGroup.addEgressRule(Peer.prefixList(vpc.s3PrefixList), https, 'S3');
  }

  /** Lets the functions, and nobody else, through the endpoints of the stack, to what they use and nothing else. */
  admit({ roles, archive, inbox, ...resources }: Reachable): void {
    const who = { principals: [new AnyPrincipal()], conditions: { ArnEquals: { 'aws:PrincipalArn': [...roles] } } };
    for (const [name, endpoint] of this.#made) {
      const { actions } = interfaceServices[name];
      endpoint.addToPolicy(new PolicyStatement({ ...who, actions: [...actions], resources: [...resources[name]] }));
    }
    const allowBucket = (bucket: Bucket, actions: readonly string[]): void =>
      this.#storage?.addToPolicy(
        new PolicyStatement({
          ...who,
          actions: [...actions],
          resources: [bucket.bucketArn, bucket.arnForObjects('*')],
        }),
      );
    allowBucket(archive, archiveActions);
    if (inbox !== undefined) allowBucket(inbox, inboxActions);
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

  /** @returns where the functions find an endpoint: one that the VPC has already, or a new one */
  #interfaceEndpoint(name: InterfaceService, vpc: VpcConfiguration): EndpointEnvironment {
    const { service, variable } = interfaceServices[name];
    const existing = vpc.endpoints[name];
    if (existing !== undefined) {
      // Two endpoints may have one group: rules of the same words are one rule, others AWS refuses as doubled.
      this.securityGroup.addEgressRule(Peer.securityGroupId(existing.securityGroupId), https, 'AWS endpoints');
      return { [variable]: existing.url };
    }
    const group = new SecurityGroup(this, `${name}-group`, {
      vpc: this.vpc,
      description: `Endpoint of ${name}: only from the functions`,
      allowAllOutbound: false,
    });
    group.addIngressRule(this.securityGroup, https, 'from the functions');
    this.securityGroup.addEgressRule(group, https, 'AWS endpoints');
    const endpoint = new InterfaceVpcEndpoint(this, name, {
      vpc: this.vpc,
      service,
      subnets: { subnets: this.#onePerZone() },
      securityGroups: [group],
      open: false,
      // Everybody in the VPC would resolve the name of the service to an endpoint that admits the functions only.
      privateDnsEnabled: false,
    });
    this.#made.set(name, endpoint);
    // Each entry is the id of a hosted zone, a colon and a name; the first one is that of the region.
    return { [variable]: `https://${Fn.select(1, Fn.split(':', Fn.select(0, endpoint.vpcEndpointDnsEntries)))}` };
  }

  /** An endpoint can have one subnet in each zone. */
  #onePerZone(): ISubnet[] {
    return [...new Map(this.subnets.toReversed().map((subnet) => [subnet.availabilityZone, subnet])).values()];
  }

  #storageEndpoint(): GatewayVpcEndpoint {
    return new GatewayVpcEndpoint(this, 'S3', {
      vpc: this.vpc,
      service: GatewayVpcEndpointAwsService.S3,
      subnets: [{ subnets: [...this.subnets] }],
    });
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
