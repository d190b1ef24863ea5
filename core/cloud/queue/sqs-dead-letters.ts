/** Reads a dead-letter queue in Amazon SQS, and sends what lies there again. */
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  type Message,
  MessageNotInflight,
  QueueDoesNotExist,
  ReceiveMessageCommand,
  SendMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { MirrorError } from '../../errors.ts';

export interface DeadLetterQueueOptions {
  readonly client: SQSClient;
  readonly deadLetterQueueUrl: string;
  readonly signal?: AbortSignal | undefined;
}

/** A message that became a dead letter. */
export interface DeadLetter {
  /** Names the message for as long as it lies there. */
  readonly messageId: string;
  readonly body: string;
  /** Why, as far as whoever put it aside wrote it down. */
  readonly code: string | undefined;
  readonly reason: string | undefined;
  readonly receiveCount: number | undefined;
  readonly sentAt: Date | undefined;
  /** Names this delivery towards the queue. */
  readonly receiptHandle: string;
}

/** A letter stays hidden from others so long, or until it is answered. */
const hiddenSeconds = 300;
/** How often in a row an answer must be empty for the queue to count as read: SQS asks a part of its servers only. */
const emptyAnswers = 2;

/** Yields every letter once, and hides it meanwhile. Throws `unreachable`. */
export async function* readDeadLetters(options: DeadLetterQueueOptions): AsyncGenerator<DeadLetter> {
  const { client, deadLetterQueueUrl, signal } = options;
  const command = new ReceiveMessageCommand({
    QueueUrl: deadLetterQueueUrl,
    MaxNumberOfMessages: 10,
    VisibilityTimeout: hiddenSeconds,
    WaitTimeSeconds: 1,
    MessageAttributeNames: ['All'],
    MessageSystemAttributeNames: ['SentTimestamp'],
  });
  const seen = new Set<string>();
  for (let empty = 0; empty < emptyAnswers && signal?.aborted !== true; ) {
    const { Messages: messages = [] } = await client.send(command).catch(throwUnreachable);
    const fresh = messages.filter(({ MessageId: id = '' }) => !seen.has(id));
    empty = fresh.length === 0 ? empty + 1 : 0;
    for (const message of fresh) {
      seen.add(message.MessageId ?? '');
      yield letterOf(message);
    }
  }
}

/** Yields every letter once, and lets them all lie as they were. Throws `unreachable`. */
export async function* lookThroughDeadLetters(options: DeadLetterQueueOptions): AsyncGenerator<DeadLetter> {
  const seen: DeadLetter[] = [];
  try {
    for await (const letter of readDeadLetters(options)) {
      seen.push(letter);
      yield letter;
    }
  } finally {
    for (const letter of seen) await putBack(letter, options);
  }
}

function letterOf({ MessageId, Body, ReceiptHandle, MessageAttributes = {}, Attributes }: Message): DeadLetter {
  const { code, reason, receiveCount } = MessageAttributes;
  const sentMs = Number(Attributes?.SentTimestamp);
  return {
    messageId: MessageId ?? '',
    body: Body ?? '',
    code: code?.StringValue,
    reason: reason?.StringValue,
    receiveCount: receiveCount?.StringValue === undefined ? undefined : Number(receiveCount.StringValue),
    sentAt: Number.isFinite(sentMs) ? new Date(sentMs) : undefined,
    receiptHandle: ReceiptHandle ?? '',
  };
}

/** Lets others see a letter again, in a second; harmless for one that they see already. */
export async function putBack(
  letter: DeadLetter,
  { client, deadLetterQueueUrl }: DeadLetterQueueOptions,
): Promise<void> {
  const { receiptHandle: ReceiptHandle } = letter;
  const command = { QueueUrl: deadLetterQueueUrl, ReceiptHandle, VisibilityTimeout: 1 };
  await client.send(new ChangeMessageVisibilityCommand(command)).catch((error: unknown) => {
    if (!(error instanceof MessageNotInflight)) throwUnreachable(error);
  });
}

/**
 * Puts a letter on a queue as a new message, and only then takes it away from the others: it may be sent twice. Where there
 * is no such queue, it stays. Throws `unreachable`.
 */
export async function sendAgain(
  { body, receiptHandle }: DeadLetter,
  { client, deadLetterQueueUrl, queueUrl }: DeadLetterQueueOptions & { readonly queueUrl: string },
): Promise<'sent' | 'no-queue'> {
  try {
    await client.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: body }));
  } catch (error) {
    if (error instanceof QueueDoesNotExist) return 'no-queue';
    throwUnreachable(error);
  }
  const gone = new DeleteMessageCommand({ QueueUrl: deadLetterQueueUrl, ReceiptHandle: receiptHandle });
  await client.send(gone).catch(throwUnreachable);
  return 'sent';
}

function throwUnreachable(cause: unknown): never {
  throw new MirrorError(
    'unreachable',
    'SQS does not answer; check the URL of the queue, the region and the credentials.',
    {
      cause,
    },
  );
}
