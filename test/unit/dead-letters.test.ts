/** What becomes of a dead letter when it is sent again, and the queue answers or not. */
import { Readable } from 'node:stream';
import { SQSClient } from '@aws-sdk/client-sqs';
import { beforeEach, expect, test } from 'vitest';
import { type DeadLetter, sendAgain } from '../../core/cloud/queue/sqs-dead-letters.ts';
import { md5Of } from '../../core/identifiers.ts';

const queueUrl = 'http://127.0.0.1:9/000000000000/work';
const deadLetterQueueUrl = 'http://127.0.0.1:9/000000000000/dead';
const letter: DeadLetter = {
  messageId: 'one',
  body: '{"v":1}',
  code: 'unreachable',
  reason: undefined,
  receiveCount: 8,
  sentAt: undefined,
  receiptHandle: 'handle',
};

/** The client compares what the queue says it got. */
const taken = JSON.stringify({ MD5OfMessageBody: md5Of(Buffer.from(letter.body)) });

/** Actions that the queue was asked for, in order. */
const asked: string[] = [];
/** What it answers to an action, instead of a success. */
const refusals = new Map<string, string>();
beforeEach(() => {
  asked.splice(0);
  refusals.clear();
});

const client = new SQSClient({
  region: 'us-east-1',
  credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  endpoint: 'http://127.0.0.1:9',
  useQueueUrlAsEndpoint: false,
  maxAttempts: 1,
  requestHandler: {
    handle: async ({ headers }: { readonly headers: Record<string, string> }) => {
      const action = headers['x-amz-target']?.replace('AmazonSQS.', '') ?? '';
      asked.push(action);
      const refusal = refusals.get(action);
      const body = refusal === undefined ? taken : JSON.stringify({ __type: `com.amazonaws.sqs#${refusal}` });
      const answer = {
        statusCode: refusal === undefined ? 200 : 400,
        headers: { 'content-type': 'application/x-amz-json-1.0' },
      };
      return { response: { ...answer, body: Readable.from([Buffer.from(body)]) } };
    },
  },
});
const options = { client, deadLetterQueueUrl, queueUrl };

test('it is on the queue before it is taken away from the others', async () => {
  expect(await sendAgain(letter, options)).toBe('sent');
  expect(asked).toEqual(['SendMessage', 'DeleteMessage']);
});

test('it stays where it is when the queue does not take it', async () => {
  refusals.set('SendMessage', 'RequestThrottled');
  await expect(sendAgain(letter, options)).rejects.toMatchObject({ code: 'unreachable' });
  expect(asked).toEqual(['SendMessage']);
});

test('it stays where it is when there is no such queue any more', async () => {
  refusals.set('SendMessage', 'QueueDoesNotExist');
  expect(await sendAgain(letter, options)).toBe('no-queue');
  expect(asked).toEqual(['SendMessage']);
});

test('that it could not be taken away is told: it will be sent twice', async () => {
  refusals.set('DeleteMessage', 'RequestThrottled');
  await expect(sendAgain(letter, options)).rejects.toMatchObject({ code: 'unreachable' });
});
