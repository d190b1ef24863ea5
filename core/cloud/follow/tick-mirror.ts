/** One tick of a mirror in the cloud: what is new at its source is put on its queue. */
import { wallClock } from '../../clock.ts';
import { type MirrorConfiguration, successorsOf } from '../../config/schema.ts';
import { type Age, Backlog } from '../../mirror/backlog.ts';
import { type DeletionPolicy, rememberInventories, removalPartsOf, sourceProofOf } from '../../mirror/parts.ts';
import { progressBeside } from '../../mirror/progress.ts';
import { opennessAt } from '../../mirror/schedule/blackouts.ts';
import { type TickOptions, type TickReport, tick } from '../../mirror/tick.ts';
import { Lease, underLease } from '../../stores/archive/lease.ts';
import { readCapabilities } from '../../stores/orthanc/capabilities.ts';
import type { Deployment } from '../deployment.ts';
import type { QueueMessage } from '../queue/message.ts';

const msPerHour = 3_600_000;
/** A lease outlives the function that holds it by this much, for clocks that differ. */
const leaseMarginMs = 10_000;

export interface TickMirrorOptions {
  /** Unique for this invocation. */
  readonly owner: string;
  readonly deadline: AbortSignal;
}

/**
 * Runs one tick of a configured mirror. Throws `unknown-mirror`, and a MirrorError when source, archive or queue failed;
 * what was saved until then holds.
 */
export async function tickMirror(
  mirror: string,
  deployment: Deployment,
  options: TickMirrorOptions,
): Promise<TickReport> {
  return tick(await tickOptions(mirror, deployment, options));
}

async function tickOptions(
  mirror: string,
  deployment: Deployment,
  { owner, deadline }: TickMirrorOptions,
): Promise<TickOptions> {
  const { source, reader, destinations, archive, pause, sidecars, configuration, selects } =
    await deployment.mirror(mirror);
  const lanes = {
    new: deployment.queue({ mirror, lane: 'new' }, deadline),
    old: deployment.queue({ mirror, lane: 'backlog' }, deadline),
  };
  const { graceMinutes, backlogMessages } = deployment.configuration.cloud.transfer;
  const { askAgainDays, compareEveryHours } = configuration.follow;
  let hasPutAway = false;
  const inSlices = {
    onPutAway: () => {
      hasPutAway = true;
    },
  };
  rememberInventories({ source, destinations }, { days: askAgainDays, now: () => new Date(), inSlices });
  const leaseMs = deployment.configuration.cloud.scheduler.timeoutSeconds * 1000 + leaseMarginMs;
  return {
    source: reader,
    feed: source,
    sourceIdentity: async () => (await readCapabilities(source.client, { signal: deadline })).serverIdentifier ?? null,
    destinations,
    sourceProof: sourceProofOf({ source, destinations }, { successors: successorsOf(configuration) }),
    document: progressBeside(archive.objects),
    // What a filter leaves out is not gone from the source, and its sidecars stay there too.
    ...(selects === undefined && {
      sidecars,
      ...removalPartsOf({ source, destinations }, deletionPolicyOf(configuration)),
    }),
    send: (announcements, age) => lanes[age].send(announcements.map((one): QueueMessage => ({ v: 1, mirror, ...one }))),
    backlog: new Backlog({ most: backlogMessages, left: (age) => leftOf(age, mirror, deployment) }),
    underLease: (work) => underLease(new Lease(archive.objects, 'lease'), { ttlMs: leaseMs, owner }, work),
    hasPutAway: () => hasPutAway,
    clock: wallClock,
    compareEveryMs: compareEveryHours * msPerHour,
    deadline,
    openness: opennessAt(configuration.schedule, new Date()),
    pauses: {
      pause,
      probeAfterMs: deployment.pauseMs,
      graceMs: graceMinutes * 60_000,
      tryOut: async (_, id) => {
        await lanes.new.send([{ v: 1, mirror, kind: 'instance', id }]);
        return 'sent';
      },
    },
  };
}

/** What was announced and is not done yet. What is large waits with what is old, whatever its age. */
async function leftOf(age: Age, mirror: string, deployment: Deployment): Promise<number> {
  if (age === 'new') return deployment.queueLeft({ mirror, lane: 'new' });
  const [small, large] = await Promise.all([
    deployment.queueLeft({ mirror, lane: 'backlog' }),
    deployment.queueLeft({ mirror, lane: 'large' }),
  ]);
  return small + large;
}

function deletionPolicyOf({ deletions }: MirrorConfiguration): DeletionPolicy {
  const { mode, maxCount, maxPercent, graceHours } = deletions;
  return {
    propagate: mode === 'propagate',
    limits: { maxCount, maxPercent, graceMs: graceHours * msPerHour },
    now: () => new Date(),
  };
}
