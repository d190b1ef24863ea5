/** What a hook announces is on the queue before the hook is answered. */
import { expect, test } from 'vitest';
import type { QueueMessage } from '../../core/cloud/queue/message.ts';
import { takeAnnouncements } from '../../core/cloud/webhook/take-announcements.ts';
import { validateConfiguration } from '../../core/config/load.ts';
import { secretResolver } from '../../core/config/secrets/resolve-secret.ts';
import { MirrorError } from '../../core/errors.ts';

const id = '00000000-11111111-22222222-33333333-44444444';
const stored = { kind: 'stored', level: 'instances', id };
const deleted = { kind: 'deleted', level: 'instances', id };

function webhook(events: readonly object[], send: (messages: readonly QueueMessage[]) => void) {
  const mirrors = { main: { source: { url: 'https://source.example.org/' }, archive: {} } };
  const cloud = { webhook: { authentication: 'iam' } };
  const take = takeAnnouncements({
    configuration: validateConfiguration({ mirrors, cloud }, 'the test'),
    secrets: secretResolver(),
    queue: (queue) => {
      expect(queue).toEqual({ mirror: 'main', lane: 'new' });
      return { send: async (messages) => send(await Array.fromAsync(messages)) };
    },
  });
  const body = Buffer.from(JSON.stringify({ v: 1, mirror: 'main', events }));
  const incoming = {
    method: 'POST',
    secret: undefined,
    caller: 'arn:aws:sts::123456789012:assumed-role/hook/one',
    body,
  };
  return take(incoming, new AbortController().signal);
}

test('an instance becomes a message; a deletion is counted and becomes none', async () => {
  const sent: QueueMessage[] = [];
  const decision = await webhook([stored, deleted], (messages) => sent.push(...messages));
  expect(decision).toMatchObject({ status: 200, answer: { accepted: 2 } });
  expect(sent).toEqual([{ v: 1, mirror: 'main', kind: 'instance', id }]);
});

test('a hook is not answered when the queue does not take what it announced', async () => {
  const refuse = () => {
    throw new MirrorError('unreachable', 'SQS does not answer');
  };
  await expect(webhook([stored], refuse)).rejects.toMatchObject({ code: 'unreachable' });
});
