/** How long the objects of a bucket are locked. */
import { GetObjectRetentionCommand, ListObjectVersionsCommand, S3Client } from '@aws-sdk/client-s3';

const hourMs = 3_600_000;

/** Hours for which each version is locked from now on, by key. */
export async function retentionsIn(endpoint: string, Bucket: string): Promise<ReadonlyMap<string, readonly number[]>> {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
  try {
    const { Versions = [], IsTruncated } = await client.send(new ListObjectVersionsCommand({ Bucket }));
    if (IsTruncated) throw new Error('there are more versions than one page');
    const hours = new Map<string, readonly number[]>();
    for (const { Key = '', VersionId } of Versions) {
      const { Retention } = await client.send(new GetObjectRetentionCommand({ Bucket, Key, VersionId }));
      const until = Retention?.RetainUntilDate?.getTime() ?? 0;
      hours.set(Key, [...(hours.get(Key) ?? []), (until - Date.now()) / hourMs]);
    }
    return hours;
  } finally {
    client.destroy();
  }
}
