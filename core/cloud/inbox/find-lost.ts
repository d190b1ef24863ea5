/**
 * Finds objects of the inbox whose notification got lost: what has lain in `new/` for long while no message of its mirror
 * waits. They are put on the queue as S3 would have told of them. Most at once are bounded; the next look finds the others.
 * What lies below the name of no mirror, of which S3 tells nobody, is refused.
 */
import { mirrorNamed } from '../../config/mirror-named.ts';
import type { MirrorQueue } from '../../config/queue-names.ts';
import type { Configuration } from '../../config/schema.ts';
import { listFolders, listVersions } from '../../stores/archive/s3-version-list.ts';
import { S3Versions, type S3VersionsOptions } from '../../stores/archive/s3-versions.ts';
import { inboxFolders, parseArrivingKey } from './inbox-keys.ts';
import { notificationOf } from './notification.ts';
import { type Arrival, refuseObject } from './receive-object.ts';

/** Of each mirror. */
const mostAtOnce = 1000;

export interface FindLostOptions {
  readonly configuration: Pick<Configuration, 'mirrors'>;
  readonly bucket: S3VersionsOptions;
  /** What was written later is not looked at. */
  readonly before: Date;
  readonly signal: AbortSignal;
  /** How many messages of a queue wait or are worked on. */
  readonly queueLeft: (queue: MirrorQueue) => Promise<number>;
  readonly sendTexts: (queue: MirrorQueue, texts: readonly string[], signal: AbortSignal) => Promise<void>;
  /** Is told of each object below the name of no mirror. */
  readonly onRefused: () => void;
}

/**
 * Looks through `new/`, mirror by mirror. @returns how many objects were found again. Throws `unreachable` when S3 or SQS
 * do not answer.
 */
export async function findLost(look: FindLostOptions): Promise<number> {
  const { configuration, bucket, signal } = look;
  let announced = 0;
  for await (const folder of listFolders(bucket, inboxFolders.arriving, { signal })) {
    const mirror = folder.slice(0, -1);
    if (mirrorNamed(configuration, mirror) === undefined) await refuseStrangers(mirror, look);
    else announced += await announceLost(mirror, look);
  }
  return announced;
}

/** Puts what S3 did not tell of on the queue of its mirror. @returns how many objects */
async function announceLost(mirror: string, look: FindLostOptions): Promise<number> {
  const { bucket, signal } = look;
  const queue = { mirror, lane: 'inbox' } as const;
  // While messages wait, for a server that is away, say, what lies there is known.
  if ((await look.queueLeft(queue)) > 0) return 0;
  const lost: string[] = [];
  for await (const { version } of arrivalsOf(mirror, look)) {
    lost.push(notificationOf(bucket.bucket, version));
    if (lost.length === mostAtOnce) break;
  }
  await look.sendTexts(queue, lost, signal);
  return lost.length;
}

/** Nobody is told of objects below the name of no mirror: they are refused here. */
async function refuseStrangers(mirror: string, look: FindLostOptions): Promise<void> {
  const inbox = new S3Versions(look.bucket);
  let refused = 0;
  try {
    for await (const arrival of arrivalsOf(mirror, look)) {
      await refuseObject(arrival, { reason: 'There is no mirror of the name that the key has after new/.' }, inbox);
      look.onRefused();
      refused += 1;
      if (refused === mostAtOnce || look.signal.aborted) break;
    }
  } finally {
    inbox.close();
  }
}

async function* arrivalsOf(mirror: string, { bucket, before, signal }: FindLostOptions): AsyncGenerator<Arrival> {
  for await (const version of listVersions(bucket, `${inboxFolders.arriving}${mirror}/`, { signal })) {
    const place = parseArrivingKey(version.key);
    if (place !== undefined && version.writtenAt <= before) yield { version, place };
  }
}
