/** What the transfer function does for one message. */
import { replaceConflicts } from '../../archive-life/repair/replace-conflicts.ts';
import { RestoreJobs } from '../../archive-life/restore/restore-job.ts';
import type { Lane } from '../../config/queue-names.ts';
import { defaultBudget } from '../../copy/copy-context.ts';
import type { CopyResult } from '../../copy/outcome.ts';
import { withLargest } from '../../copy/with-largest.ts';
import { isMirrorError, MirrorError } from '../../errors.ts';
import type { OrthancId } from '../../identifiers.ts';
import { asHalt, looksAway } from '../../mirror/pause/store-away.ts';
import { opennessAt } from '../../mirror/schedule/blackouts.ts';
import type { CloudMirror } from '../cloud-mirror.ts';
import type { Deployment } from '../deployment.ts';
import {
  type InstanceMessage,
  isLarge,
  type QueueMessage,
  type ResourceMessage,
  type StudyMessage,
} from '../queue/message.ts';
import { decidingError } from '../queue/verdict.ts';
import { copyAnnounced } from './copy-announced.ts';
import { MessageGate } from './message-gate.ts';
import { restoreMessage } from './restore-message.ts';
import type { TransferContext } from './transfer-context.ts';

/** What is needed of a deployment to work on messages. */
export type TransferDeployment = Pick<
  Deployment,
  'mirror' | 'queue' | 'deliveries' | 'deliveryLimits' | 'largeBytes' | 'pauseMs'
>;

/** All messages of a process share it. */
const budget = defaultBudget();

/** An open mirror with what is made anew for each batch, so that all its messages see the same. */
interface MirrorOfBatch {
  readonly mirror: CloudMirror;
  /** Decides which stores a message may use. */
  readonly gate: MessageGate;
  /** Say what may be restored. */
  readonly jobs: RestoreJobs;
}

/**
 * @param lane whose messages are worked on; those of large instances are sent to the lane of the large
 * @returns the work on one message; it throws the MirrorError that decides what becomes of the message
 */
export function transferMessages(
  deployment: TransferDeployment,
  lane: Lane,
  { signal, observer }: Pick<TransferContext, 'signal' | 'observer'>,
): (message: QueueMessage) => Promise<void> {
  const context: TransferContext = {
    signal,
    budget,
    largestBytes: lane === 'large' ? Number.POSITIVE_INFINITY : deployment.largeBytes,
    forward: (message) => deployment.queue({ mirror: message.mirror, lane: 'large' }, signal).send([message]),
    waitMs: deployment.pauseMs,
    observer,
  };
  const opened = new Map<CloudMirror, MirrorOfBatch>();
  return async (message) => {
    const mirror = await openForMessage(message.mirror, deployment);
    const ofBatch = opened.get(mirror) ?? mirrorOfBatch(mirror, deployment, signal);
    opened.set(mirror, ofBatch);
    const error = await transferMessage(message, ofBatch, context);
    if (error !== undefined) throw error;
  };
}

/** @returns the error that decides about the message, if any */
function transferMessage(
  message: QueueMessage,
  { mirror, gate, jobs }: MirrorOfBatch,
  context: TransferContext,
): Promise<MirrorError | undefined> {
  switch (message.kind) {
    case 'instance':
      return transferInstance(message, mirror, gate, context);
    case 'study':
    case 'resource':
      return transferSidecar(message, mirror, gate, context);
    case 'restore':
    case 'restore-study':
      return restoreMessage(message, mirror, jobs, context);
  }
}

async function transferInstance(
  message: InstanceMessage,
  mirror: CloudMirror,
  gate: MessageGate,
  { signal, budget: memory, largestBytes, forward, observer }: TransferContext,
): Promise<MirrorError | undefined> {
  if (isLarge(message, largestBytes)) {
    await forward(message);
    return undefined;
  }
  const finish = (copied: CopyResult) => resolveConflicts(copied, mirror, signal);
  const { selects } = mirror;
  const source = withLargest(mirror.reader, largestBytes);
  const { result, error } = await copyAnnounced(message, gate, { source, selects, budget: memory, signal, finish });
  if (result?.outcomes.some(({ error: met }) => met?.code === 'too-large') === true) {
    await forward(message);
    return undefined;
  }
  for (const outcome of result?.outcomes ?? []) {
    observer.onInstance(message.mirror, message.id, outcome, result?.sizeBytes ?? 0);
  }
  return error;
}

/** Does with conflicts what the mirror is configured to do. */
async function resolveConflicts(
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

async function transferSidecar(
  message: StudyMessage | ResourceMessage,
  { sidecars, selects }: CloudMirror,
  gate: MessageGate,
  { signal, waitMs, observer }: TransferContext,
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
    throw isMirrorError(error) && looksAway(error) ? asHalt(error, waitMs) : error;
  });
  if (result === undefined) return admission.waitsFor;
  const { studyId, outcomes } = result;
  for (const outcome of outcomes) observer.onSidecar(message.mirror, studyId, outcome);
  const decided = await gate.concludeSidecar(admission, outcomes);
  const waits = outcomes.some(({ error, pendingInstances }) => error === undefined && pendingInstances > 0);
  return decidingError([...(decided === undefined ? [] : [decided]), ...(waits ? [pending(studyId)] : [])]);
}

/** A study whose instances are still on their way is synchronized when they are there, or found by a comparison. */
function pending(id: OrthancId): MirrorError {
  return new MirrorError(
    'instances-pending',
    `instances of study ${id} are not at the target yet; its sidecar follows them`,
  );
}

/** A mirror that cannot be opened now costs no message a try. Throws `unknown-mirror` as it is. */
async function openForMessage(name: string, deployment: TransferDeployment): Promise<CloudMirror> {
  try {
    return await deployment.mirror(name);
  } catch (error) {
    const passes = isMirrorError(error) && error.disposition !== 'reject';
    throw passes ? asHalt(error, deployment.pauseMs) : error;
  }
}

function mirrorOfBatch(mirror: CloudMirror, deployment: TransferDeployment, signal: AbortSignal): MirrorOfBatch {
  const { name, source, destinations, pause, configuration, archive } = mirror;
  const gate = new MessageGate({
    mirror: name,
    source,
    destinations,
    pause,
    probeAfterMs: deployment.pauseMs,
    mostSuspicions: deployment.deliveryLimits.maxReceiveCount,
    closedUntil: opennessAt(configuration.schedule, new Date()).closedUntil,
    signal,
  });
  return { mirror, gate, jobs: new RestoreJobs(archive.objects, name, { now: () => new Date(), signal }) };
}
