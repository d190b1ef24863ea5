/** What the transfer function does for one message. */

import { replaceConflicts } from '../core/conflicts/settle.ts';
import { copyInstance, defaultBudget } from '../core/copy/copy-instance.ts';
import type { CopyResult } from '../core/copy/outcome.ts';
import { MirrorError } from '../core/errors.ts';
import type { OrthancId } from '../core/identifiers.ts';
import type { InstanceMessage, QueueMessage, StudyMessage } from '../core/queue/message.ts';
import { decidingError } from '../core/queue/verdict.ts';
import type { CloudMirror, Deployment } from './deployment.ts';
import { count, errorFields, log } from './telemetry.ts';

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
    const error =
      message.kind === 'study'
        ? await transferStudy(message, mirror, signal)
        : await transferInstance(message, mirror, signal);
    if (error?.disposition === 'halt') {
      await beginPause(message.mirror, mirror, error, deployment.configuration.cloud.transfer.pauseSeconds * 1000);
    }
    if (error !== undefined) {
      throw error;
    }
  };
}

/** @returns the error that decides, if any */
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
  report(mirror, result);
  if (conflicting && configuration.conflicts === 'keep-target') return undefined;
  return decidingError(result.outcomes.flatMap(({ error }) => error ?? []));
}

/** @returns the error that decides, if any; a study whose instances are still on their way is synchronized later. */
async function transferStudy(
  { mirror, id }: StudyMessage,
  { documents }: CloudMirror,
  signal: AbortSignal,
): Promise<MirrorError | undefined> {
  const { outcomes } = await documents.syncOne(id, { signal });
  for (const { destination, kind, error } of outcomes) {
    log('info', 'study handled', { mirror, id, destination: destination.store.name, outcome: kind, code: error?.code });
  }
  const errors = outcomes.flatMap(
    ({ error, pendingInstances }) => error ?? (pendingInstances > 0 ? [pending(id)] : []),
  );
  return decidingError(errors);
}

function pending(id: OrthancId): MirrorError {
  return new MirrorError('busy', `instances of study ${id} are not at the target yet; its document follows them`);
}

/** A pause that cannot be written is no reason to lose the error that asked for it. */
async function beginPause(name: string, { pause }: CloudMirror, error: MirrorError, lengthMs: number): Promise<void> {
  await pause.begin(error, lengthMs).catch((failure: unknown) => {
    log('error', 'pause not written', { mirror: name, ...errorFields(failure) });
  });
}

function report(mirror: string, { id, sizeBytes = 0, outcomes }: CopyResult): void {
  for (const { destination, kind, error } of outcomes) {
    count('Copied', kind === 'copied' ? 1 : 0);
    count('CopiedBytes', kind === 'copied' ? sizeBytes : 0);
    log('info', 'instance handled', {
      mirror,
      id,
      destination: destination.store.name,
      outcome: kind,
      code: error?.code,
    });
  }
}
