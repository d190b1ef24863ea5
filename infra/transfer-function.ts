import { Duration } from 'aws-cdk-lib';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import type { Construct } from 'constructs';
import { archivePrefixOf } from '../core/config/archive-location.ts';
import { allowReadArchive, allowShortRetention, allowWriteArchive } from './archive-access.ts';
import { serversOf } from './configured-servers.ts';
import { MirrorFunction, type MirrorFunctionProps } from './mirror-function.ts';
import { allowReadSecretsOf } from './secret-access.ts';

const consumeActions = [
  'sqs:ChangeMessageVisibility',
  'sqs:DeleteMessage',
  'sqs:GetQueueAttributes',
  'sqs:ReceiveMessage',
];

/** The function that copies instances. It may add to the archive and read it, but never delete from it. */
export class TransferFunction extends MirrorFunction {
  constructor(scope: Construct, id: string, props: MirrorFunctionProps) {
    const { configuration, archive, queue, deadLetterQueue } = props;
    const { transfer } = configuration.cloud;
    // No fewer than the event source starts: a message that is refused for lack of them would count as a failed try.
    super(scope, id, props, { file: 'transfer', ...transfer, reservedConcurrency: transfer.maxConcurrency });
    allowReadSecretsOf(this.role, serversOf(configuration));
    allowReadArchive(archive, this.role);
    allowWriteArchive(archive, this.role, 'WriteArchive', ['*']);
    const state = Object.entries(configuration.mirrors).map(
      ([name, mirror]) => `${archivePrefixOf(name, mirror)}state/*`,
    );
    allowShortRetention(archive, this.role, configuration.cloud, state);
    this.role.allow('ConsumeMessages', consumeActions, [queue.queueArn]);
    this.role.allow('SendMessages', ['sqs:SendMessage'], [queue.queueArn]);
    this.role.allow('PutAside', ['sqs:SendMessage'], [deadLetterQueue.queueArn]);
    this.function.addEventSource(
      new SqsEventSource(queue, {
        batchSize: transfer.batchSize,
        // A batch larger than ten needs a window in which it is gathered.
        ...(transfer.batchSize > 10 ? { maxBatchingWindow: Duration.seconds(1) } : {}),
        maxConcurrency: transfer.maxConcurrency,
        reportBatchItemFailures: true,
      }),
    );
  }
}
