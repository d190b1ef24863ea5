/** What the transfer function does for one message. */
import { copyInstance, defaultBudget } from '../core/copy/copy-instance.ts';
import type { CopyResult } from '../core/copy/outcome.ts';
import { MirrorError } from '../core/errors.ts';
import type { InstanceMessage, QueueMessage } from '../core/queue/message.ts';
import { decidingError } from '../core/queue/verdict.ts';
import type { Deployment } from './deployment.ts';
import { count, logger } from './telemetry.ts';

const budget = defaultBudget();

/** @returns the work on one message; it throws the MirrorError that decides what becomes of the message */
export function transferWork(deployment: Deployment, signal: AbortSignal): (message: QueueMessage) => Promise<void> {
  return async (message) => {
    if (message.kind === 'study') {
      throw new MirrorError(
        'malformed-message',
        'This version does not copy the documents of studies; deploy a newer one.',
      );
    }
    await transferInstance(message, deployment, signal);
  };
}

async function transferInstance(message: InstanceMessage, deployment: Deployment, signal: AbortSignal): Promise<void> {
  const { source, destinations } = await deployment.mirror(message.mirror);
  const request = {
    id: message.id,
    md5: message.md5,
    sizeBytes: message.sizeBytes,
    lacking: [],
    undecided: destinations,
  };
  const result = await copyInstance(request, { source, budget, signal });
  report(message.mirror, result);
  const deciding = decidingError(result.outcomes.flatMap(({ error }) => error ?? []));
  if (deciding !== undefined) {
    throw deciding;
  }
}

function report(mirror: string, { id, sizeBytes = 0, outcomes }: CopyResult): void {
  for (const { destination, kind, error } of outcomes) {
    count('Copied', kind === 'copied' ? 1 : 0);
    count('CopiedBytes', kind === 'copied' ? sizeBytes : 0);
    logger.info('instance handled', {
      mirror,
      id,
      destination: destination.store.name,
      outcome: kind,
      code: error?.code,
    });
  }
}
