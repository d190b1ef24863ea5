/** Everything that one deployment consists of. Each part is a construct of its own; here they are put together. */
import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { requireFitForCloud } from '../core/config/cloud-rules.ts';
import type { Configuration } from '../core/config/schema.ts';
import { ArchiveBucket } from './archive-bucket.ts';
import { MirrorSchedules } from './mirror-schedules.ts';
import { SchedulerFunction } from './scheduler-function.ts';
import { TransferFunction } from './transfer-function.ts';
import { TransferQueue } from './transfer-queue.ts';

export interface MirrorStackProps extends StackProps {
  readonly configuration: Configuration;
  /** Path of the file that `configuration` was read from; it is bundled with the functions. */
  readonly configurationFile: string;
}

/** The stack. Throws `configuration` when the configuration cannot work in the cloud. */
export class MirrorStack extends Stack {
  constructor(scope: Construct, id: string, props: MirrorStackProps) {
    super(scope, id, { description: 'Mirrors Orthanc servers and archives every byte of them.', ...props });
    requireFitForCloud(props.configuration);

    const archive = new ArchiveBucket(this, 'Archive');
    const queue = new TransferQueue(this, 'TransferQueue', { transfer: props.configuration.cloud.transfer });
    const common = {
      configuration: props.configuration,
      configurationFile: props.configurationFile,
      bucket: archive.bucket,
      queue: queue.queue,
      deadLetterQueue: queue.deadLetterQueue,
    };
    const scheduler = new SchedulerFunction(this, 'Scheduler', common);
    new TransferFunction(this, 'Transfer', common);
    new MirrorSchedules(this, 'Schedules', { mirrors: props.configuration.mirrors, scheduler: scheduler.function });

    new CfnOutput(this, 'ArchiveBucketName', { value: archive.bucket.bucketName });
    new CfnOutput(this, 'TransferQueueUrl', { value: queue.queue.queueUrl });
    new CfnOutput(this, 'DeadLetterQueueUrl', { value: queue.deadLetterQueue.queueUrl });
  }
}
