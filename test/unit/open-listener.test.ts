/** The archive behind a real socket, and what hostile clients do to it. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { AccessControl, type AccessRules } from '../../cli/open/access.ts';
import { createListener, listenOn } from '../../cli/open/listener.ts';
import type { AccessRecord } from '../../core/open/web/access-line.ts';
import { textResponse } from '../../core/open/web/message.ts';
import { createAuthority } from '../support/certificates.ts';
import { ask } from '../support/open/ask.ts';
import { archiveFolder, openSite, type Site } from '../support/open/site.ts';
import { archiveInstance, archiveSidecar, instanceOf } from '../support/open/written-instance.ts';
import { openFilesOf } from '../support/open-files.ts';
import { randomOf, type SeededRandom } from '../support/seeded-random.ts';

const study = '/dicom-web/studies/1.2.1';

interface Listening extends Site {
  readonly server: Server;
  readonly port: number;
  readonly logged: AccessRecord[];
  readonly folder: string;
  readonly defects: unknown[];
}

interface Settings {
  readonly rules?: AccessRules;
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly log?: (record: AccessRecord) => Promise<void>;
}

async function listening({ rules = {}, tls, log }: Settings = {}): Promise<Listening> {
  const folder = await archiveFolder();
  const written = instanceOf({ name: 'SECRETNAME^JANE', patient: 'SECRETID' });
  await archiveInstance(folder, written);
  await archiveSidecar(folder, [written], { metadata: { 1030: 'SECRETVALUE' } });
  const site = await openSite(folder);
  await site.reader.surveyed();
  const logged: AccessRecord[] = [];
  const defects: unknown[] = [];
  const append = log ?? (async (record: AccessRecord) => void logged.push(record));
  const access = new AccessControl(rules);
  const server = createListener({
    routes: site.routes,
    access,
    log: { append },
    tls,
    onDefect: (error) => defects.push(error),
  });
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { ...site, server, port: await listenOn(server, '127.0.0.1', 0), logged, folder, defects };
}

const get = (port: number, path: string, init: RequestInit = {}) => fetch(`http://127.0.0.1:${port}${path}`, init);

/** A hash of everything in an archive but what `open` keeps for itself. */
async function contentOf(folder: string): Promise<string> {
  const hash = createHash('sha256');
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  for (const path of entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted()) {
    if (/\/(?:state|\.tmp)\//.test(path)) continue;
    hash.update(path).update(await readFile(path));
  }
  return hash.digest('hex');
}

describe('an answer', () => {
  test('forbids a browser to load anything from elsewhere, to keep it and to show it in another page', async () => {
    const { port } = await listening();
    const { headers } = await get(port, '/system');
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('access-control-allow-origin')).toBeNull();
    expect(headers.get('set-cookie')).toBeNull();
  });

  test('is cut where the bytes turn out to be damaged', async () => {
    const { port, folder } = await listening();
    const { id, md5, bytes } = instanceOf({ name: 'SECRETNAME^JANE', patient: 'SECRETID' });
    await writeFile(join(folder, 'instances', id, `${md5}.dcm`), Buffer.alloc(bytes.length, bytes.subarray(0, -1)));
    const reading = get(port, `/instances/${id}/file`).then((answer) => answer.arrayBuffer());
    await expect(reading).rejects.toThrow();
  });

  test('may take the archive longer than a client may be idle', async () => {
    const { port, routes, server } = await listening();
    const { promise: socket, resolve } = Promise.withResolvers<Socket>();
    server.on('request', (request: IncomingMessage) => resolve(request.socket));
    const mayBeIdleMs: (number | undefined)[] = [];
    routes.on('GET', '/slow', async () => {
      mayBeIdleMs.push((await socket).timeout);
      return textResponse(200, 'at last');
    });
    expect(await (await get(port, '/slow')).text()).toBe('at last');
    expect(mayBeIdleMs).toEqual([0]);
    // It may again be let go when it is the client's turn.
    expect((await socket).timeout).toBeGreaterThan(0);
  });

  test('to HEAD has no body', async () => {
    const { port } = await listening();
    const answer = await get(port, study, { method: 'HEAD' });
    expect({ status: answer.status, body: await answer.text() }).toEqual({ status: 200, body: '' });
  });

  test('to HEAD holds no file', async () => {
    const { port } = await listening();
    const { id, md5 } = instanceOf({ name: 'SECRETNAME^JANE', patient: 'SECRETID' });
    await get(port, `/instances/${id}/file`, { method: 'HEAD' });
    await expect.poll(() => openFilesOf(md5)).toEqual([]);
  });
});

describe('who looked at what', () => {
  test('is logged with ids and without names, before it is shown', async () => {
    const { port, logged } = await listening();
    await get(port, study);
    await get(port, '/dicom-web/studies?PatientName=SECRETNAME*');
    expect(logged).toMatchObject([
      { who: 'loopback', action: 'retrieve', status: 200, study: expect.stringMatching(/^[0-9a-f-]{44}$/) },
      { who: 'loopback', action: 'search-studies', status: 200 },
    ]);
    expect(JSON.stringify(logged)).not.toContain('SECRET');
  });

  test('cannot be logged: then nothing is shown', async () => {
    const { port } = await listening({
      log: async () => {
        throw new Error('the disk is full');
      },
    });
    const answer = await get(port, study);
    expect(answer.status).toBe(503);
    expect(await answer.text()).not.toContain('SECRET');
  });

  test('is logged with the name of the user, also when the password is wrong', async () => {
    const { port, logged } = await listening({ rules: { token: 'x'.repeat(64) } });
    expect((await get(port, study)).status).toBe(401);
    expect((await get(port, study, { headers: { authorization: `Bearer ${'x'.repeat(64)}` } })).status).toBe(200);
    expect(logged).toMatchObject([
      { who: '-', action: 'refused', status: 401 },
      { who: 'token', action: 'retrieve', status: 200 },
    ]);
  });
});

test('over TLS it is reached by who trusts its certificate', async () => {
  const authority = createAuthority('test');
  const { certificate, privateKey } = authority.issue('localhost');
  const { port } = await listening({ tls: { cert: certificate, key: privateKey } });
  const asked = httpsRequest({ host: '127.0.0.1', port, path: '/system', ca: authority.certificate });
  asked.end();
  const [answer] = await once(asked, 'response');
  expect(answer.statusCode).toBe(200);
  answer.resume();
});

test('another name that points here is refused', async () => {
  const { port } = await listening();
  const asked = httpRequest({ host: '127.0.0.1', port, path: study, headers: { host: 'evil.example' } });
  asked.end();
  const [answer] = await once(asked, 'response');
  expect(answer.statusCode).toBe(403);
  answer.resume();
});

describe('a page of another server', () => {
  const foreign = { origin: 'https://viewer.example', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' };
  const preflight = { method: 'OPTIONS', headers: { ...foreign, 'access-control-request-method': 'GET' } };

  test('may not ask', async () => {
    const { port } = await listening();
    expect((await raw(port, { headers: foreign })).status).toBe(403);
    expect((await raw(port, preflight)).headers).not.toHaveProperty('access-control-allow-origin');
  });

  test('may ask if its origin was named, and no other may', async () => {
    const { port } = await listening({ rules: { allowOrigin: foreign.origin } });
    const answer = await raw(port, { headers: foreign });
    expect(answer).toMatchObject({ status: 200, headers: { 'access-control-allow-origin': foreign.origin } });
    expect(await raw(port, preflight)).toMatchObject({ status: 204 });
    const other = await raw(port, { headers: { ...foreign, origin: 'https://evil.example' } });
    expect(other.status).toBe(403);
    expect(other.headers).not.toHaveProperty('access-control-allow-origin');
  });

  test('gives a password with its questions where one is needed', async () => {
    const token = 'a'.repeat(64);
    const { port } = await listening({ rules: { allowOrigin: foreign.origin, token } });
    expect((await raw(port, preflight)).status).toBe(204);
    expect((await raw(port, { headers: foreign })).status).toBe(401);
    expect((await raw(port, { headers: { ...foreign, authorization: `Bearer ${token}` } })).status).toBe(200);
  });
});

/** With headers that only browsers may set. */
async function raw(port: number, options: { readonly method?: string; readonly headers: Record<string, string> }) {
  const asked = httpRequest({ host: '127.0.0.1', port, path: study, ...options });
  asked.end();
  const [answer]: IncomingMessage[] = await once(asked, 'response');
  answer?.resume();
  return { status: answer?.statusCode, headers: answer?.headers ?? {} };
}

describe('hostile clients', () => {
  test('with 10,000 invented addresses, methods and queries change nothing and get nothing from outside', async () => {
    const { routes, folder, reader } = await listening();
    const random = randomOf('invented addresses');
    const before = await contentOf(folder);
    const statuses = new Map<number, number>();
    const written = instanceOf({ name: 'SECRETNAME^JANE', patient: 'SECRETID' });
    for (let count = 0; count < 10_000; count += 1) {
      const { status, bytes } = await ask(
        routes,
        inventedAddress(random, [written.id, written.study, written.series, '1.2.1', '1.2.1.1', '1.2.1.1.1']),
        {
          method: random.pick(['GET', 'GET', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'x']),
          accept: random.pick(['*/*', 'image/png', 'multipart/related', 'application/zip', 'q=;=;"', '', 'a/b;q=9e99']),
          body: random.pick([null, {}, { Level: 'Study', Query: {} }, [[]], 'x'.repeat(1000)]),
        },
      );
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      // The first line of a file of this machine that everybody may read.
      expect(bytes.includes('root:x:0')).toBe(false);
      expect(bytes.includes('orthanc-mirror-archive')).toBe(false);
    }
    console.info([...statuses].map(([status, times]) => `${status}: ${times}`).join(', '));
    expect(statuses.has(500)).toBe(false);
    expect(await contentOf(folder)).toBe(before);
    expect(reader.progress.phase).toBe('complete');
  });

  test.each([
    ['no HTTP', 'hello\r\n\r\n'],
    ['a header of 64 KiB', `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(64 << 10)}\r\n\r\n`],
    [
      '2,000 headers',
      `GET / HTTP/1.1\r\nHost: localhost\r\n${Array.from({ length: 2_000 }, (_, index) => `X${index}: ${'y'.repeat(20)}\r\n`).join('')}\r\n`,
    ],
    [
      'a body beside a question',
      `POST /tools/find HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n${'x'.repeat(200_000)}`,
    ],
    [
      'two lengths',
      'POST /tools/find HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabc',
    ],
    ['a path of 8 KiB', `GET /${'x'.repeat(8 << 10)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`],
    ['a path that is no path', 'GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'],
    ['bytes that are no UTF-8', 'GET /%ff%fe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'],
  ])('that send %s are refused, and others are answered', async (_, text) => {
    const { port, defects } = await listening();
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(text);
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
    });
    await Promise.race([once(socket, 'close'), once(socket, 'data')]);
    socket.destroy();
    expect(answer === '' ? 'closed' : answer.slice(0, 12)).toMatch(/^(?:HTTP\/1\.1 4|closed)/);
    expect((await get(port, '/system')).status).toBe(200);
    expect(defects).toEqual([]);
  });

  test('that hold 200 connections and ask nothing, or half a question, do not keep others from being answered', async () => {
    const { port } = await listening();
    const sockets = Array.from({ length: 200 }, (_, index) => {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => undefined);
      if (index % 2 === 0) socket.write('GET /system HTTP/1.1\r\nHost: local');
      return socket;
    });
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    expect((await get(port, study)).status).toBe(200);
    for (const socket of sockets) socket.destroy();
  });

  test('that ask and do not take the answer are let go, and hold no file', async () => {
    const { port } = await listening();
    const sockets = Array.from({ length: 20 }, () => {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(`GET ${study} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      socket.destroy();
      return socket;
    });
    await Promise.all(sockets.filter((socket) => !socket.closed).map((socket) => once(socket, 'close')));
    expect((await get(port, study)).status).toBe(200);
  });
});

/** One of our addresses with a part of it perhaps taken out, put in or replaced. */
function nearly(random: SeededRandom, words: readonly string[]): string {
  const { id, study, series } = instanceOf({ name: 'SECRETNAME^JANE', patient: 'SECRETID' });
  const dicomweb = 'dicom-web/studies/1.2.1/series/1.2.1.1/instances/1.2.1.1.1';
  const parts = random
    .pick([
      'dicom-web/studies',
      'dicom-web/series',
      'dicom-web/instances',
      'dicom-web/studies/1.2.1',
      'dicom-web/studies/1.2.1/metadata',
      'dicom-web/studies/1.2.1/series/1.2.1.1/instances',
      dicomweb,
      ...['metadata', 'rendered', 'thumbnail', 'frames/1', 'frames/1/rendered', 'bulk/7fe00010'].map(
        (part) => `${dicomweb}/${part}`,
      ),
      'system',
      'changes',
      'tools/find',
      'tools/lookup',
      'tools/bulk-content',
      `studies/${study}`,
      `studies/${study}/archive`,
      `series/${series}/instances`,
      `instances/${id}/tags`,
      `instances/${id}/file`,
      `instances/${id}/preview`,
      `instances/${id}/frames/0/raw`,
      `instances/${id}/attachments/dicom/data`,
      `studies/${study}/metadata/1030`,
      'page/studies',
      `page/studies/${study}`,
      `page/instances/${id}/proof`,
    ])
    .split('/');
  const at = random.below(parts.length);
  if (random.chance(0.4)) parts.splice(at, random.below(2), ...(random.chance(0.7) ? [random.pick(words)] : []));
  return parts.join('/');
}

/** An address that is nearly one of ours, or nothing like it. */
function inventedAddress(random: SeededRandom, names: readonly string[]): string {
  const words = [
    'dicom-web',
    'studies',
    'series',
    'instances',
    'frames',
    'bulk',
    'rendered',
    'metadata',
    'thumbnail',
    'patients',
    'attachments',
    'dicom',
    'data',
    'file',
    'archive',
    'tools',
    'find',
    'page',
    'proof',
    'history',
    'viewer',
    'index.html',
    'system',
    'labels',
    '..',
    '.',
    '',
    '%2e%2e',
    '%2e%2e%2f%2e%2e%2fetc%2fpasswd',
    'etc',
    'passwd',
    '%00',
    '1',
    '0',
    '-1',
    '99999999999999999999',
    '7fe00010',
    '00280010',
    'archive.json',
    'state',
    "'",
    '"',
    '<script>',
    '%F0%9F%92%A9',
    'constructor',
    '__proto__',
    ...names,
  ];
  const path = random.chance(0.7)
    ? nearly(random, words)
    : Array.from({ length: 1 + random.below(9) }, () => random.pick(words)).join('/');
  const keys = [
    'limit',
    'offset',
    'since',
    'expand',
    'includefield',
    'fuzzymatching',
    'PatientName',
    '00100010',
    '__proto__',
    'viewport',
    'window',
    'accept',
    'response-content',
    'search',
    'from',
  ];
  const values = [
    '',
    '1',
    '-1',
    '1e9',
    'all',
    'true',
    '*',
    '%',
    '../..',
    '\u0000',
    'x'.repeat(500),
    '1,1',
    'NaN',
    '*/*',
    'Attachments',
  ];
  const query = Array.from(
    { length: random.below(4) },
    () => `${random.pick(keys)}=${encodeURIComponent(random.pick(values))}`,
  ).join('&');
  return `/${path}?${query}`;
}
