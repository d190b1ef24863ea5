/** What a stack could not restore: the dead letters of the restore job. */

import { parseMessage, type RestoreMessage, type RestoreStudyMessage } from '../../core/cloud/queue/message.ts';
import {
  type DeadLetter,
  type DeadLetterQueueOptions,
  lookThroughDeadLetters,
} from '../../core/cloud/queue/sqs-dead-letters.ts';
import { isErrorCode, isMirrorError, MirrorError } from '../../core/errors.ts';
import type { OrthancId } from '../../core/identifiers.ts';

export interface JobFailure {
  readonly type: 'problem';
  readonly id: OrthancId;
  readonly level: 'instance' | 'study';
  /** `rejected`: the next restore has the same end; `failed`: it may succeed. */
  readonly outcome: 'rejected' | 'failed';
  readonly code: string;
  readonly reason: string;
}

/**
 * Yields what the stack could not restore of a job; it stays where it is. Whoever may write to the dead-letter queue can
 * add to it: what is told here is a report, and changes nothing. Throws `unreachable`.
 */
export async function* failuresOf(job: string, queue: DeadLetterQueueOptions): AsyncGenerator<JobFailure> {
  const told = new Set<string>();
  for await (const letter of lookThroughDeadLetters(queue)) {
    const message = restoreMessageIn(letter);
    if (message?.job !== job || told.has(`${message.kind} ${message.id}`)) continue;
    told.add(`${message.kind} ${message.id}`);
    yield failureOf(message, letter);
  }
}

function restoreMessageIn({ body }: DeadLetter): RestoreMessage | RestoreStudyMessage | undefined {
  try {
    const message = parseMessage(body);
    return message.kind === 'restore' || message.kind === 'restore-study' ? message : undefined;
  } catch (error) {
    if (isMirrorError(error, 'malformed-message')) return undefined;
    throw error;
  }
}

/** What the queue itself made a dead letter has no code: the function was ended again and again, which another run may survive. */
function failureOf({ id, kind }: RestoreMessage | RestoreStudyMessage, { code, reason }: DeadLetter): JobFailure {
  const isRejected = code !== undefined && isErrorCode(code) && new MirrorError(code, '').disposition === 'reject';
  return {
    type: 'problem',
    id,
    level: kind === 'restore' ? 'instance' : 'study',
    outcome: isRejected ? 'rejected' : 'failed',
    code: code ?? 'unknown',
    reason: reason ?? 'the queue itself put it aside, without a reason: see the log of the transfer function',
  };
}
