/** The schedule that looks for objects of the inbox whose notification got lost. */
import * as z from 'zod';
import type { Deployment } from '../core/cloud/deployment.ts';
import { findLost } from '../core/cloud/inbox/find-lost.ts';
import { MirrorError } from '../core/errors.ts';
import { count } from './metrics-emitter.ts';
import { log } from './telemetry.ts';

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
): Promise<void> {
  const announced = await findLost({
    ...deployment,
    bucket: { bucket: deployment.inboxBucket ?? '', name: 'the inbox' },
    before: new Date(Date.now() - olderThanMinutes * msPerMinute),
    signal,
    onRefused: () => log('warn', 'object refused', { code: 'unknown-mirror' }),
  });
  count('InboxFoundAgain', announced);
  log('info', 'inbox looked through', { announced });
}
