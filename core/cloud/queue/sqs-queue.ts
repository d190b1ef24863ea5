/** Fills a queue in Amazon SQS. */
import { setTimeout as sleep } from 'node:timers/promises';
import { SendMessageBatchCommand, type SendMessageBatchRequestEntry, type SQSClient } from '@aws-sdk/client-sqs';
import { MirrorError } from '../../errors.ts';
import { type BackOff, waitBeforeTryMs } from './back-off.ts';
import type { InstanceQueue, QueueMessage } from './message.ts';

/** SQS takes at most this many messages in one request. */
const batchLimit = 10;
const requestsInFlight = 8;
const tries = 5;
const backOff: BackOff = { firstMs: 200, lastMs: 5_000 };

export interface SqsQueueOptions {
  readonly queueUrl: string;
  readonly client: SQSClient;
  readonly signal?: AbortSignal | undefined;
}

/** A queue in SQS, as the one who fills it sees it. */
export function sqsQueue(options: SqsQueueOptions): InstanceQueue {
  return { send: (messages) => sendTexts(options, textsOf(messages)) };
}

async function* textsOf(messages: AsyncIterable<QueueMessage> | Iterable<QueueMessage>): AsyncGenerator<string> {
  for await (const message of messages) yield JSON.stringify(message);
}

/** Sends texts as messages. Resolves when SQS took all of them; throws `unreachable`. */
export async function sendTexts(
  { queueUrl, client, signal }: SqsQueueOptions,
  texts: AsyncIterable<string> | Iterable<string>,
): Promise<void> {
  const failures: unknown[] = [];
  const inFlight = new Set<Promise<void>>();
  for await (const batch of batchesOf(texts, batchLimit)) {
    const sending = sendBatch(client, queueUrl, batch, signal)
      .catch((error: unknown) => void failures.push(error))
      .finally(() => inFlight.delete(sending));
    inFlight.add(sending);
    if (inFlight.size >= requestsInFlight) {
      await Promise.race(inFlight);
    }
    if (failures.length > 0) {
      break;
    }
  }
  await Promise.all(inFlight);
  if (failures.length > 0) {
    throw failures[0];
  }
}

/** Sends at most ten messages; those that SQS did not take are sent again, then `unreachable` is thrown. */
async function sendBatch(
  client: SQSClient,
  queueUrl: string,
  texts: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  let pending: SendMessageBatchRequestEntry[] = texts.map((MessageBody, index) => ({ Id: String(index), MessageBody }));
  for (let tried = 1; ; tried += 1) {
    pending = await sendEntries(client, queueUrl, pending, signal);
    if (pending.length === 0) {
      return;
    }
    if (tried === tries) {
      throw new MirrorError('unreachable', `SQS did not take ${pending.length} messages after ${tries} tries.`);
    }
    await sleep(waitBeforeTryMs(tried, backOff, Math.random()), undefined, signal === undefined ? {} : { signal });
  }
}

/** @returns the entries that SQS did not take, although the request itself succeeded. */
async function sendEntries(
  client: SQSClient,
  queueUrl: string,
  entries: readonly SendMessageBatchRequestEntry[],
  signal: AbortSignal | undefined,
): Promise<SendMessageBatchRequestEntry[]> {
  const command = new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries: [...entries] });
  const answer = await client
    .send(command, signal === undefined ? {} : { abortSignal: signal })
    .catch((cause: unknown) => {
      throw new MirrorError('unreachable', 'SQS did not take a batch of messages.', { cause });
    });
  const taken = new Set(answer.Successful?.map((entry) => entry.Id));
  return entries.filter((entry) => !taken.has(entry.Id));
}

async function* batchesOf<Item>(items: AsyncIterable<Item> | Iterable<Item>, size: number): AsyncGenerator<Item[]> {
  let batch: Item[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length === size) {
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) {
    yield batch;
  }
}
