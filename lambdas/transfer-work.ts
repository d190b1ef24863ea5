/** What the transfer function does for one message. */
import { replaceConflicts } from '../core/archive-life/repair/replace-conflicts.ts';
import { RestoreJobs } from '../core/archive-life/restore/restore-job.ts';
import { copyAnnounced } from '../core/cloud/copy-announced.ts';
import { MessageGate } from '../core/cloud/message-gate.ts';
import {
  type InstanceMessage,
  isLarge,
  type QueueMessage,
  type ResourceMessage,
  type StudyMessage,
} from '../core/cloud/queue/message.ts';
import { decidingError } from '../core/cloud/queue/verdict.ts';
import type { Lane } from '../core/config/queue-names.ts';
import { defaultBudget } from '../core/copy/copy-context.ts';
import type { CopyResult, DestinationOutcome } from '../core/copy/outcome.ts';
import { withLargest } from '../core/copy/with-largest.ts';
import { isMirrorError, MirrorError } from '../core/errors.ts';
import type { OrthancId } from '../core/identifiers.ts';
import { asHalt, looksAway } from '../core/mirror/pause/store-away.ts';
import { opennessAt } from '../core/mirror/schedule/blackouts.ts';
import type { CloudMirror, Deployment } from './deployment.ts';
import { count } from './metrics-emitter.ts';
import { type LaneContext, restoreWork } from './restore-work.ts';
import { log } from './telemetry.ts';

const budget = defaultBudget();
/** A message comes back after this when a server could not be asked. */
const awayMs = 60_000;

/**
 * @param lane whose messages are worked on; those of large instances are sent to the lane of the large
 * @param signal aborts when the time of the function is over
 * @returns the work on one message; it throws the MirrorError that decides what becomes of the message
 */
export function transferWork(
  deployment: Deployment,
  lane: Lane,
  signal: AbortSignal,
): (message: QueueMessage) => Promise<void> {
  const ofLane: LaneContext = {
    signal,
    largestBytes: lane === 'large' ? Number.POSITIVE_INFINITY : deployment.largeBytes,
    forward: (message) => deployment.queue({ mirror: message.mirror, lane: 'large' }, signal).send([message]),
  };
  const gates = new Map<CloudMirror, MessageGate>();
  const jobs = new Map<CloudMirror, RestoreJobs>();
  const jobsOf = (name: string, { archive }: CloudMirror): RestoreJobs =>
    new RestoreJobs(archive.objects, name, { now: () => new Date(), signal });
  return async (message) => {
    const mirror = await openMirror(message.mirror, deployment);
    if (message.kind === 'restore' || message.kind === 'restore-study') {
      const known = jobs.get(mirror) ?? jobsOf(message.mirror, mirror);
      jobs.set(mirror, known);
      return restoreWork(message, mirror, { ...ofLane, budget, waitMs: waitMsOf(deployment), jobs: known });
    }
    const gate = gates.get(mirror) ?? gateOf(message.mirror, mirror, deployment, signal);
    gates.set(mirror, gate);
    const error =
      message.kind === 'instance'
        ? await transferInstance(message, mirror, gate, ofLane)
        : await transferDocument(message, mirror, gate, signal);
    if (error !== undefined) {
      throw error;
    }
  };
}

/** @returns the error that decides, if any */
async function transferInstance(
  message: InstanceMessage,
  mirror: CloudMirror,
  gate: MessageGate,
  { signal, largestBytes, forward }: LaneContext,
): Promise<MirrorError | undefined> {
  if (isLarge(message, largestBytes)) {
    await forward(message);
    return undefined;
  }
  const settle = (copied: CopyResult) => settleConflicts(copied, mirror, signal);
  const { selects } = mirror;
  const source = withLargest(mirror.reader, largestBytes);
  const { result, error } = await copyAnnounced(message, gate, { source, selects, budget, signal, settle });
  if (result?.outcomes.some(({ error: met }) => met?.code === 'too-large') === true) {
    await forward(message);
    return undefined;
  }
  for (const outcome of result?.outcomes ?? []) {
    countInstance(message.mirror, outcome, result?.sizeBytes ?? 0);
    logOutcome('instance handled', message.mirror, message.id, outcome);
  }
  return error;
}

/** Does with conflicts what the mirror is configured to do. */
async function settleConflicts(
  copied: CopyResult,
  { source, archive, limitations, configuration: { conflicts } }: CloudMirror,
  signal: AbortSignal,
): Promise<CopyResult> {
  if (conflicts === 'report' || !copied.outcomes.some(({ kind }) => kind === 'conflict')) return copied;
  if (conflicts === 'replace') return replaceConflicts({ source, archive, limitations, signal })(copied);
  const kept = copied.outcomes.map(({ error, ...outcome }) =>
    outcome.kind === 'conflict' || error === undefined ? outcome : { ...outcome, error },
  );
  return { ...copied, outcomes: kept };
}

/** @returns the error that decides, if any */
async function transferDocument(
  message: StudyMessage | ResourceMessage,
  { sidecars, selects }: CloudMirror,
  gate: MessageGate,
  signal: AbortSignal,
): Promise<MirrorError | undefined> {
  // A mirror with a filter takes no sidecars, which it could not tell to be of selected instances only.
  if (selects !== undefined) return undefined;
  const admission = await gate.admitSidecar();
  if (admission.serve.length === 0) return admission.waitsFor;
  const { withdrawn } = admission;
  const result = await (message.kind === 'study'
    ? sidecars.syncOne(message.id, { signal, withdrawn })
    : sidecars.syncStudyOf(message, { signal, withdrawn })
  ).catch((error: unknown) => {
    // A server that cannot even be asked what it is: the message is not to blame.
    throw isMirrorError(error) && looksAway(error) ? asHalt(error, awayMs) : error;
  });
  if (result === undefined) return admission.waitsFor;
  const { studyId, outcomes } = result;
  for (const outcome of outcomes) {
    count('StudiesWritten', outcome.kind === 'copied' ? 1 : 0, { mirror: message.mirror });
    logOutcome('sidecar handled', message.mirror, studyId, outcome);
  }
  const decided = await gate.concludeSidecar(admission, outcomes);
  const waits = outcomes.some(({ error, pendingInstances }) => error === undefined && pendingInstances > 0);
  return decidingError([...(decided === undefined ? [] : [decided]), ...(waits ? [pending(studyId)] : [])]);
}

/** A study whose instances are still on their way is synchronized when they are there, or found by a comparison. */
function pending(id: OrthancId): MirrorError {
  return new MirrorError(
    'instances-pending',
    `instances of study ${id} are not at the target yet; its document follows them`,
  );
}

/** A mirror that cannot be opened now costs no message a try. Throws `unknown-mirror` as it is. */
async function openMirror(name: string, deployment: Deployment): Promise<CloudMirror> {
  try {
    return await deployment.mirror(name);
  } catch (error) {
    const passes = isMirrorError(error) && error.disposition !== 'reject';
    throw passes ? asHalt(error, waitMsOf(deployment)) : error;
  }
}

/** How long what is not its own fault waits. */
function waitMsOf({ configuration }: Deployment): number {
  return configuration.cloud.transfer.pauseSeconds * 1000;
}

function gateOf(
  mirror: string,
  { source, destinations, pause, configuration }: CloudMirror,
  deployment: Deployment,
  signal: AbortSignal,
): MessageGate {
  const { pauseSeconds, maxReceiveCount } = deployment.configuration.cloud.transfer;
  const limits = { probeAfterMs: pauseSeconds * 1000, mostSuspicions: maxReceiveCount };
  const { closedUntil } = opennessAt(configuration.schedule, new Date());
  return new MessageGate({ mirror, source, destinations, pause, closedUntil, signal, ...limits });
}

function countInstance(mirror: string, { kind }: DestinationOutcome, sizeBytes: number): void {
  const subject = { mirror };
  count('Copied', kind === 'copied' ? 1 : 0, subject);
  count('CopiedBytes', kind === 'copied' ? sizeBytes : 0, subject);
  count('AlreadyEqual', kind === 'already-equal' ? 1 : 0, subject);
  count('Conflicts', kind === 'conflict' ? 1 : 0, subject);
  count('Rejected', kind === 'rejected' ? 1 : 0, subject);
  count('Vanished', kind === 'vanished' ? 1 : 0, subject);
}

function logOutcome(what: string, mirror: string, id: string, { destination, kind, error }: DestinationOutcome): void {
  log('info', what, { mirror, id, destination: destination.store.name, outcome: kind, code: error?.code });
}
