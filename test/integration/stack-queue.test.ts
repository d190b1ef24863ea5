/** The SQS adapters against an SQS emulator. */
import { type SendMessageBatchCommand, type SendMessageBatchResult, SQSClient } from '@aws-sdk/client-sqs';
import { type FauxqsServer, startFauxqs } from 'fauxqs';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { QueueMessage } from '../../core/cloud/queue/message.ts';
import { sqsDeliveries } from '../../core/cloud/queue/sqs-deliveries.ts';
import { sqsQueue } from '../../core/cloud/queue/sqs-queue.ts';
import type { InstanceId } from '../../core/identifiers.ts';

let server: FauxqsServer;
let client: SQSClient;
let queueUrl: string;
let deadLetterQueueUrl: string;

beforeAll(async () => {
  server = await startFauxqs({ port: 0, logger: false, host: '127.0.0.1' });
  const endpoint = `http://127.0.0.1:${server.port}`;
  client = new SQSClient({ endpoint, region: 'us-east-1', credentials: { accessKeyId: 'x', secretAccessKey: 'x' } });
  server.createQueue('work');
  server.createQueue('dead');
  queueUrl = `${endpoint}/000000000000/work`;
  deadLetterQueueUrl = `${endpoint}/000000000000/dead`;
});

beforeEach(() => server.reset());

afterAll(async () => {
  client.destroy();
  await server.stop();
});

function messageNumber(number: number): QueueMessage {
  return {
    v: 1,
    mirror: 'main',
    kind: 'instance',
    id: `${number}`.padStart(8, '0').concat('-00000000'.repeat(4)) as InstanceId,
  };
}

const messages = (count: number): QueueMessage[] => Array.from({ length: count }, (_, number) => messageNumber(number));

function waitingBodies(queue: string): string[] {
  return (server.inspectQueue(queue)?.messages.ready ?? []).map(({ body }) => body);
}

/** Lets the first answers to a batch say that some of its messages failed; the emulator never sees those. */
function failSome(failures: (batch: number) => number): { batches: () => number } {
  let batches = 0;
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const input: unknown = args.input;
      if (context.commandName !== 'SendMessageBatchCommand' || !isBatch(input)) {
        return next(args);
      }
      batches += 1;
      const failing = input.Entries.slice(0, failures(batches));
      const rest = input.Entries.slice(failing.length);
      const answer = rest.length === 0 ? undefined : await next({ ...args, input: { ...input, Entries: rest } });
      const output: Partial<SendMessageBatchResult> = {
        ...Object(answer?.output),
        Failed: failing.map(({ Id }) => ({ Id, SenderFault: false, Code: 'InternalError' })),
      };
      return { response: answer?.response, output: { $metadata: {}, Successful: [], ...output } };
    },
    { name: 'failSome', step: 'initialize', override: true },
  );
  return { batches: () => batches };
}

function isBatch(
  input: unknown,
): input is SendMessageBatchCommand['input'] & { Entries: { Id: string; MessageBody: string }[] } {
  return typeof input === 'object' && input !== null && 'Entries' in input;
}

test('every message is on the queue when sending resolves', async () => {
  failSome(() => 0);
  await sqsQueue({ queueUrl, client }).send(messages(123));
  expect(waitingBodies('work').toSorted()).toEqual(
    messages(123)
      .map((message) => JSON.stringify(message))
      .toSorted(),
  );
});

test('messages may come one by one from elsewhere', async () => {
  failSome(() => 0);
  async function* slowly() {
    for (const message of messages(25)) {
      await Promise.resolve();
      yield message;
    }
  }
  await sqsQueue({ queueUrl, client }).send(slowly());
  expect(waitingBodies('work')).toHaveLength(25);
});

test('sending nothing sends nothing', async () => {
  const { batches } = failSome(() => 0);
  await sqsQueue({ queueUrl, client }).send([]);
  expect(batches()).toBe(0);
});

test('what SQS did not take is sent again, and nothing is sent twice', async () => {
  failSome((batch) => (batch === 1 ? 4 : 0));
  await sqsQueue({ queueUrl, client }).send(messages(10));
  expect(waitingBodies('work').toSorted()).toEqual(
    messages(10)
      .map((message) => JSON.stringify(message))
      .toSorted(),
  );
});

test('sending fails when SQS takes a message never, however many others it took', async () => {
  failSome((batch) => (batch === 2 || batch > 4 ? 1 : 0));
  await expect(sqsQueue({ queueUrl, client }).send(messages(40))).rejects.toMatchObject({ code: 'unreachable' });
});

test('sending fails when SQS is not there', async () => {
  const nowhere = new SQSClient({
    endpoint: 'http://127.0.0.1:9',
    region: 'us-east-1',
    maxAttempts: 1,
    credentials: { accessKeyId: 'x', secretAccessKey: 'x' },
  });
  await expect(
    sqsQueue({ queueUrl: 'http://127.0.0.1:9/0/work', client: nowhere }).send(messages(1)),
  ).rejects.toMatchObject({
    code: 'unreachable',
  });
});

test('a message becomes a dead letter with its reason', async () => {
  failSome(() => 0);
  const delivery = { body: 'what it was', receiptHandle: '', receiveCount: 3 };
  await sqsDeliveries({ client, queueUrl, deadLetterQueueUrl }).deadLetter(delivery, {
    code: 'refused',
    reason: 'The target refuses the file.',
    receiveCount: 3,
  });
  const [message] = server.inspectQueue('dead')?.messages.ready ?? [];
  expect(message?.body).toBe('what it was');
  expect(message?.messageAttributes).toMatchObject({
    code: { StringValue: 'refused' },
    reason: { StringValue: 'The target refuses the file.' },
    receiveCount: { StringValue: '3' },
  });
});
