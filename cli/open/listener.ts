/** The archive behind node:http: who asks, what is answered, what is logged. */
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { answer, withSecurityHeaders } from '../../core/open/web/answer.ts';
import {
  discard,
  nothing,
  textResponse,
  WebError,
  type WebRequest,
  type WebResponse,
} from '../../core/open/web/message.ts';
import type { Routes } from '../../core/open/web/routes.ts';
import type { AccessControl } from './access.ts';
import type { AccessLog } from './access-log.ts';

export interface ListenerOptions {
  readonly routes: Routes;
  readonly access: AccessControl;
  readonly log: Pick<AccessLog, 'append'>;
  /** Certificate and key in PEM; absent: plain HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /** Told what nobody expected; prints no patient data. */
  readonly onDefect: (error: unknown) => void;
}

/** Who sends or takes nothing for so long is let go, and makes room. */
const slowHeadersMs = 10_000;
const slowRequestMs = 30_000;
const idleMs = 60_000;
const mostConnections = 400;
const mostHeaderBytes = 16 << 10;
const mostBodyBytes = 64 << 10;

/** Makes a server; the caller lets it listen and closes it. */
export function createListener(options: ListenerOptions): Server {
  const { tls } = options;
  const limits = { maxHeaderSize: mostHeaderBytes, headersTimeout: slowHeadersMs, requestTimeout: slowRequestMs };
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    handle(request, response, options).catch((error: unknown) => {
      options.onDefect(error);
      response.destroy();
    });
  };
  const server =
    tls === undefined
      ? createHttpServer(limits, listener)
      : createHttpsServer({ ...limits, ...tls, minVersion: 'TLSv1.2' }, listener);
  server.maxConnections = mostConnections;
  server.setTimeout(idleMs);
  return server;
}

/** Begins to listen. @returns the port. Throws what the system throws. */
export async function listenOn(server: Server, host: string, port: number): Promise<number> {
  server.listen(port, host);
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}

async function handle(request: IncomingMessage, response: ServerResponse, options: ListenerOptions): Promise<void> {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  // Nobody hears of a client that goes away; without a listener it would end the program.
  request.on('error', () => undefined);
  // How long an archive takes to answer says nothing about the client.
  request.socket.setTimeout(0);
  const from = addressOf(request);
  let who = '-';
  const asked = webRequest(request, options.tls !== undefined, gone.signal);
  const crossOrigin = options.access.crossOrigin(asked.headers);
  const respond = async () => {
    // A browser asks first whether a page of another server may ask, and gives no password with that.
    if (isPreflight(asked) && Object.keys(crossOrigin).length > 0) return preflightAnswer;
    who = await options.access.who({ headers: asked.headers, address: from });
    return options.routes.answer(asked);
  };
  const { headers, ...rest } = await answer(respond, options.onDefect);
  const answered = withSecurityHeaders({ ...rest, headers: { ...headers, ...crossOrigin } });
  const logged = await logAccess(answered, { who, from }, options);
  request.socket.setTimeout(idleMs);
  await send(request, response, logged);
}

const preflightAnswer: WebResponse = { status: 204, headers: {}, body: nothing };

function isPreflight({ method, headers }: WebRequest): boolean {
  return method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;
}

/** Nothing of a patient is shown that is not logged before. */
async function logAccess(
  response: WebResponse,
  { who, from }: { readonly who: string; readonly from: string },
  { log }: ListenerOptions,
): Promise<WebResponse> {
  const { access, status } = response;
  if (access === undefined && status !== 401 && status !== 429) return response;
  const isHere = ['127.0.0.1', '::1', '::ffff:127.0.0.1'].includes(from);
  try {
    await log.append({ who, ...(!isHere && { from }), action: 'refused', ...access, status });
    return response;
  } catch (error) {
    await discard(response);
    return withSecurityHeaders(
      textResponse(503, `${error instanceof Error ? error.message : 'the access log failed'}\n`),
    );
  }
}

function webRequest(request: IncomingMessage, isTls: boolean, signal: AbortSignal): WebRequest {
  const [path, query] = splitOnce(request.url ?? '/', '?');
  const headers: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  const { host = 'localhost' } = headers;
  return {
    method: request.method ?? 'GET',
    path,
    query: new URLSearchParams(query),
    headers,
    // The name is the client's own and comes back to it only; anything that is no name is left out.
    origin: `${isTls ? 'https' : 'http'}://${/^[\w.:[\]-]{1,255}$/.test(host) ? host : 'localhost'}`,
    readBody: () => readBody(request),
    signal,
  };
}

function splitOnce(text: string, separator: string): readonly [string, string] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    sizeBytes += chunk.length;
    if (sizeBytes > mostBodyBytes) throw new WebError(413, `a question has at most ${mostBodyBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function send(request: IncomingMessage, response: ServerResponse, answered: WebResponse): Promise<void> {
  const { status, headers, body } = answered;
  // What was not read of a request would be taken for the next one of the connection.
  const isUnread = !request.complete && request.method !== 'GET' && request.method !== 'HEAD';
  response.writeHead(status, { ...headers, ...(isUnread && { connection: 'close' }) });
  if (request.method === 'HEAD') {
    await discard(answered);
    response.end();
    return;
  }
  try {
    const expected = Number(headers['content-length'] ?? Number.NaN);
    const sent = body instanceof Uint8Array ? await write(response, [body]) : await write(response, body);
    // A body that ends early must not look like a whole one.
    if (sent === 'gone' || (!Number.isNaN(expected) && sent !== expected)) response.destroy();
    else response.end();
  } catch {
    // It was damaged, or the archive went away: the client sees the answer cut.
    response.destroy();
  }
}

/** @returns how many bytes were written, or `gone` when the client went away. */
async function write(
  response: ServerResponse,
  body: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<number | 'gone'> {
  let sizeBytes = 0;
  for await (const chunk of body) {
    if (response.destroyed) return 'gone';
    sizeBytes += chunk.length;
    if (!response.write(chunk) && !(await drained(response))) return 'gone';
  }
  return sizeBytes;
}

/** @returns whether the client takes more. */
function drained(response: ServerResponse): Promise<boolean> {
  return new Promise((resolve) => {
    const ended = (isOpen: boolean) => () => {
      response.off('drain', onDrain).off('close', onClose);
      resolve(isOpen);
    };
    const onDrain = ended(true);
    const onClose = ended(false);
    if (response.destroyed) resolve(false);
    else response.on('drain', onDrain).on('close', onClose);
  });
}

function addressOf({ socket }: IncomingMessage): string {
  return socket.remoteAddress ?? 'unknown';
}
