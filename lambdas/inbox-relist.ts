/**
 * Finds objects of the inbox whose notification got lost: what has lain in `new/` for long while no message waits. They are
 * put on the queue as S3 would have told of them. Most at once are bounded; the next look finds the others.
 */
import { z } from 'zod';
import { MirrorError } from '../core/errors.ts';
import { inboxFolders, parseArrivingKey } from '../core/inbox/inbox-keys.ts';
import { notificationOf } from '../core/inbox/notification.ts';
import { listVersions } from '../core/stores/archive/s3-version-list.ts';
import type { Deployment } from './deployment.ts';
import { count } from './metrics-emitter.ts';
import { log } from './telemetry.ts';

const mostAtOnce = 1000;
const msPerMinute = 60_000;

const relistEventSchema = z.strictObject({
  relist: z.strictObject({ olderThanMinutes: z.int().nonnegative() }),
});
/** What the schedule sends. */
export type RelistEvent = z.output<typeof relistEventSchema>;

/** Throws `malformed-message` for an event that is neither a batch of SQS nor that of the schedule. */
export function parseRelistEvent(event: unknown): RelistEvent {
  const result = relistEventSchema.safeParse(event);
  if (!result.success) {
    throw new MirrorError('malformed-message', 'The event is not that of a schedule: {"relist": {…}}.');
  }
  return result.data;
}

/** Throws `unreachable` when S3 or SQS do not answer. */
export async function relist(
  { relist: { olderThanMinutes } }: RelistEvent,
  deployment: Deployment,
  signal: AbortSignal,
) {
  const { inboxBucket: bucket = '' } = deployment;
  // While messages wait, for a server that is away, say, what lies there is known.
  const lost = (await deployment.queueLeft()) > 0 ? [] : await findLost(bucket, olderThanMinutes, signal);
  await deployment.sendTexts(lost, signal);
  count('InboxFoundAgain', lost.length);
  log('info', 'inbox looked through', { announced: lost.length });
}

/** @returns the notifications that are missing */
async function findLost(bucket: string, olderThanMinutes: number, signal: AbortSignal): Promise<string[]> {
  const before = Date.now() - olderThanMinutes * msPerMinute;
  const found: string[] = [];
  for await (const version of listVersions({ bucket, name: 'the inbox' }, inboxFolders.arriving, { signal })) {
    if (version.writtenAt.getTime() > before || parseArrivingKey(version.key) === undefined) continue;
    found.push(notificationOf(bucket, version));
    if (found.length === mostAtOnce) break;
  }
  return found;
}
