/** Large instances are copied apart, so that small ones neither wait for them nor share their time. */
import { expect, test } from 'vitest';
import { bySize, type QueueMessage } from '../../core/cloud/queue/message.ts';
import { defaultBudget } from '../../core/copy/copy-context.ts';
import { copyInstance } from '../../core/copy/copy-instance.ts';
import { withLargest } from '../../core/copy/with-largest.ts';
import { MemoryStore, sampleBytes, sampleId } from '../support/memory-store.ts';

const largeBytes = 1000;

test('what is known to be large goes to the queue of the large, and nothing else does', async () => {
  const [small, large]: [QueueMessage[], QueueMessage[]] = [[], []];
  const into = (queue: QueueMessage[]) => ({
    send: async (messages: AsyncIterable<QueueMessage> | Iterable<QueueMessage>) => {
      for await (const message of messages) queue.push(message);
    },
  });
  const ofSize = (n: number, sizeBytes?: number): QueueMessage => ({
    v: 1,
    mirror: 'main',
    kind: 'instance',
    id: sampleId(n),
    sizeBytes,
  });
  const study: QueueMessage = { v: 1, mirror: 'main', kind: 'study', id: sampleId(9) };
  const sent = [ofSize(1, 1000), ofSize(2, 1001), ofSize(3), study, ofSize(4, 5000)];
  await bySize(into(small), into(large), largeBytes).send(sent);
  expect(small).toEqual([sent[0], sent[2], study]);
  expect(large).toEqual([sent[1], sent[4]]);
});

test.each([
  [true, 'its size was listed'],
  [false, 'nobody told its size'],
])('a large instance is not begun among the small ones (%s: %s)', async (listsHashes) => {
  const source = new MemoryStore('source', [[sampleId(1), new Uint8Array(largeBytes + 1)]]);
  source.listsHashes = listsHashes;
  const target = new MemoryStore('target');
  const request = { id: sampleId(1), lacking: [], undecided: [{ role: 'target', store: target } as const] };
  const context = { budget: defaultBudget() };
  const { outcomes } = await copyInstance(request, { ...context, source: withLargest(source, largeBytes) });
  expect(outcomes).toMatchObject([{ error: { code: 'too-large', disposition: 'retry' } }]);
  expect(target.instances.size).toBe(0);
  const apart = await copyInstance(request, { ...context, source: withLargest(source, Number.POSITIVE_INFINITY) });
  expect(apart.outcomes).toMatchObject([{ kind: 'copied' }]);
});

test('small ones are copied among themselves', async () => {
  const source = new MemoryStore('source', [[sampleId(1), sampleBytes(1)]]);
  const target = new MemoryStore('target');
  const request = { id: sampleId(1), lacking: [], undecided: [{ role: 'target', store: target } as const] };
  const small = withLargest(source, sampleBytes(1).byteLength);
  expect((await copyInstance(request, { budget: defaultBudget(), source: small })).outcomes).toMatchObject([
    { kind: 'copied' },
  ]);
});
