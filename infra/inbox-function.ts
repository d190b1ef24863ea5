import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import type { Construct } from 'constructs';
import { archivePrefixOf } from '../core/config/archive-location.ts';
import { inboxFolders } from '../core/inbox/inbox-keys.ts';
import { allowReadArchive, allowWriteArchive } from './archive-access.ts';
import { serversOf } from './configured-servers.ts';
import type { Inbox } from './inbox.ts';
import { MirrorFunction, type MirrorFunctionProps } from './mirror-function.ts';
import { allowReadSecretsOf } from './secret-access.ts';

const defaults = { memoryMiB: 1024, timeoutSeconds: 900, maxConcurrency: 5, scratchMiB: 4096 };

const consumeActions = [
  'sqs:ChangeMessageVisibility',
  'sqs:DeleteMessage',
  'sqs:GetQueueAttributes',
  'sqs:ReceiveMessage',
];

/**
 * The function that takes in what arrives in the inbox. It may add to the archive and never delete from it; it may
 * remove objects from `new/` of the inbox and from nowhere else.
 */
export class InboxFunction extends MirrorFunction {
  constructor(scope: Construct, id: string, props: MirrorFunctionProps, inbox: Inbox) {
    const { configuration, archive } = props;
    const { bucket, queue, deadLetterQueue } = inbox;
    const { maxConcurrency, ...size } = configuration.cloud.inbox ?? defaults;
    // One more than the event source starts, for the look at what nobody told of.
    const code = { file: 'inbox', ...size, reservedConcurrency: maxConcurrency + 1 } as const;
    super(scope, id, { ...props, queue, deadLetterQueue, inbox: bucket }, code);
    allowReadSecretsOf(this.role, serversOf(configuration));
    allowReadArchive(archive, this.role);
    const written = Object.entries(configuration.mirrors).flatMap(([name, mirror]) =>
      ['archive.json', 'instances/*', 'history/*'].map((key) => archivePrefixOf(name, mirror) + key),
    );
    allowWriteArchive(archive, this.role, 'WriteArchive', written);
    this.#allowInbox(inbox);
    this.function.addEventSource(
      // One object at a time: it may be a large archive.
      new SqsEventSource(queue, { batchSize: 1, maxConcurrency, reportBatchItemFailures: true }),
    );
  }

  #allowInbox({ bucket, queue, deadLetterQueue }: Inbox): void {
    const { arriving, done, refused } = inboxFolders;
    const filed = [done, refused].map((folder) => bucket.arnForObjects(`${folder}*`));
    this.role.allow('ListInbox', ['s3:ListBucket', 's3:ListBucketVersions'], [bucket.bucketArn]);
    this.role.allow('ReadInbox', ['s3:GetObjectVersion'], [bucket.arnForObjects(`${arriving}*`)]);
    this.role.allow('FileInbox', ['s3:PutObject', 's3:AbortMultipartUpload'], filed);
    this.role.allow('ClearInbox', ['s3:DeleteObjectVersion'], [bucket.arnForObjects(`${arriving}*`)]);
    this.role.allow('ConsumeMessages', consumeActions, [queue.queueArn]);
    this.role.allow('SendMessages', ['sqs:SendMessage'], [queue.queueArn]);
    this.role.allow('PutAside', ['sqs:SendMessage'], [deadLetterQueue.queueArn]);
  }
}
