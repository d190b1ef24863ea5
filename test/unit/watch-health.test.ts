/** Whoever watches a watch is told whether it is well, and called when it is. */
import { EventEmitter, once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { beatHeart, WatchHealth } from '../../cli/run/watch-health.ts';
import { createTerminal } from '../../cli/terminal.ts';

async function serving(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const compared = { kind: 'compared', instances: 1, copied: 1, durationMs: 1, leftOut: [] } as const;
const away = {
  kind: 'away',
  role: 'target',
  store: 'http://secret.host',
  code: 'unreachable',
  reason: 'x',
  sinceMs: 0,
} as const;

test('/healthz is 200 when everything was compared, with all destinations, and nobody is away, else 503', async () => {
  const health = new WatchHealth();
  const url = await serving(health.listener((_, response) => void response.writeHead(404).end()));
  const status = async () => (await fetch(`${url}/healthz`)).status;
  expect(await status()).toBe(503);
  health.observer.onEvent?.({ ...compared, leftOut: [away.store] });
  expect(await status()).toBe(503);
  health.observer.onEvent?.(compared);
  expect(await status()).toBe(200);
  health.observer.onEvent?.({ ...away, askedAgainInMs: 1000 });
  expect(await status()).toBe(503);
  health.observer.onEvent?.({ kind: 'back', role: 'target', store: away.store, afterMs: 1 });
  expect(await status()).toBe(200);
  expect((await fetch(`${url}/other`)).status).toBe(404);
});

test('/metrics has a help and a type for each metric, and names no store', async () => {
  const health = new WatchHealth();
  const url = await serving(health.listener((_, response) => void response.end()));
  health.observer.onEvent?.(compared);
  health.observer.onEvent?.({ ...away, askedAgainInMs: 1000 });
  const answer = await fetch(`${url}/metrics`);
  expect(answer.headers.get('content-type')).toContain('version=0.0.4');
  const text = await answer.text();
  expect(text).toContain('orthanc_mirror_away{role="target"} 1\n');
  expect(text).not.toContain('secret.host');
  const names = [...text.matchAll(/^(orthanc_mirror_\w+)/gm)].map(([, name]) => name);
  for (const name of new Set(names))
    expect(text).toMatch(new RegExp(`# HELP ${name} .+\n# TYPE ${name} (?:counter|gauge)\n`));
  expect(new Set(names).size).toBe(6);
});

test('a heartbeat that is not taken is a warning without its address', async () => {
  let said = '';
  const stderr = Object.assign(new EventEmitter(), {
    write: (text: string) => {
      said += text;
    },
  });
  const terminal = createTerminal(Object.assign(new EventEmitter(), { write: () => true }), stderr);
  const asked: string[] = [];
  const url = await serving((request, response) => {
    asked.push(request.url ?? '');
    response.writeHead(request.url === '/ping' ? 200 : 500).end();
  });
  await beatHeart(`${url}/ping`, terminal);
  expect({ asked, said }).toEqual({ asked: ['/ping'], said: '' });
  await beatHeart(`${url}/s3cret`, terminal);
  await beatHeart('http://127.0.0.1:1/s3cret', terminal);
  expect(said).toMatch(/warning: .*--heartbeat.*answered 500\nwarning: .*--heartbeat.*does not answer\n/);
  expect(said).not.toContain('s3cret');
});
