/**
 * Finds objects of the inbox whose notification got lost: what has lain in `new/` for long while no message of its mirror
 * waits. They are put on the queue as S3 would have told of them. Most at once are bounded; the next look finds the others.
 * What lies below the name of no mirror, of which S3 tells nobody, is refused.
 */
import { z } from 'zod';
import { inboxFolders, parseArrivingKey } from '../core/cloud/inbox/inbox-keys.ts';
import { notificationOf } from '../core/cloud/inbox/notification.ts';
import { type Arrival, refuseObject } from '../core/cloud/inbox/receive-object.ts';
import { mirrorNamed } from '../core/config/mirror-named.ts';
import { MirrorError } from '../core/errors.ts';
import { listFolders, listVersions } from '../core/stores/archive/s3-version-list.ts';
import { S3Versions, type S3VersionsOptions } from '../core/stores/archive/s3-versions.ts';
import type { Deployment } from './deployment.ts';
import { count } from './metrics-emitter.ts';
import { log } from './telemetry.ts';

/** Of each mirror. */
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

interface Look {
  readonly deployment: Deployment;
  readonly bucket: S3VersionsOptions;
  /** What was written later is not looked at. */
  readonly before: Date;
  readonly signal: AbortSignal;
}

/** Looks through `new/`, mirror by mirror. Throws `unreachable` when S3 or SQS do not answer. */
export async function relist(
  { relist: { olderThanMinutes } }: RelistEvent,
  deployment: Deployment,
  signal: AbortSignal,
): Promise<void> {
  const bucket = { bucket: deployment.inboxBucket ?? '', name: 'the inbox' };
  const look = { deployment, bucket, before: new Date(Date.now() - olderThanMinutes * msPerMinute), signal };
  let announced = 0;
  for await (const folder of listFolders(bucket, inboxFolders.arriving, { signal })) {
    const mirror = folder.slice(0, -1);
    if (mirrorNamed(deployment.configuration, mirror) === undefined) await refuseStrangers(mirror, look);
    else announced += await announceLost(mirror, look);
  }
  count('InboxFoundAgain', announced);
  log('info', 'inbox looked through', { announced });
}

/** Puts what S3 did not tell of on the queue of its mirror. @returns how many objects */
async function announceLost(mirror: string, look: Look): Promise<number> {
  const { deployment, bucket, signal } = look;
  const queue = { mirror, lane: 'inbox' } as const;
  // While messages wait, for a server that is away, say, what lies there is known.
  if ((await deployment.queueLeft(queue)) > 0) return 0;
  const lost: string[] = [];
  for await (const { version } of arrivalsOf(mirror, look)) {
    lost.push(notificationOf(bucket.bucket, version));
    if (lost.length === mostAtOnce) break;
  }
  await deployment.sendTexts(queue, lost, signal);
  return lost.length;
}

/** Nobody is told of objects below the name of no mirror: they are refused here. */
async function refuseStrangers(mirror: string, look: Look): Promise<void> {
  const inbox = new S3Versions(look.bucket);
  let refused = 0;
  try {
    for await (const arrival of arrivalsOf(mirror, look)) {
      await refuseObject(arrival, { reason: 'There is no mirror of the name that the key has after new/.' }, inbox);
      log('warn', 'object refused', { code: 'unknown-mirror' });
      refused += 1;
      if (refused === mostAtOnce || look.signal.aborted) break;
    }
  } finally {
    inbox.close();
  }
}

async function* arrivalsOf(mirror: string, { bucket, before, signal }: Look): AsyncGenerator<Arrival> {
  for await (const version of listVersions(bucket, `${inboxFolders.arriving}${mirror}/`, { signal })) {
    const place = parseArrivingKey(version.key);
    if (place !== undefined && version.writtenAt <= before) yield { version, place };
  }
}
