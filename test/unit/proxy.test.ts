/** Servers are reached through the proxy that the usual variables name. */
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, describe, expect, it, onTestFinished, test, vi } from 'vitest';
import { OrthancClient } from '../../core/stores/orthanc/http-client.ts';
import { proxyFor } from '../../core/stores/orthanc/proxy.ts';

afterEach(() => vi.unstubAllEnvs());

describe('a server', () => {
  const both = { httpProxy: 'http://proxy:3128', httpsProxy: 'proxy:3129' };

  test.each([
    ['http://pacs.example.org', both, 'http://proxy:3128'],
    ['https://pacs.example.org', both, 'http://proxy:3129'],
    ['https://pacs.example.org', { httpProxy: 'http://proxy:3128' }, undefined],
    ['https://pacs.example.org', { httpsProxy: '' }, undefined],
  ])('%s, with %j, is reached through %s', (url, environment, expected) => {
    expect(proxyFor(new URL(url), environment)).toBe(expected);
  });

  test.each([
    ['https://pacs.example.org', '*', true],
    ['https://pacs.example.org', 'pacs.example.org', true],
    ['https://PACS.example.org', '.example.org', true],
    ['https://pacs.example.org', '*.example.org', true],
    ['https://pacs.example.org', 'example.org', true],
    ['https://pacs.badexample.org', 'example.org', false],
    ['https://pacs.example.org', 'other.org, pacs.example.org:443', true],
    ['https://pacs.example.org:8042', 'pacs.example.org:443', false],
    ['http://10.0.0.7:8042', '10.0.0.7', true],
    ['http://[fd00::1]:8042', 'fd00::1', true],
    ['http://[fd00::1]:8042', '[fd00::1]:8042', true],
    ['http://[fd00::1]:8042', '[fd00::1]:80', false],
    ['http://pacs', '', false],
  ])('%s with NO_PROXY=%s is excepted: %s', (url, noProxy, excepted) => {
    expect(proxyFor(new URL(url), { ...both, noProxy }) === undefined).toBe(excepted);
  });
});

/** A proxy that leads everywhere to one server. */
async function startProxy(port: number) {
  const asked: string[] = [];
  const proxy = createServer((request: IncomingMessage, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.end('"through the proxy"');
  });
  proxy.on('connect', (request, socket) => {
    asked.push(`CONNECT ${request.url}`);
    const onward = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
    socket.on('error', () => onward.destroy());
    onward.on('error', () => socket.destroy());
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  onTestFinished(() => {
    proxy.closeAllConnections();
    proxy.close();
  });
  return { asked, url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` };
}

it('is asked through the proxy, which resolves its name', async () => {
  const { asked, url } = await startProxy(1);
  vi.stubEnv('HTTP_PROXY', url);
  const client = new OrthancClient({ url: 'http://pacs.invalid:8042/orthanc' });
  expect(await client.findText('/system')).toBe('"through the proxy"');
  await client.close();
  expect(asked).toEqual([expect.stringMatching(/(?:GET|CONNECT) .*pacs\.invalid/)]);
});

it('this machine is not', async () => {
  const { asked, url } = await startProxy(1);
  vi.stubEnv('HTTP_PROXY', url);
  const client = new OrthancClient({ url: 'http://127.0.0.1:1' }, () => undefined);
  await expect(client.findText('/system')).rejects.toMatchObject({ code: 'unreachable' });
  await client.close();
  expect(asked).toEqual([]);
});
