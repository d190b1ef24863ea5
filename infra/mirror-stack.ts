/** Everything that one deployment consists of. Each part is a construct of its own; here they are put together. */
import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { requireFitForCloud } from '../core/config/cloud-rules.ts';
import type { Configuration } from '../core/config/schema.ts';
import { acknowledgeFindings } from './acknowledged-findings.ts';
import { ArchiveBucket } from './archive-bucket.ts';
import { Inbox } from './inbox.ts';
import { InboxFunction } from './inbox-function.ts';
import type { MirrorFunctionProps } from './mirror-function.ts';
import { MirrorSchedules } from './mirror-schedules.ts';
import { Monitoring } from './monitoring.ts';
import { Network } from './network.ts';
import { OpenFunction } from './open-function.ts';
import { SchedulerFunction } from './scheduler-function.ts';
import { secretArnsOf } from './secret-access.ts';
import { Shards } from './shards.ts';
import { StackKey } from './stack-key.ts';
import { StackQueues } from './stack-queues.ts';
import { StatusFunction } from './status-function.ts';
import { TransferFunction } from './transfer-function.ts';
import { VerifierFunction } from './verifier-function.ts';
import { WebhookFunction } from './webhook-function.ts';

export interface MirrorStackProps extends StackProps {
  readonly configuration: Configuration;
  /** Path of the file that `configuration` was read from; it is bundled with the functions. */
  readonly configurationFile: string;
}

/** The stack. Throws `configuration` when the configuration cannot work in the cloud. */
export class MirrorStack extends Stack {
  constructor(scope: Construct, id: string, props: MirrorStackProps) {
    // Indentation would be half of the template, whose size is bounded.
    const template = { suppressTemplateIndentation: true };
    super(scope, id, {
      description: 'Mirrors Orthanc servers and archives every byte of them.',
      ...template,
      ...props,
    });
    const { configuration, configurationFile } = props;
    const { cloud } = configuration;
    requireFitForCloud(configuration);

    const { key } = new StackKey(this, 'Key', cloud);
    const { bucket } = new ArchiveBucket(this, 'Archive', { configuration, key });
    const queues = new StackQueues(this, 'Queues', { configuration, key });
    const inbox = cloud.inbox && new Inbox(this, 'Inbox', { inbox: cloud.inbox, key, lanes: queues.inbox });
    const network = cloud.vpc && new Network(this, 'Network', { configuration, vpc: cloud.vpc });
    const archive = { bucket, key };
    const common = { configuration, configurationFile, archive, queues, network };
    const scheduler = new SchedulerFunction(this, 'Scheduler', common);
    const transfer = new TransferFunction(this, 'Transfer', common, 'small');
    const largeTransfer = new TransferFunction(this, 'LargeTransfer', common, 'large');
    const verifier = new VerifierFunction(this, 'Verifier', common);
    const status = new StatusFunction(this, 'Status', common);
    const webhook = this.#webhook(common);
    const opener = this.#opener(common);
    const taker = inbox && cloud.inbox && new InboxFunction(this, 'InboxTaker', common, inbox, cloud.inbox);
    const shards = cloud.distributedMap && new Shards(this, 'Shards', common, cloud.distributedMap);
    new MirrorSchedules(this, 'Schedules', {
      configuration,
      scheduler: scheduler.function,
      verifier: verifier.function,
      status: status.function,
      inbox: taker?.function,
    });
    const functions = [
      scheduler,
      transfer,
      largeTransfer,
      verifier,
      status,
      webhook,
      opener,
      taker,
      shards?.function,
    ].filter((made) => made !== undefined);
    network?.admit({
      roles: functions.map(({ role }) => role.arn),
      sqs: queues.all.map(({ queueArn }) => queueArn),
      secretsManager: secretArnsOf(this, configuration),
      archive: bucket,
      inbox: inbox?.bucket,
    });
    new Monitoring(this, 'Monitoring', { configuration, functions, queues, key });
    acknowledgeFindings(this, configuration);

    new CfnOutput(this, 'ArchiveBucketName', { value: bucket.bucketName });
    if (inbox !== undefined) {
      new CfnOutput(this, 'InboxBucketName', { value: inbox.bucket.bucketName });
    }
    new CfnOutput(this, 'QueuesUrl', { value: queues.url });
    if (network !== undefined) {
      new CfnOutput(this, 'FunctionsSecurityGroupId', { value: network.securityGroup.securityGroupId });
    }
  }

  #webhook(props: MirrorFunctionProps): WebhookFunction | undefined {
    const { webhook } = props.configuration.cloud;
    if (webhook === undefined) {
      return undefined;
    }
    const made = new WebhookFunction(this, 'Webhook', props, webhook);
    new CfnOutput(this, 'WebhookUrl', { value: made.url.url });
    return made;
  }

  #opener(props: MirrorFunctionProps): OpenFunction | undefined {
    const { open } = props.configuration.cloud;
    if (open === undefined) {
      return undefined;
    }
    const made = new OpenFunction(this, 'Opener', props, open);
    new CfnOutput(this, 'OpenUrl', { value: made.url.url });
    return made;
  }
}
