import { fileURLToPath } from 'node:url';
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { Architecture, type Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda';
import { type ICommandHooks, NodejsFunction, OutputFormat } from 'aws-cdk-lib/aws-lambda-nodejs';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { bundledConfigurationFile, type FunctionEnvironment } from '../core/config/environment.ts';
import type { Configuration } from '../core/config/schema.ts';

/** What every function gets. */
export interface MirrorFunctionProps {
  readonly configuration: Configuration;
  /** Path of the configuration file, which is bundled with the function. It holds no secrets: the schema sees to it. */
  readonly configurationFile: string;
  readonly bucket: Bucket;
  readonly queue: Queue;
  readonly deadLetterQueue: Queue;
}

interface CodeProps {
  /** Name of the file in `lambdas/`, without extension. */
  readonly file: string;
  readonly memoryMiB: number;
  readonly timeoutSeconds: number;
}

const projectFolder = fileURLToPath(new URL('..', import.meta.url));

/** CommonJS packages in an ES module bundle still call `require`, which ES modules do not have. */
const requireForCommonJs =
  "import { createRequire as createRequireForCommonJs } from 'node:module'; const require = createRequireForCommonJs(import.meta.url);";

/** One function with a role and a log group of its own. Grants nothing: who builds on it grants what it needs. */
export class MirrorFunction extends Construct {
  readonly function: LambdaFunction;

  constructor(scope: Construct, id: string, props: MirrorFunctionProps, code: CodeProps) {
    super(scope, id);
    const environment: FunctionEnvironment & Record<string, string> = {
      ORTHANC_MIRROR_BUCKET: props.bucket.bucketName,
      ORTHANC_MIRROR_QUEUE_URL: props.queue.queueUrl,
      ORTHANC_MIRROR_DEAD_LETTER_QUEUE_URL: props.deadLetterQueue.queueUrl,
      POWERTOOLS_SERVICE_NAME: code.file,
      POWERTOOLS_METRICS_NAMESPACE: 'OrthancMirror',
      NODE_OPTIONS: '--enable-source-maps',
    };
    this.function = new NodejsFunction(this, 'Function', {
      entry: `${projectFolder}lambdas/${code.file}.ts`,
      projectRoot: projectFolder,
      depsLockFilePath: `${projectFolder}package-lock.json`,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: code.memoryMiB,
      timeout: Duration.seconds(code.timeoutSeconds),
      environment,
      logGroup: new LogGroup(this, 'Logs', {
        retention: props.configuration.cloud.logRetentionDays,
        removalPolicy: RemovalPolicy.DESTROY,
      }),
      bundling: {
        format: OutputFormat.ESM,
        mainFields: ['module', 'main'],
        target: 'node24',
        bundleAwsSDK: true,
        minify: true,
        keepNames: true,
        sourceMap: true,
        sourcesContent: false,
        banner: requireForCommonJs,
        commandHooks: bundleConfiguration(props.configurationFile),
      },
    });
  }
}

/** Puts the configuration file beside the bundled code. */
function bundleConfiguration(configurationFile: string): ICommandHooks {
  return {
    beforeBundling: () => [],
    beforeInstall: () => [],
    afterBundling: (_inputFolder, outputFolder) => [
      `cp ${inShellQuotes(configurationFile)} ${inShellQuotes(`${outputFolder}/${bundledConfigurationFile}`)}`,
    ],
  };
}

function inShellQuotes(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
