import type { Bucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { inboxFolders } from '../core/cloud/inbox/inbox-keys.ts';
import type { Configuration } from '../core/config/schema.ts';
import { allowReadArchive, allowWriteArchive } from './archive-access.ts';
import { serversOf } from './configured-servers.ts';
import type { Inbox } from './inbox.ts';
import { MirrorFunction, type MirrorFunctionProps } from './mirror-function.ts';
import { allowReadSecretsOf } from './secret-access.ts';
import { allowWork, invocationsOf } from './stack-queues.ts';

/**
 * The function that takes in what arrives in the inbox. It may add to the archive and never delete from it; it may
 * remove objects from `new/` of the inbox and from nowhere else.
 */
export class InboxFunction extends MirrorFunction {
  constructor(
    scope: Construct,
    id: string,
    props: MirrorFunctionProps,
    { bucket }: Inbox,
    size: NonNullable<Configuration['cloud']['inbox']>,
  ) {
    const { configuration, archive, queues } = props;
    // One more than the event sources start, for the look at what nobody told of.
    const reservedConcurrency = invocationsOf(queues.inbox) + 1;
    super(scope, id, { ...props, inbox: bucket }, { file: 'inbox', ...size, reservedConcurrency });
    allowReadSecretsOf(this.role, serversOf(configuration));
    allowReadArchive(archive, this.role);
    allowWriteArchive(archive, this.role, 'inbox', configuration);
    this.#allowInbox(bucket);
    allowWork(this.role, queues.inbox);
    for (const lane of queues.inbox) lane.feed(this.function);
  }

  #allowInbox(bucket: Bucket): void {
    const { arriving, done, refused } = inboxFolders;
    const filed = [done, refused].map((folder) => bucket.arnForObjects(`${folder}*`));
    this.role.allow('ListInbox', ['s3:ListBucket', 's3:ListBucketVersions'], [bucket.bucketArn]);
    this.role.allow('ReadInbox', ['s3:GetObjectVersion'], [bucket.arnForObjects(`${arriving}*`)]);
    this.role.allow('FileInbox', ['s3:PutObject', 's3:AbortMultipartUpload'], filed);
    this.role.allow('ClearInbox', ['s3:DeleteObjectVersion'], [bucket.arnForObjects(`${arriving}*`)]);
  }
}
