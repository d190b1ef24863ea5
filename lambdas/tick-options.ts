/** Puts together what one tick of a mirror needs in the cloud. */
import { MirrorError } from '../core/errors.ts';
import { type ScheduleDocument, scheduleSchema, type TickOptions } from '../core/mirror/tick.ts';
import type { QueueMessage } from '../core/queue/message.ts';
import { Lease } from '../core/stores/archive/lease.ts';
import type { ObjectStorage } from '../core/stores/archive/object-storage.ts';
import { StateDocument } from '../core/stores/archive/state.ts';
import type { Deployment } from './deployment.ts';

const msPerHour = 3_600_000;
/** A lease outlives the function that holds it by this much, for clocks that differ. */
const leaseMarginMs = 10_000;

/**
 * @param mirror name of a configured mirror
 * @param owner unique for this invocation
 */
export async function tickOptions(
  mirror: string,
  deployment: Deployment,
  owner: string,
  deadline: AbortSignal,
): Promise<TickOptions> {
  const { source, destinations, archive } = await deployment.mirror(mirror);
  const configured = deployment.configuration.mirrors[mirror];
  if (archive === undefined || configured === undefined) {
    throw new MirrorError(
      'configuration',
      `The mirror ${mirror} has no archive, which holds its state; add "archive": {}.`,
    );
  }
  const queue = deployment.queue(deadline);
  const leaseMs = deployment.configuration.cloud.scheduler.timeoutSeconds * 1000 + leaseMarginMs;
  return {
    source,
    feed: source,
    sourceIdentity: () => source.identity(),
    destinations,
    document: scheduleDocument(archive.objects),
    send: (announcements) =>
      queue.send(announcements.map((instance): QueueMessage => ({ v: 1, mirror, kind: 'instance', ...instance }))),
    underLease: (work) => underLease(new Lease(archive.objects, 'lease'), leaseMs, owner, work),
    now: () => new Date(),
    compareEveryMs: configured.follow.compareEveryHours * msPerHour,
    deadline,
  };
}

function scheduleDocument(objects: ObjectStorage): ScheduleDocument {
  const document = new StateDocument(objects, 'schedule', scheduleSchema);
  return {
    read: () => document.read(),
    write: (value, version) => document.write(value, version),
  };
}

async function underLease<Result>(
  lease: Lease,
  leaseMs: number,
  owner: string,
  work: () => Promise<Result>,
): Promise<Result | undefined> {
  const held = await lease.acquire(leaseMs, owner);
  if (held === undefined) {
    return undefined;
  }
  try {
    return await work();
  } finally {
    await held.release();
  }
}
