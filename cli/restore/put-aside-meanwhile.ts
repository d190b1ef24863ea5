/** What a stack that restores put aside since the restore began: the dead letters of it that were not there before. */
import { isErrorCode, isMirrorError, MirrorError } from '../../core/errors.ts';
import type { OrthancId } from '../../core/identifiers.ts';
import { parseMessage, type RestoreMessage, type RestoreStudyMessage } from '../../core/queue/message.ts';
import {
  type DeadLetter,
  type DeadLetterQueueOptions,
  lookThroughDeadLetters,
} from '../../core/queue/sqs-dead-letters.ts';

export interface PutAside {
  readonly type: 'problem';
  readonly id: OrthancId;
  readonly level: 'instance' | 'study';
  /** `rejected`: the next restore has the same end; `failed`: it may succeed. */
  readonly outcome: 'rejected' | 'failed';
  readonly code: string;
  readonly reason: string;
}

interface Restore {
  readonly mirror: string;
  readonly target: string;
}

export class PutAsideMeanwhile {
  readonly #queue: DeadLetterQueueOptions;
  readonly #restore: Restore;
  readonly #before: ReadonlySet<string>;

  private constructor(queue: DeadLetterQueueOptions, restore: Restore, before: ReadonlySet<string>) {
    this.#queue = queue;
    this.#restore = restore;
    this.#before = before;
  }

  /** Notes what lies there already. Throws `unreachable`. */
  static async begin(queue: DeadLetterQueueOptions, restore: Restore): Promise<PutAsideMeanwhile> {
    const before = new Set<string>();
    for await (const { messageId } of lookThroughDeadLetters(queue)) before.add(messageId);
    return new PutAsideMeanwhile(queue, restore, before);
  }

  /** Yields what came since and belongs to this restore; it stays where it is. Throws `unreachable`. */
  async *found(): AsyncGenerator<PutAside> {
    for await (const letter of lookThroughDeadLetters(this.#queue)) {
      const message = this.#before.has(letter.messageId) ? undefined : restoreMessageIn(letter);
      if (message?.mirror === this.#restore.mirror && message.target === this.#restore.target) {
        yield putAside(message, letter);
      }
    }
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

/** What the queue itself put aside has no code: the function was ended again and again, which another run may survive. */
function putAside({ id, kind }: RestoreMessage | RestoreStudyMessage, { code, reason }: DeadLetter): PutAside {
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
