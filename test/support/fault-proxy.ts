/** A proxy in front of a real server that breaks what passes, as networks and servers do. Streams; keeps no body. */
import { once } from 'node:events';
import {
  type ClientRequest,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import { Transform } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** A request that passed, in the order of arrival. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  /** Content-Length of the request; 0 if it has none. */
  readonly announcedBytes: number;
  /** Lengths of the bodies that passed the proxy, so far. */
  requestBytes: number;
  answerBytes: number;
  /** Status that the client was given; 0 while or when there was none. */
  status: number;
  readonly headers: IncomingHttpHeaders;
}

export type Effect =
  /** Answers by itself; `early` does so without reading the body, and closes the connection. */
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly early?: boolean;
    }
  /** Resets the connection: before the request is passed on, or instead of passing on its answer. */
  | { readonly kind: 'drop'; readonly when: 'before' | 'instead-of-answer' }
  | { readonly kind: 'delay'; readonly ms: number }
  /** Flips one bit of a body. */
  | { readonly kind: 'corrupt'; readonly body: 'request' | 'answer'; readonly atByte: number }
  /**
   * Ends a body too early. An answer: `reset`, `close` in order within the announced length, or a complete shorter
   * answer that announces no length (`chunked`) or its own (`shorter`). A request: `reset` or `close` towards the server.
   */
  | { readonly kind: 'cut'; readonly body: 'request'; readonly atByte: number; readonly how: 'reset' | 'close' }
  | {
      readonly kind: 'cut';
      readonly body: 'answer';
      readonly atByte: number;
      readonly how: 'reset' | 'close' | 'chunked' | 'shorter';
    }
  /** Asks the server for something else than it was asked for. */
  | { readonly kind: 'ask'; readonly path: (path: string) => string }
  /** Answers with other bytes than the server. */
  | { readonly kind: 'answer'; readonly body: (body: Buffer) => Uint8Array }
  /** Does something else before the request is passed on: stop the server, delete an instance. */
  | { readonly kind: 'call'; readonly call: () => Promise<void> };

export interface Fault {
  readonly effect: Effect;
  /** Which requests are met; default all. */
  readonly matches?: (request: Pick<SeenRequest, 'method' | 'path' | 'announcedBytes'>) => boolean;
  /** How many of them are met; default all. */
  readonly times?: number;
}

export interface FaultProxy {
  readonly url: string;
  readonly seen: readonly SeenRequest[];
  /** Replaces the faults; of several that match, the first is taken. */
  break(...faults: Fault[]): void;
  /** Lets everything pass. */
  repair(): void;
  /** Forgets the requests seen. */
  forget(): void;
  close(): Promise<void>;
}

/**
 * Starts a proxy, which handles what comes on a connection one after the other, in front of `targetUrl` on a free loopback
 * port, with TLS if there are options for it.
 */
export async function startFaultProxy(targetUrl: string, tls?: ServerOptions): Promise<FaultProxy> {
  const seen: SeenRequest[] = [];
  let faults: { readonly fault: Fault; left: number }[] = [];
  const takeEffect = (one: SeenRequest): Effect | undefined => {
    const met = faults.find(({ fault, left }) => left > 0 && (fault.matches?.(one) ?? true));
    if (met !== undefined) met.left -= 1;
    return met?.fault.effect;
  };
  const lastAnswer = new WeakMap<Socket, Promise<unknown>>();
  const inTurn = (incoming: IncomingMessage, answer: ServerResponse) => {
    const { socket } = incoming;
    const before = lastAnswer.get(socket) ?? Promise.resolve();
    lastAnswer.set(socket, new Promise((resolve) => answer.once('close', resolve)));
    void before.then(() => {
      if (!socket.destroyed) handle(incoming, answer);
    });
  };
  const handle = (incoming: IncomingMessage, answer: ServerResponse) => {
    const one = {
      method: incoming.method ?? '',
      path: incoming.url ?? '',
      announcedBytes: Number(incoming.headers['content-length'] ?? 0),
      requestBytes: 0,
      answerBytes: 0,
      status: 0,
      headers: incoming.headers,
    };
    seen.push(one);
    // A client or server that goes away while something passes is what this proxy is for.
    new Exchange(targetUrl, incoming, answer, one, takeEffect(one)).run().catch(() => reset(incoming));
  };
  const server = tls === undefined ? createServer(inTurn) : createTlsServer(tls, inTurn);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${address.port}`,
    seen,
    break: (...broken) => {
      faults = broken.map((fault) => ({ fault, left: fault.times ?? Number.POSITIVE_INFINITY }));
    },
    repair: () => {
      faults = [];
    },
    forget: () => {
      seen.length = 0;
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** One request and its answer on their way through. */
class Exchange {
  readonly #targetUrl: string;
  readonly #incoming: IncomingMessage;
  readonly #answer: ServerResponse;
  readonly #seen: SeenRequest;
  readonly #effect: Effect | undefined;

  constructor(
    targetUrl: string,
    incoming: IncomingMessage,
    answer: ServerResponse,
    seen: SeenRequest,
    effect: Effect | undefined,
  ) {
    this.#targetUrl = targetUrl;
    this.#incoming = incoming;
    this.#answer = answer;
    this.#seen = seen;
    this.#effect = effect;
  }

  async run(): Promise<void> {
    const effect = this.#effect;
    if (effect?.kind === 'status') return this.#answerItself(effect);
    if (effect?.kind === 'drop' && effect.when === 'before') return reset(this.#incoming);
    if (effect?.kind === 'delay') await delay(effect.ms);
    if (effect?.kind === 'call') await effect.call();
    const path = effect?.kind === 'ask' ? effect.path(this.#seen.path) : this.#seen.path;
    const outgoing = request(new URL(path, this.#targetUrl), {
      method: this.#seen.method,
      headers: this.#incoming.headers,
      agent: false,
    });
    const answered = once(outgoing, 'response');
    // A server may answer before it has read everything: both ways run at once.
    const sent = this.#passRequest(outgoing);
    sent.catch(() => undefined);
    const [message] = await answered;
    if (effect?.kind === 'drop') return reset(this.#incoming);
    if (effect?.kind === 'answer') return this.#answerOtherwise(message, effect.body);
    await this.#passAnswer(message);
  }

  #answerItself(effect: Effect & { kind: 'status' }): void {
    const { status, headers, early } = effect;
    this.#seen.status = status;
    if (early) {
      this.#answer.writeHead(status, { ...headers, connection: 'close' }).end();
      return;
    }
    this.#incoming.resume().once('end', () => this.#answer.writeHead(status, headers).end());
  }

  async #answerOtherwise(message: IncomingMessage, bodyOf: (body: Buffer) => Uint8Array): Promise<void> {
    const body = bodyOf(await buffer(message));
    this.#seen.status = message.statusCode ?? 0;
    this.#seen.answerBytes = body.length;
    const { etag: _, ...headers } = message.headers;
    this.#answer.writeHead(this.#seen.status, { ...headers, 'content-length': String(body.length) }).end(body);
  }

  async #passRequest(outgoing: ClientRequest): Promise<void> {
    const effect = this.#effect;
    const count = (bytes: number) => {
      this.#seen.requestBytes += bytes;
    };
    if (effect?.kind === 'cut' && effect.body === 'request') {
      await pipeline(this.#incoming, counted(count), upTo(effect.atByte), outgoing, { end: false });
      if (effect.how === 'reset') outgoing.socket?.resetAndDestroy();
      else outgoing.socket?.end();
      return;
    }
    await pipeline(this.#incoming, counted(count), corrupted(effect, 'request'), outgoing);
  }

  async #passAnswer(message: IncomingMessage): Promise<void> {
    const effect = this.#effect;
    const cut = effect?.kind === 'cut' && effect.body === 'answer' ? effect : undefined;
    const headers = { ...message.headers };
    if (cut?.how === 'chunked') delete headers['content-length'];
    if (cut?.how === 'shorter') headers['content-length'] = String(cut.atByte);
    this.#seen.status = message.statusCode ?? 0;
    this.#answer.writeHead(this.#seen.status, headers);
    const count = counted((bytes) => {
      this.#seen.answerBytes += bytes;
    });
    const complete = cut === undefined || cut.how === 'chunked' || cut.how === 'shorter';
    const limit = upTo(cut?.atByte ?? Number.POSITIVE_INFINITY);
    await pipeline(message, corrupted(effect, 'answer'), limit, count, this.#answer, { end: complete });
    if (cut?.how === 'reset') reset(this.#incoming);
    if (cut?.how === 'close') this.#incoming.socket.end();
  }
}

function reset(incoming: IncomingMessage): void {
  // The connection may be gone already.
  incoming.socket?.resetAndDestroy();
}

function counted(count: (bytes: number) => void): Transform {
  return new Transform({
    transform(chunk: Buffer, _, done) {
      count(chunk.length);
      done(null, chunk);
    },
  });
}

/** Passes on the first bytes and swallows the rest. */
function upTo(sizeBytes: number): Transform {
  let left = sizeBytes;
  return new Transform({
    transform(chunk: Buffer, _, done) {
      const part = chunk.subarray(0, Math.max(0, left));
      left -= chunk.length;
      done(null, part);
    },
  });
}

function corrupted(effect: Effect | undefined, body: 'request' | 'answer'): Transform {
  const atByte = effect?.kind === 'corrupt' && effect.body === body ? effect.atByte : -1;
  let offset = 0;
  return new Transform({
    transform(chunk: Buffer, _, done) {
      const index = atByte - offset;
      offset += chunk.length;
      const part = index >= 0 && index < chunk.length ? Buffer.from(chunk) : chunk;
      if (part !== chunk) part.writeUInt8(part.readUInt8(index) ^ 1, index);
      done(null, part);
    },
  });
}
