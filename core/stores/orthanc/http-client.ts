/** The only place that speaks HTTP with an Orthanc server: bounded connections, retries, one meaning per failure. */
import { Readable } from 'node:stream';
import { getCACertificates } from 'node:tls';
import { type Dispatcher, Pool } from 'undici';
import { z } from 'zod';
import { MirrorError } from '../../errors.ts';
import { abortedError, throwIfAborted } from '../aborted.ts';
import type { CallOptions, InstanceBytes } from '../store.ts';
import { collect, collectBytes, collectText } from './answer-body.ts';
import { Authorizer } from './authorizer.ts';
import {
  type AuthorizationHeaders,
  defaultMaxConnections,
  defaultTimeouts,
  type OrthancConnection,
  type Timeouts,
} from './connection.ts';
import { guardedLookup, requireAllowedHost } from './egress-guard.ts';
import { errorOfStatus, errorOfTransport, malformedAnswer, parseRetryAfter, type StatusCodes } from './failures.ts';
import { fullJitter, type RetryPolicy, withRetries } from './retry.ts';

/** Orthanc closes an idle connection after 1.0 s (measured on 1.10.1 and 1.13.0): we let go before. */
const idleTimeoutMs = 700;
const mostErrorBytes = 64 * 1024;
const mostJsonBytes = 64 * 1024 * 1024;

export interface OrthancCall extends CallOptions {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below the base path, with its query: `/instances?since=0&limit=10`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: InstanceBytes | string | undefined;
  /** Length of a streamed body; sent as Content-Length. */
  readonly sizeBytes?: number | undefined;
  /** Statuses beside 2xx that the caller handles itself. */
  readonly accept?: readonly number[] | undefined;
  /** What statuses mean for this call, where it differs from the usual. */
  readonly statusCodes?: StatusCodes | undefined;
  /** Whether the call may be repeated after a failure. Default: GET without body. */
  readonly repeatable?: boolean | undefined;
  /** Waits longer for the answer: a listing or an upload. */
  readonly long?: boolean | undefined;
}

/** An answer whose body is still to be read: to its end, or given up by `discard`. */
export interface OrthancAnswer {
  readonly status: number;
  header(name: string): string | undefined;
  readonly body: Readable;
  /** Reads a short rest to keep the connection, or drops it. Idempotent. */
  discard(): Promise<void>;
}

export class OrthancClient {
  /** Configured name or address of the server, without credentials. */
  readonly name: string;
  /** Address of the REST API, without credentials and without a slash at its end. */
  readonly address: string;
  readonly #basePath: string;
  readonly #pool: Pool;
  readonly #authorizer: Authorizer;
  readonly #timeouts: Timeouts;
  readonly #retryPolicy: RetryPolicy;

  constructor(connection: OrthancConnection, retryPolicy: RetryPolicy = fullJitter) {
    const url = new URL(connection.url);
    this.#basePath = url.pathname.replace(/\/+$/, '');
    this.address = `${url.origin}${this.#basePath}`;
    this.name = connection.name ?? this.address;
    this.#timeouts = { ...defaultTimeouts, ...connection.timeouts };
    this.#authorizer = new Authorizer(connection.authorization);
    this.#retryPolicy = retryPolicy;
    requireAllowedHost(url.hostname, connection.egress);
    this.#pool = poolOf(url.origin, connection, this.#timeouts);
  }

  /**
   * Makes a call and @returns its answer as soon as the status is there. Repeats it after failures that may pass if it
   * is repeatable. Throws a {@link MirrorError} for every other status than 2xx and those accepted, and for every
   * failure of the connection; what a streamed body throws is thrown as it is.
   */
  request(call: OrthancCall): Promise<OrthancAnswer> {
    const repeatable = call.repeatable ?? (call.method === 'GET' && call.body === undefined);
    const authorized = () => this.#authorized(call);
    return repeatable ? withRetries(authorized, this.#retryPolicy, call.signal) : authorized();
  }

  /** GETs JSON of a known shape. Throws `answer-malformed` for any other. */
  async getJson<T>(path: string, schema: z.ZodType<T>, options: JsonOptions = {}): Promise<T> {
    return this.callJson({ method: 'GET', path, ...options }, schema);
  }

  /** GETs JSON of a known shape; @returns `undefined` where there is none (404). */
  async findJson<T>(path: string, schema: z.ZodType<T>, options: JsonOptions = {}): Promise<T | undefined> {
    return this.#readJson({ method: 'GET', path, accept: [404], ...options }, schema);
  }

  /** POSTs a small JSON document that asks and changes nothing (`/tools/find`), so that it may be repeated. */
  async queryJson<T>(path: string, query: unknown, schema: z.ZodType<T>, options: JsonOptions = {}): Promise<T> {
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify(query);
    return this.callJson({ method: 'POST', path, headers, body, repeatable: true, ...options }, schema);
  }

  /** Makes a call that is answered with JSON of a known shape. Throws `answer-malformed` for any other. */
  async callJson<T>(call: OrthancCall, schema: z.ZodType<T>): Promise<T> {
    const value = await this.#readJson(call, schema);
    if (value === undefined) throw malformedAnswer(this.name, call.path, 'nothing was found');
    return value;
  }

  /** GETs text; @returns `undefined` where there is none (404). */
  async findText(path: string, options: CallOptions = {}): Promise<string | undefined> {
    return this.#repeated({ method: 'GET', path, accept: [404], ...options }, async (answer) =>
      answer.status === 404 ? discarded(answer) : collectText(this.name, path, answer.body, mostErrorBytes),
    );
  }

  /** GETs bytes that fit into memory, such as a value of metadata; @returns `undefined` where there are none (404). */
  async findBytes(path: string, options: CallOptions = {}): Promise<Uint8Array | undefined> {
    return this.#repeated({ method: 'GET', path, accept: [404], ...options }, async (answer) =>
      answer.status === 404 ? discarded(answer) : collectBytes(this.name, path, answer.body, mostJsonBytes),
    );
  }

  /** PUTs a body that is in memory; its answer's headers tell the revision (ETag). May be repeated. */
  async put(path: string, body: string | Uint8Array, options: ChangeOptions = {}): Promise<OrthancAnswer> {
    const answer = await this.request({ method: 'PUT', path, body, repeatable: true, ...options });
    await answer.discard();
    return answer;
  }

  /** DELETEs a resource. Throws `vanished` if it is not there; never repeated, so that this can be trusted. */
  async delete(path: string, options: ChangeOptions = {}): Promise<void> {
    const answer = await this.request({ method: 'DELETE', path, ...options });
    await answer.discard();
  }

  /** How many connections stand, and how many calls are on them or wait for one. */
  get connections(): { readonly connected: number; readonly running: number; readonly waiting: number } {
    const { connected, running, queued } = this.#pool.stats;
    return { connected, running, waiting: queued };
  }

  /** Drops all connections. Idempotent. */
  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  async #readJson<T>(call: OrthancCall, schema: z.ZodType<T>): Promise<T | undefined> {
    return this.#repeated(call, async (answer) => {
      if (call.accept?.includes(answer.status)) return discarded(answer);
      const text = await collectText(this.name, call.path, answer.body, mostJsonBytes);
      return parseJson(this.name, call.path, text, schema);
    });
  }

  /** A short body of an answer is repeated with its call. */
  #repeated<T>(call: OrthancCall, read: (answer: OrthancAnswer) => Promise<T>): Promise<T> {
    const once = async () => {
      const answer = await this.#authorized(call);
      return read(answer).catch((error: unknown) => {
        throw call.signal?.aborted ? abortedError(call.signal) : error;
      });
    };
    const repeatable = call.repeatable ?? call.method === 'GET';
    return repeatable ? withRetries(once, this.#retryPolicy, call.signal) : once();
  }

  /** Makes a call, and once more with fresh credentials if it can be. */
  async #authorized(call: OrthancCall): Promise<OrthancAnswer> {
    throwIfAborted(call.signal);
    const credentials = await this.#authorizer.headers();
    const answer = await this.#send(call, credentials);
    if (answer.status !== 401 || call.accept?.includes(401)) return this.#checked(call, answer);
    if (!(await this.#authorizer.replace(credentials))) return this.#checked(call, answer);
    await answer.discard();
    if (isStreamed(call.body)) {
      const what = 'refused our credentials; others are known now';
      throw new MirrorError('unauthorized', `${this.name} ${what}`, { disposition: 'retry', store: this.name });
    }
    return this.#checked(call, await this.#send(call, await this.#authorizer.headers()));
  }

  async #send(call: OrthancCall, credentials: AuthorizationHeaders): Promise<OrthancAnswer> {
    const { method, path, body, signal } = call;
    try {
      const answer = await this.#pool.request({
        method,
        path: this.#basePath + path,
        headers: { ...call.headers, ...lengthOf(call), ...credentials },
        body: isStreamed(body) ? Readable.from(body, { highWaterMark: 1 }) : (body ?? null),
        headersTimeout: call.long ? this.#timeouts.longMs : this.#timeouts.queryMs,
        ...(signal === undefined ? {} : { signal }),
      });
      return new PoolAnswer(answer);
    } catch (error) {
      if (signal?.aborted) throw abortedError(signal);
      throw error instanceof MirrorError ? error : errorOfTransport(this.name, error);
    }
  }

  async #checked(call: OrthancCall, answer: OrthancAnswer): Promise<OrthancAnswer> {
    const { status } = answer;
    if ((status >= 200 && status < 300) || call.accept?.includes(status)) return answer;
    const retryAfterMs = parseRetryAfter(answer.header('retry-after'), Date.now());
    const orthancError = await errorNameIn(answer);
    const { method, path } = call;
    throw errorOfStatus({ name: this.name, method, path, status, retryAfterMs, orthancError }, call.statusCodes);
  }
}

export type JsonOptions = Pick<OrthancCall, 'signal' | 'statusCodes' | 'long'>;
export type ChangeOptions = Pick<OrthancCall, 'signal' | 'statusCodes' | 'headers'>;

class PoolAnswer implements OrthancAnswer {
  readonly status: number;
  readonly body: Readable;
  readonly #answer: Dispatcher.ResponseData;

  constructor(answer: Dispatcher.ResponseData) {
    this.#answer = answer;
    this.status = answer.statusCode;
    this.body = answer.body;
    // A connection that breaks before or after somebody reads must not end the process.
    answer.body.on('error', () => undefined);
  }

  header(name: string): string | undefined {
    const value = this.#answer.headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  async discard(): Promise<void> {
    await this.#answer.body.dump({ limit: mostErrorBytes }).catch(() => undefined);
  }
}

function poolOf(origin: string, connection: OrthancConnection, timeouts: Timeouts): Pool {
  const { ca, ...identity } = connection.tls ?? {};
  return new Pool(origin, {
    connections: connection.maxConnections ?? defaultMaxConnections,
    allowH2: false,
    pipelining: 1,
    keepAliveTimeout: idleTimeoutMs,
    keepAliveMaxTimeout: idleTimeoutMs,
    // Orthanc announces `Keep-Alive: timeout=1`; the usual threshold of 1 s would make that no keep-alive at all.
    keepAliveTimeoutThreshold: 1000 - idleTimeoutMs,
    bodyTimeout: timeouts.bodyMs,
    connect: {
      timeout: timeouts.connectMs,
      ...(connection.egress === undefined ? {} : { lookup: guardedLookup(connection.egress) }),
      ...definedOnly(identity),
      ...(ca === undefined ? {} : { ca: [...getCACertificates('default'), ca] }),
    },
  });
}

function definedOnly(options: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(options).flatMap(([name, value]): [string, string][] =>
      value === undefined ? [] : [[name, value]],
    ),
  );
}

function isStreamed(body: OrthancCall['body']): body is AsyncIterable<Uint8Array> {
  return body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array);
}

function lengthOf({ body, sizeBytes }: OrthancCall): Record<string, string> {
  return isStreamed(body) && sizeBytes !== undefined ? { 'content-length': String(sizeBytes) } : {};
}

async function discarded(answer: OrthancAnswer): Promise<undefined> {
  await answer.discard();
  return undefined;
}

const orthancErrorSchema = z.looseObject({ OrthancError: z.string().regex(/^[\x20-\x7e]{1,120}$/) });

/** Orthanc describes its errors in JSON unless told not to; a proxy answers anything. */
async function errorNameIn(answer: OrthancAnswer): Promise<string | undefined> {
  try {
    const text = (await collect(answer.body, mostErrorBytes))?.toString('utf8') ?? '';
    return orthancErrorSchema.safeParse(JSON.parse(text)).data?.OrthancError;
  } catch {
    return undefined; // not JSON, or cut: the status alone tells
  }
}

function parseJson<T>(name: string, path: string, text: string, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw malformedAnswer(name, path, 'it is not JSON', error);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const at = parsed.error.issues[0]?.path.join('.') ?? '';
  throw malformedAnswer(name, path, at === '' ? 'its outermost value' : `at ${at}`, parsed.error);
}
