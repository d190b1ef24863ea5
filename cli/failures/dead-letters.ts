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
import { type Column, Table } from '../columns.ts';
import type { CommandContext } from '../command-context.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { formatCount } from '../format.ts';
import type { redriveOptionValues } from '../redrive/options.ts';
import type { failuresOptionValues } from './options.ts';
import type { failureLine } from './output.ts';

/** What a letter says, for people; the text of a message that is none of ours is never shown. */
type Failure = z.output<typeof failureLine>;

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
  const table = new Table(listed, terminal.width);
  try {
    for await (const letter of lookThroughDeadLetters(queue)) {
      const failure = failureOf(letter);
      if (options.mirror !== undefined && failure.mirror !== options.mirror) continue;
      if (!terminal.json && codes.size === 0) terminal.print(table.head());
      codes.set(failure.code, (codes.get(failure.code) ?? 0) + 1);
      terminal.tell(failure, table.row(cellsOf(failure)));
    }
  } finally {
    client.destroy();
  }
  const count = [...codes.values()].reduce((sum, one) => sum + one, 0);
  const summary = { type: 'summary', failures: count, codes: Object.fromEntries(codes) };
  terminal.tell(summary, summaryLine(count, codes));
  return count === 0 ? exitCodes.ok : exitCodes.rejected;
}

const listed: readonly Column[] = [
  { head: 'id', width: 44 },
  { head: 'mirror', width: 12, least: 6 },
  { head: 'tries', width: 5, right: true },
  { head: 'code', width: 14, least: 0 },
  // Whole: it says what to do.
  { head: 'reason' },
];

function cellsOf({ id, mirror, tries, code, reason }: Failure): readonly string[] {
  return [id ?? '(no message of ours)', mirror ?? '-', String(tries ?? '-'), code, reason];
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
  terminal.tell(
    { type: 'summary', redriven: sent, left: left.length },
    `${formatCount(sent)} sent again, ${formatCount(left.length)} left where they were`,
  );
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
