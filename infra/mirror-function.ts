import { Aws, Duration, RemovalPolicy, Size } from 'aws-cdk-lib';
import { Architecture, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { type FunctionName, metricsNamespace } from '../core/cloud/metrics/metrics.ts';
import type { Configuration } from '../core/config/schema.ts';
import type { FunctionEnvironment } from '../core/environment.ts';
import type { ArchivePlace } from './archive-access.ts';
import { functionCode } from './function-code.ts';
import { Network } from './network.ts';
import { ServiceRole } from './service-role.ts';
import type { StackQueues } from './stack-queues.ts';

/** What every function gets. */
export interface MirrorFunctionProps {
  readonly configuration: Configuration;
  /** Path of the configuration file, which is bundled with the function. It holds no secrets: the schema sees to it. */
  readonly configurationFile: string;
  readonly archive: ArchivePlace;
  readonly queues: StackQueues;
  /** Absent: the functions run outside of any VPC. */
  readonly network: Network | undefined;
  /** The bucket in which files arrive, for the function that takes them in. */
  readonly inbox?: Bucket;
}

interface CodeProps {
  /** Name of the file in `lambdas/`, without extension. */
  readonly file: FunctionName;
  /** What it is called in alarms. Absent: as its file. */
  readonly name?: string;
  readonly memoryMiB: number;
  readonly timeoutSeconds: number;
  /** Most invocations at once; so many are also set apart for the function. */
  readonly reservedConcurrency: number;
  /** Temporary space. Absent: the 512 MiB that every function has. */
  readonly scratchMiB?: number;
}

/** One function with a role and a log group of its own. Who builds on it allows what the function needs. */
export class MirrorFunction extends Construct {
  readonly function: LambdaFunction;
  readonly role: ServiceRole;
  readonly fileName: FunctionName;
  /** What it is called in alarms. */
  readonly name: string;

  constructor(scope: Construct, id: string, props: MirrorFunctionProps, code: CodeProps) {
    super(scope, id);
    this.fileName = code.file;
    this.name = code.name ?? code.file;
    const { archive, network } = props;
    const logGroup = new LogGroup(this, 'Logs', {
      retention: props.configuration.cloud.logRetentionDays,
      encryptionKey: archive.key,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.role = new ServiceRole(this, 'Identity', 'lambda.amazonaws.com');
    this.role.allow('WriteLog', ['logs:CreateLogStream', 'logs:PutLogEvents'], [logGroup.logGroupArn]);
    this.role.allow('ReportFailure', ['sqs:SendMessage'], [props.queues.failedInvocations.queueArn]);
    this.role.allow('EncryptMessages', ['kms:Decrypt', 'kms:GenerateDataKey'], [archive.key.keyArn], {
      StringEquals: { 'kms:ViaService': `sqs.${Aws.REGION}.${Aws.URL_SUFFIX}` },
    });
    if (network !== undefined) {
      Network.allowAttach(this.role);
    }
    this.function = new LambdaFunction(this, 'Function', {
      code: functionCode(this, code.file, props.configurationFile),
      handler: 'index.handler',
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: code.memoryMiB,
      timeout: Duration.seconds(code.timeoutSeconds),
      reservedConcurrentExecutions: code.reservedConcurrency,
      ...(code.scratchMiB === undefined ? {} : { ephemeralStorageSize: Size.mebibytes(code.scratchMiB) }),
      environment: environmentOf(props, code.file),
      role: this.role.role,
      deadLetterQueue: props.queues.failedInvocations,
      // What is invoked by a schedule is not worth repeating: the next one does the same work.
      retryAttempts: 0,
      logGroup,
      ...(network === undefined
        ? {}
        : {
            vpc: network.vpc,
            vpcSubnets: { subnets: [...network.subnets] },
            securityGroups: [network.securityGroup],
          }),
    });
  }
}

function environmentOf(
  { archive, queues, inbox, network }: MirrorFunctionProps,
  file: FunctionName,
): FunctionEnvironment & Record<string, string> {
  return {
    ORTHANC_MIRROR_BUCKET: archive.bucket.bucketName,
    ORTHANC_MIRROR_QUEUES_URL: queues.url,
    ...(inbox === undefined ? {} : { ORTHANC_MIRROR_INBOX_BUCKET: inbox.bucketName }),
    ...network?.environment,
    POWERTOOLS_SERVICE_NAME: file,
    POWERTOOLS_METRICS_NAMESPACE: metricsNamespace,
    NODE_OPTIONS: '--enable-source-maps',
  };
}
