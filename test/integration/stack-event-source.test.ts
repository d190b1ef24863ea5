/** The local stack delivers messages and runs functions as AWS does. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SQSClient } from '@aws-sdk/client-sqs';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startEventSource } from '../../local/stack/event-source.ts';
import { LocalBuckets } from '../../local/stack/local-buckets.ts';
import { LocalFunction } from '../../local/stack/local-function.ts';
import { LocalQueues } from '../../local/stack/local-queues.ts';

const deadLetters = { logicalId: 'Dead', visibilityTimeoutSeconds: 30, retentionSeconds: 1000 };
const work = {
  logicalId: 'Work',
  visibilityTimeoutSeconds: 1,
  retentionSeconds: 1000,
  redrive: { deadLetterQueue: 'Dead', maxReceiveCount: 2 },
};
/** Its messages come back only after a time that nothing takes here. */
const patient = { ...work, logicalId: 'Patient', visibilityTimeoutSeconds: 60 };
/** Waits for what happens within seconds; fails after a time that only a hang needs. */
const eventually = { timeout: 30_000, interval: 50 };

let cleanUp: AsyncDisposableStack;
let folder: string;
let queues: LocalQueues;
let lines: string[];

beforeEach(async () => {
  cleanUp = new AsyncDisposableStack();
  lines = [];
  folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-stack-'));
  cleanUp.defer(() => rm(folder, { recursive: true }));
  queues = await LocalQueues.start([work, patient, deadLetters], join(folder, 'queues'));
  cleanUp.defer(() => queues.stop());
});

afterEach(() => cleanUp.disposeAsync());

/** A function with the given source as its bundle. */
async function functionOf(source: string, timeoutSeconds = 20): Promise<LocalFunction> {
  const codeFolder = join(folder, 'code');
  await mkdir(codeFolder, { recursive: true });
  await writeFile(join(codeFolder, 'index.mjs'), source);
  const resource = {
    logicalId: 'F',
    name: 'f',
    codeFolder,
    handler: 'index.handler',
    timeoutSeconds,
    memoryMiB: 128,
    reservedConcurrency: 10,
    role: undefined,
    environment: {},
  };
  const local = new LocalFunction(resource, { GREETING: 'hello' }, (line) => lines.push(line));
  cleanUp.defer(() => local.stop());
  return local;
}

function deliverTo(
  target: LocalFunction,
  mapping: { batchSize?: number; maxConcurrency?: number } = {},
  queue: 'Work' | 'Patient' = 'Work',
): void {
  const credentials = { accessKeyId: 'x', secretAccessKey: 'x' };
  const client = new SQSClient({ endpoint: queues.endpoint, region: 'us-east-1', credentials });
  const stop = startEventSource({
    mapping: {
      queue,
      function: 'F',
      batchSize: 10,
      maxConcurrency: 2,
      reportsBatchItemFailures: true,
      ...mapping,
    },
    queueUrl: queues.url(queue),
    queueArn: queues.arn(queue),
    client,
    invoke: (event) => target.invoke(event),
    onFailure: () => undefined,
  });
  cleanUp.defer(() => client.destroy());
  cleanUp.defer(stop);
}

test('of a batch only the messages that the function reports come back, and at last become dead letters', async () => {
  const target = await functionOf(`
    export const handler = async ({ Records }) => {
      for (const { body, attributes } of Records) console.log(body + ' ' + attributes.ApproximateReceiveCount);
      return { batchItemFailures: Records.filter(({ body }) => body === 'bad').map(({ messageId }) => ({ itemIdentifier: messageId })) };
    };`);
  for (const body of ['good', 'bad', 'fine']) queues.sendTo('Work', body);
  deliverTo(target);
  await vi.waitUntil(() => queues.drained() && queues.deadLetters().length === 1, eventually);
  expect(lines.toSorted()).toEqual(['bad 1', 'bad 2', 'fine 1', 'good 1']);
  expect(queues.deadLetters()).toMatchObject([{ body: 'bad' }]);
});

test('when a function crashes the whole batch comes back, and the next invocation gets a new process', async () => {
  const target = await functionOf(`
    import { existsSync, writeFileSync } from 'node:fs';
    export const handler = async ({ Records }) => {
      if (!existsSync('crashed')) { writeFileSync('crashed', ''); process.exit(1); }
      for (const { body } of Records) console.log(body);
    };`);
  for (const body of ['one', 'two']) queues.sendTo('Work', body);
  deliverTo(target, { maxConcurrency: 1 });
  await vi.waitUntil(() => queues.drained(), eventually);
  expect(lines.toSorted()).toEqual(['one', 'two']);
});

test('a function is ended when its time is over', async () => {
  const target = await functionOf(
    'export const handler = () => new Promise((resolve) => setTimeout(resolve, 600_000));',
    1,
  );
  await expect(target.invoke({})).rejects.toThrow('ended before it answered');
});

test('what a handler throws reaches the caller', async () => {
  const target = await functionOf("export const handler = async () => { throw new TypeError('no'); };");
  await expect(target.invoke({})).rejects.toThrow('TypeError: no');
});

test('a function sees its own environment only, the remaining time, and stays warm', async () => {
  const target = await functionOf(`
    let calls = 0;
    export const handler = async (event, context) => ({
      calls: ++calls, event, home: process.env.HOME ?? null, greeting: process.env.GREETING,
      remainingMs: context.getRemainingTimeInMillis(), id: context.awsRequestId,
    });`);
  const first = await target.invoke({ a: 1 });
  expect(first).toMatchObject({ calls: 1, event: { a: 1 }, home: null, greeting: 'hello', id: expect.any(String) });
  expect(first).toHaveProperty('remainingMs', expect.closeTo(20_000, -4));
  expect(await target.invoke({})).toMatchObject({ calls: 2 });
});

test('no more invocations run at once than the mapping allows', async () => {
  const target = await functionOf(`
    import { mkdirSync, readdirSync, rmdirSync } from 'node:fs';
    import { setTimeout } from 'node:timers/promises';
    export const handler = async ({ Records: [{ body }] }) => {
      mkdirSync('running-' + body);
      console.log(readdirSync('.').filter((name) => name.startsWith('running-')).length);
      await setTimeout(50);
      rmdirSync('running-' + body);
    };`);
  for (let number = 0; number < 20; number += 1) queues.sendTo('Patient', String(number));
  deliverTo(target, { batchSize: 1, maxConcurrency: 3 }, 'Patient');
  await vi.waitUntil(() => queues.drained(), eventually);
  expect(lines).toHaveLength(20);
  expect(Math.max(...lines.map(Number))).toBeLessThanOrEqual(3);
});

test('what lies in queues and buckets survives a restart of the stack', async () => {
  const stateFolder = join(folder, 'restarted');
  const bucket = { logicalId: 'Archive', versioned: true, defaultRetention: undefined, notifications: [] };
  const url = (buckets: LocalBuckets): string => `${buckets.endpoint}/${LocalBuckets.nameOf('Archive')}/key`;

  const firstQueues = await LocalQueues.start([work, deadLetters], join(stateFolder, 'queues'));
  const firstBuckets = await LocalBuckets.start([bucket], join(stateFolder, 's3'));
  firstQueues.send('kept');
  await fetch(url(firstBuckets), { method: 'PUT', body: 'kept too' });
  await firstQueues.stop();
  await firstBuckets.stop();

  const secondQueues = await LocalQueues.start([work, deadLetters], join(stateFolder, 'queues'));
  cleanUp.defer(() => secondQueues.stop());
  const secondBuckets = await LocalBuckets.start([bucket], join(stateFolder, 's3'));
  cleanUp.defer(() => secondBuckets.stop());
  expect(secondQueues.depths()).toMatchObject({ Work: { waiting: 1 }, Dead: { waiting: 0 } });
  expect(await (await fetch(url(secondBuckets))).text()).toBe('kept too');
});
