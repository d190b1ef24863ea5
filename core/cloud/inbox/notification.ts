/** What S3 tells the queue of the inbox. Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html */
import * as z from 'zod';
import { MirrorError } from '../../errors.ts';
import { jsonBoundsOf, listOf, readJson } from '../../json.ts';
import { decodeKey, type ObjectVersion } from '../../stores/archive/s3-versions.ts';

const recordSchema = z.object({
  eventName: z.string().startsWith('ObjectCreated:'),
  s3: z.object({
    bucket: z.object({ name: z.string() }),
    object: z.object({ key: z.string(), versionId: z.string() }),
  }),
});

const notificationSchema = z.union([
  z.object({ Records: listOf(recordSchema) }),
  /** Sent once, when the notification is set up. */
  z.object({ Event: z.literal('s3:TestEvent') }).transform(() => ({ Records: [] })),
]);

/** SQS takes no longer messages. */
const mostBodyBytes = 1024 * 1024;

/**
 * @param bucket the only bucket that may be told of
 * @returns the versions that were created. Throws `malformed-message`, which repeats nothing of the body.
 */
export function parseNotification(body: string, bucket: string): ObjectVersion[] {
  try {
    const read = readJson(body, notificationSchema, jsonBoundsOf(mostBodyBytes));
    if (!read.ok) throw new Error('another form');
    return read.value.Records.map(({ s3 }) => {
      if (s3.bucket.name !== bucket) {
        throw new Error('another bucket');
      }
      return { key: decodeKey(s3.object.key), versionId: s3.object.versionId };
    });
  } catch {
    throw new MirrorError(
      'malformed-message',
      'The message is no notification of the inbox bucket; find out who writes to its queue.',
    );
  }
}

/** @returns what S3 would have told of a version. */
export function notificationOf(bucket: string, { key, versionId }: ObjectVersion): string {
  const object = { key: encodeURIComponent(key), versionId };
  return JSON.stringify({ Records: [{ eventName: 'ObjectCreated:Put', s3: { bucket: { name: bucket }, object } }] });
}
