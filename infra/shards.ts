import { ArnFormat, CfnOutput, Stack, Validations } from 'aws-cdk-lib';
import { CfnStateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { archivePrefixOf } from '../core/config/archive-location.ts';
import type { CloudConfiguration } from '../core/config/cloud-schema.ts';
import { shardsKey } from '../core/stores/archive/keys.ts';
import { allowReadArchive, allowWriteArchive } from './archive-access.ts';
import { serversOf } from './configured-servers.ts';
import { MirrorFunction, type MirrorFunctionProps } from './mirror-function.ts';
import { allowReadSecretsOf } from './secret-access.ts';
import { ServiceRole } from './service-role.ts';
import { shardStates } from './shard-states.ts';
import { allowSend } from './stack-queues.ts';

type Size = NonNullable<CloudConfiguration['distributedMap']>;

const timeoutSeconds = 900;

const noTraces =
  'Traces would need a permission on all resources; the executions themselves tell of every shard, and the functions log.';
const noLog =
  'Step Functions keeps the events of each execution for 90 days; what was done stands in the log of the function.';

/**
 * The function that works on shards: it does what the transfer function does, and leaves to the queues what fails. It may
 * add to the archive and read it, but never delete from it.
 */
class ShardFunction extends MirrorFunction {
  constructor(scope: Construct, id: string, props: MirrorFunctionProps, { maxConcurrency, memoryMiB }: Size) {
    // One more makes the plan.
    super(scope, id, props, { file: 'shards', memoryMiB, timeoutSeconds, reservedConcurrency: maxConcurrency + 1 });
    const { configuration, archive, queues } = props;
    allowReadSecretsOf(this.role, serversOf(configuration));
    allowReadArchive(archive, this.role);
    allowWriteArchive(archive, this.role, 'shards', configuration);
    allowSend(this.role, [...queues.transfer.backlog, ...queues.transfer.large]);
  }
}

/** The state machine that copies or verifies everything in shards, with its function. */
export class Shards extends Construct {
  readonly function: MirrorFunction;

  constructor(scope: Construct, id: string, props: MirrorFunctionProps, size: Size) {
    super(scope, id);
    this.function = new ShardFunction(this, 'Worker', props, size);
    const { bucket } = props.archive;
    const { functionArn } = this.function.function;
    const stateMachineName = `${props.configuration.cloud.stackName}-shards`;
    const role = this.#role(props, stateMachineName);
    const states = shardStates({
      functionArn,
      bucketName: bucket.bucketName,
      maxConcurrency: size.maxConcurrency,
      shardsPerInvocation: size.studiesPerInvocation,
    });
    const machine = new CfnStateMachine(this, 'StateMachine', {
      stateMachineName,
      stateMachineType: 'STANDARD',
      roleArn: role.arn,
      definitionString: Stack.of(this).toJsonString(states),
    });
    machine.node.addDependency(role);
    Validations.of(machine).acknowledge({ id: 'AwsSolutions-SF1', reason: noLog });
    Validations.of(machine).acknowledge({ id: 'AwsSolutions-SF2', reason: noTraces });
    Validations.of(machine).acknowledge({
      id: 'Serverless::Serverless-StepFunctionStateMachineXray',
      reason: noTraces,
    });
    new CfnOutput(this, 'StateMachineArn', { value: machine.attrArn }).overrideLogicalId('ShardsStateMachineArn');
  }

  #role({ archive: { bucket, key }, configuration }: MirrorFunctionProps, stateMachineName: string): ServiceRole {
    const role = new ServiceRole(this, 'Identity', 'states.amazonaws.com', { fromThisAccountOnly: true });
    role.allow('InvokeFunctions', ['lambda:InvokeFunction'], [this.function.function.functionArn]);
    const shards = Object.entries(configuration.mirrors).map(([name, mirror]) =>
      bucket.arnForObjects(`${archivePrefixOf(name, mirror)}${shardsKey('*').results}`),
    );
    role.allow('ReadShards', ['s3:GetObject'], shards);
    role.allow('WriteShardResults', ['s3:PutObject', 's3:ListMultipartUploadParts', 's3:AbortMultipartUpload'], shards);
    role.allow('DecryptArchive', ['kms:Decrypt'], [key.keyArn]);
    role.allow('EncryptArchive', ['kms:GenerateDataKey'], [key.keyArn]);
    const arnOf = (resource: string, resourceName: string) =>
      Stack.of(this).formatArn({ service: 'states', resource, resourceName, arnFormat: ArnFormat.COLON_RESOURCE_NAME });
    role.allow('StartShards', ['states:StartExecution'], [arnOf('stateMachine', stateMachineName)]);
    role.allow(
      'FollowShards',
      ['states:DescribeExecution', 'states:StopExecution', 'states:RedriveExecution'],
      [arnOf('execution', `${stateMachineName}/*`)],
    );
    return role;
  }
}
