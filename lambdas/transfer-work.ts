/** What the transfer function does for one message. */
import { defaultBudget } from '../core/copy/copy-instance.ts';
import type { CopyResult } from '../core/copy/outcome.ts';
import { isMirrorError, MirrorError } from '../core/errors.ts';
import { copyAnnounced } from '../core/pause/copy-announced.ts';
import { MessageGate } from '../core/pause/message-gate.ts';
import { asHalt } from '../core/pause/store-away.ts';
import type { QueueMessage } from '../core/queue/message.ts';
import { opennessAt } from '../core/schedule/blackouts.ts';
import type { CloudMirror, Deployment } from './deployment.ts';
import { count, log } from './telemetry.ts';

const budget = defaultBudget();

/**
 * @param signal aborts when the time of the function is over
 * @returns the work on one message; it throws the MirrorError that decides what becomes of the message
 */
export function transferWork(deployment: Deployment, signal: AbortSignal): (message: QueueMessage) => Promise<void> {
  const gates = new Map<CloudMirror, MessageGate>();
  return async (message) => {
    if (message.kind === 'study') {
      throw new MirrorError(
        'malformed-message',
        'This version does not copy the documents of studies; deploy a newer one.',
      );
    }
    const mirror = await openMirror(message.mirror, deployment);
    const gate = gates.get(mirror) ?? gateOf(message.mirror, mirror, deployment, signal);
    gates.set(mirror, gate);
    const { reader, selects } = mirror;
    const { result, error } = await copyAnnounced(message, gate, { source: reader, selects, budget, signal });
    if (result !== undefined) {
      report(message.mirror, result);
    }
    if (error !== undefined) {
      throw error;
    }
  };
}

/** A mirror that cannot be opened now costs no message a try. Throws `unknown-mirror` as it is. */
async function openMirror(name: string, deployment: Deployment): Promise<CloudMirror> {
  try {
    return await deployment.mirror(name);
  } catch (error) {
    const passes = isMirrorError(error) && error.disposition !== 'reject';
    throw passes ? asHalt(error, deployment.configuration.cloud.transfer.pauseSeconds * 1000) : error;
  }
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
