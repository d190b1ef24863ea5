import { Duration } from 'aws-cdk-lib';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import type { Construct } from 'constructs';
import { grantReadArchive, grantWriteArchive } from './archive-access.ts';
import { MirrorFunction, type MirrorFunctionProps } from './mirror-function.ts';
import { grantReadSecrets } from './secret-access.ts';

/** The function that copies instances. It may add to the archive and read it, but never delete from it. */
export class TransferFunction extends MirrorFunction {
  constructor(scope: Construct, id: string, props: MirrorFunctionProps) {
    const { transfer } = props.configuration.cloud;
    super(scope, id, props, { file: 'transfer', ...transfer });
    grantReadSecrets(
      this,
      this.function,
      Object.values(props.configuration.mirrors).flatMap((mirror) => [mirror.source, ...Object.values(mirror.targets)]),
    );
    grantReadArchive(props.bucket, this.function);
    grantWriteArchive(props.bucket, this.function, '*');
    props.queue.grantSendMessages(this.function);
    props.deadLetterQueue.grantSendMessages(this.function);
    this.function.addEventSource(
      new SqsEventSource(props.queue, {
        batchSize: transfer.batchSize,
        // A batch larger than ten needs a window in which it is gathered.
        ...(transfer.batchSize > 10 ? { maxBatchingWindow: Duration.seconds(1) } : {}),
        maxConcurrency: transfer.maxConcurrency,
        reportBatchItemFailures: true,
      }),
    );
  }
}
