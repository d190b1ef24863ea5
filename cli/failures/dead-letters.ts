/** The work of `failures` and `redrive`. */
import type { z } from 'zod';
import { evenClock } from '../../core/clock.ts';
import { parseMessage, type QueueMessage } from '../../core/cloud/queue/message.ts';
import { createSqsClient } from '../../core/cloud/queue/sqs-client.ts';
import {
  type DeadLetter,
  type DeadLetterQueueOptions,
  lookThroughDeadLetters,
  putBack,
  readDeadLetters,
  sendAgain,
} from '../../core/cloud/queue/sqs-dead-letters.ts';
import { TokenBucket } from '../../core/cloud/webhook/token-bucket.ts';
import { deadLetterQueues, mirrorQueue, sharedQueue } from '../../core/config/queue-names.ts';
import { isMirrorError } from '../../core/errors.ts';
import type { CommandContext } from '../command-context.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { formatCount } from '../format.ts';
import type { redriveOptionValues } from '../redrive/options.ts';
import type { failuresOptionValues } from './options.ts';

/** What a letter says, for people; the text of a message that is none of ours is never shown. */
interface Failure {
  readonly type: 'failure';
  readonly mirror: string | null;
  readonly kind: string | null;
  readonly id: string | null;
  readonly code: string;
  readonly reason: string;
  readonly tries: number | null;
  readonly at: string | null;
}

/** Lists the dead letters and lets them lie. Exit code 3 if there are any. */
export async function failures(
  options: z.output<typeof failuresOptionValues>,
  { terminal, interruption }: CommandContext,
): Promise<ExitCode> {
  const client = createSqsClient(new URL(options.queues).origin);
  const queue: DeadLetterQueueOptions = {
    client,
    deadLetterQueueUrl: sharedQueue(options.queues, deadLetterQueues.backlog),
    signal: interruption,
  };
  const codes = new Map<string, number>();
  try {
    for await (const letter of lookThroughDeadLetters(queue)) {
      const failure = failureOf(letter);
      if (options.mirror !== undefined && failure.mirror !== options.mirror) continue;
      codes.set(failure.code, (codes.get(failure.code) ?? 0) + 1);
      if (options.json) terminal.printJson(failure);
      else terminal.print(`${failure.id ?? '(no message of ours)'}  ${failure.mirror ?? '-'}  ${failure.reason}`);
    }
  } finally {
    client.destroy();
  }
  const count = [...codes.values()].reduce((sum, one) => sum + one, 0);
  if (options.json) terminal.printJson({ type: 'summary', failures: count, codes: Object.fromEntries(codes) });
  else terminal.print(summaryLine(count, codes));
  return count === 0 ? exitCodes.ok : exitCodes.rejected;
}

function summaryLine(count: number, codes: ReadonlyMap<string, number>): string {
  const parts = [...codes].map(([code, times]) => `${formatCount(times)} ${code}`);
  return count === 0 ? 'no dead letters' : `${formatCount(count)} dead letters: ${parts.join(', ')}`;
}

function failureOf(letter: DeadLetter): Failure {
  const message = messageIn(letter);
  return {
    type: 'failure',
    mirror: message?.mirror ?? null,
    kind: message?.kind ?? null,
    id: message?.id ?? null,
    code: letter.code ?? 'unknown',
    reason: letter.reason ?? 'the queue itself put it aside, without a reason: see the log of the transfer function',
    tries: letter.receiveCount ?? null,
    at: letter.sentAt?.toISOString() ?? null,
  };
}

function messageIn({ body }: DeadLetter): QueueMessage | undefined {
  try {
    return parseMessage(body);
  } catch (error) {
    if (isMirrorError(error, 'malformed-message')) return undefined;
    throw error;
  }
}

/** Puts dead letters on the queues of their mirrors again, at a bounded rate. What is no message of ours stays. */
export async function redrive(
  options: z.output<typeof redriveOptionValues>,
  { terminal, interruption }: CommandContext,
): Promise<ExitCode> {
  const client = createSqsClient(new URL(options.queues).origin);
  const deadLetterQueueUrl = sharedQueue(options.queues, deadLetterQueues.backlog);
  const queue = { client, deadLetterQueueUrl, signal: interruption };
  const bucket = new TokenBucket({ burst: 1, perSecond: options.rate, now: () => evenClock.nowMs() });
  const left: DeadLetter[] = [];
  let sent = 0;
  try {
    for await (const letter of readDeadLetters(queue)) {
      const mirror = wantedMirrorOf(letter, options);
      if (mirror === undefined) {
        left.push(letter);
        continue;
      }
      await bucket.taken(evenClock, interruption);
      if (interruption.aborted) {
        left.push(letter);
        break;
      }
      const queueUrl = mirrorQueue(options.queues, { mirror, lane: 'backlog' });
      if ((await sendAgain(letter, { ...queue, queueUrl })) === 'no-queue') left.push(letter);
      else sent += 1;
      if (options.limit !== undefined && sent >= options.limit) break;
    }
  } finally {
    for (const letter of left) await putBack(letter, queue);
    client.destroy();
  }
  if (options.json) terminal.printJson({ type: 'summary', redriven: sent, left: left.length });
  else terminal.print(`${formatCount(sent)} sent again, ${formatCount(left.length)} left where they were`);
  return interruption.aborted ? exitCodes.interrupted : exitCodes.ok;
}

/** The mirror that a letter names, if it is to be sent again. */
function wantedMirrorOf(
  letter: DeadLetter,
  { mirror, code }: z.output<typeof redriveOptionValues>,
): string | undefined {
  const named = messageIn(letter)?.mirror;
  return (mirror === undefined || named === mirror) && (code === undefined || letter.code === code) ? named : undefined;
}
