/** What the transfer function does for one message. */
import { replaceConflicts } from '../core/conflicts/settle.ts';
import { copyInstance, defaultBudget } from '../core/copy/copy-instance.ts';
import type { DestinationOutcome } from '../core/copy/outcome.ts';
import { MirrorError } from '../core/errors.ts';
import type { OrthancId } from '../core/identifiers.ts';
import type { InstanceMessage, QueueMessage, ResourceMessage, StudyMessage } from '../core/queue/message.ts';
import { decidingError } from '../core/queue/verdict.ts';
import type { CloudMirror, Deployment } from './deployment.ts';
import { count } from './metrics-emitter.ts';
import { pauseIfHalted } from './pause-if-halted.ts';
import { log } from './telemetry.ts';

const budget = defaultBudget();

/**
 * @param signal aborts when the time of the function is over
 * @returns the work on one message; it throws the MirrorError that decides what becomes of the message
 */
export function transferWork(deployment: Deployment, signal: AbortSignal): (message: QueueMessage) => Promise<void> {
  const pauseChecked = new Map<string, Promise<void>>();
  return async (message) => {
    const mirror = await deployment.mirror(message.mirror);
    const checked = pauseChecked.get(message.mirror) ?? mirror.pause.throwIfInForce(message.mirror);
    pauseChecked.set(message.mirror, checked);
    await checked;
    const error = await transferMessage(message, mirror, signal);
    if (error !== undefined) {
      await pauseIfHalted(message.mirror, error, deployment);
      throw error;
    }
  };
}

/** @returns the error that decides, if any */
async function transferMessage(
  message: QueueMessage,
  mirror: CloudMirror,
  signal: AbortSignal,
): Promise<MirrorError | undefined> {
  return message.kind === 'instance'
    ? transferInstance(message, mirror, signal)
    : transferDocument(message, mirror, signal);
}

async function transferInstance(
  { mirror, id, md5, sizeBytes }: InstanceMessage,
  { source, destinations, archive, limitations, configuration }: CloudMirror,
  signal: AbortSignal,
): Promise<MirrorError | undefined> {
  const request = { id, md5, sizeBytes, lacking: [], undecided: destinations };
  const copied = await copyInstance(request, { source, budget, signal });
  const conflicting = copied.outcomes.some(({ kind }) => kind === 'conflict');
  const settle = conflicting && configuration.conflicts === 'replace';
  const result = settle ? await replaceConflicts({ source, archive, limitations, signal })(copied) : copied;
  for (const outcome of result.outcomes) {
    countInstance(mirror, outcome, result.sizeBytes ?? 0);
    logOutcome('instance handled', mirror, id, outcome);
  }
  if (conflicting && configuration.conflicts === 'keep-target') return undefined;
  return decidingError(result.outcomes.flatMap(({ error }) => error ?? []));
}

/** A study whose instances are still on their way is synchronized again later. */
async function transferDocument(
  message: StudyMessage | ResourceMessage,
  { documents }: CloudMirror,
  signal: AbortSignal,
): Promise<MirrorError | undefined> {
  const result =
    message.kind === 'study'
      ? await documents.syncOne(message.id, { signal })
      : await documents.syncStudyOf(message, { signal });
  if (result === undefined) return undefined;
  for (const outcome of result.outcomes) {
    count('StudiesWritten', outcome.kind === 'copied' ? 1 : 0, { mirror: message.mirror });
    logOutcome('study document handled', message.mirror, result.studyId, outcome);
  }
  const errors = result.outcomes.flatMap(
    ({ error, pendingInstances }) => error ?? (pendingInstances > 0 ? [pending(result.studyId)] : []),
  );
  return decidingError(errors);
}

function pending(id: OrthancId): MirrorError {
  return new MirrorError('busy', `instances of study ${id} are not at the target yet; its document follows them`);
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
