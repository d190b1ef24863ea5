import { expect, it } from 'vitest';
import { secretHeader } from '../../core/cloud/webhook/secrets.ts';
import { orthancIdOf } from '../../core/identifiers.ts';
import { startWebhook } from '../support/hooks/webhook-server.ts';

const secret = 'a-secret-of-the-webhook-0123456789abcdef';
const id = orthancIdOf('PATIENT', '1.2', '1.2.3', '1.2.3.4');
const options = { mirrors: ['main'], secrets: [secret] };
const announcement = JSON.stringify({ v: 1, mirror: 'main', events: [{ kind: 'stored', level: 'instances', id }] });

async function send(url: string, body: string, headers: Record<string, string> = { [secretHeader]: secret }) {
  const response = await fetch(url, { method: 'POST', headers, body });
  return { status: response.status, body: await response.text() };
}

it('tells the hook how many events it took, once they are queued', async () => {
  await using webhook = await startWebhook(options);
  expect(await send(webhook.url, announcement)).toEqual({ status: 200, body: '{"v":1,"accepted":1}' });
  expect(webhook.announcements).toEqual([{ kind: 'instance', id }]);
});

it('queues nothing of a body that was tampered with', async () => {
  await using webhook = await startWebhook(options);
  const tampered = [
    announcement.replace(id, `${id}/../../system`),
    announcement.replace(id, 'http://169.254.169.254/'),
    announcement.replace('"main"', '"other"'),
    announcement.replace('"v":1', '"v":1,"target":"http://evil/"'),
    announcement.slice(0, -1),
  ];
  const answers = await Promise.all(tampered.map((body) => send(webhook.url, body)));
  expect(answers.map(({ status }) => status)).toEqual([400, 400, 404, 400, 400]);
  expect(webhook.announcements).toEqual([]);
});

it('queues nothing of a request without the secret', async () => {
  await using webhook = await startWebhook(options);
  const answers = [
    await send(webhook.url, announcement, {}),
    await send(webhook.url, announcement, { [secretHeader]: 'x' }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([401, 401]);
  expect(webhook.announcements).toEqual([]);
});

it('refuses 10 MiB around an announcement, of announced and of unannounced length', async () => {
  await using webhook = await startWebhook(options);
  const large = announcement.padEnd(10 * 1024 * 1024);
  const chunks = ReadableStream.from(large.match(/.{1,65536}/g) ?? []);
  // The server may close the connection before everything was sent.
  const attempt = (init: RequestInit) =>
    fetch(webhook.url, { method: 'POST', headers: { [secretHeader]: secret }, ...init }).then(
      ({ status }) => `status ${status}`,
      () => 'connection closed',
    );
  expect(['status 413', 'connection closed']).toContain(await attempt({ body: large }));
  const stream = chunks.pipeThrough(new TextEncoderStream());
  expect(['status 413', 'connection closed']).toContain(await attempt({ body: stream, duplex: 'half' }));
  expect(webhook.announcements).toEqual([]);
  expect((await send(webhook.url, announcement)).status).toBe(200);
});

it('bounds a thousand requests at once', async () => {
  await using webhook = await startWebhook({ ...options, rate: { perSecond: 1, burst: 50 } });
  const answers = await Promise.all(Array.from({ length: 1000 }, () => send(webhook.url, announcement)));
  const accepted = answers.filter(({ status }) => status === 200).length;
  expect(answers.every(({ status }) => status === 200 || status === 429)).toBe(true);
  expect(accepted).toBe(webhook.announcements.length);
  expect(accepted).toBeGreaterThanOrEqual(50);
  expect(accepted).toBeLessThan(150);
});
