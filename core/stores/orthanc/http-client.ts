/** The only place that speaks HTTP with an Orthanc server: bounded connections, retries, one meaning per failure. */
import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import type { Client } from 'undici';
import * as z from 'zod';
import type { CallOptions } from '../../call-options.ts';
import { type Disposition, isMirrorError, MirrorError } from '../../errors.ts';
import { jsonBoundsOf, readJson } from '../../json.ts';
import { abortedError, throwIfAborted } from '../aborted.ts';
import { telling } from '../activity.ts';
import type { InstanceBytes } from '../store.ts';
import { type OrthancAnswer, openAnswer } from './answer.ts';
import { Authorizer } from './authorizer.ts';
import { defaultServerLimits, mostBytes, mostInterimAnswers, type ServerLimits } from './bounds.ts';
import { type AuthorizationHeaders, defaultTimeouts, type OrthancConnection, type Timeouts } from './connection.ts';
import { type ConnectionPool, type FollowedRequest, poolOf } from './connection-pool.ts';
import { requireAllowedHost } from './egress-guard.ts';
import {
  codeOf,
  errorOfStatus,
  errorOfTransport,
  malformedAnswer,
  parseRetryAfter,
  type StatusCodes,
} from './failures.ts';
import { fullJitter, type RetryPolicy, withRetries } from './retry.ts';

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
  /** Waits longer for the answer, which may be longer: a listing or an upload. */
  readonly long?: boolean | undefined;
  /** Longest answer in bytes, where that is less than usual. */
  readonly longest?: number | undefined;
  /** What is to be done if the answer has another form than Orthanc's. Default: `reject`, what was asked for fails. */
  readonly ifMalformed?: Disposition | undefined;
  /** Is called when the whole answer is there and not yet read: what is asked for now goes over the same connection. */
  readonly onReceived?: (() => void) | undefined;
  /** Sends a question behind the call, on the same connection. */
  readonly askBehind?: ((connection: Client, credentials: AuthorizationHeaders) => void) | undefined;
}

/** Characters of an answer that takes much memory of a server. */
const longAnswer = 64 * 1024;
/** What is asked behind a call may take so long, … */
const behindMs = 10_000;
/** … and may be in vain so often one after the other: then it is asked no more. */
const mostInVain = 3;

export class OrthancClient {
  /** Configured name or address of the server, without credentials. */
  readonly name: string;
  /** Address of the REST API, without credentials and without a slash at its end. */
  readonly address: string;
  readonly #basePath: string;
  readonly #pool: ConnectionPool;
  readonly #authorizer: Authorizer;
  /** What is read from this server at most. */
  readonly limits: ServerLimits;
  readonly #timeouts: Timeouts;
  readonly #retryPolicy: RetryPolicy;
  #inVain = 0;

  constructor(connection: OrthancConnection, retryPolicy: RetryPolicy = fullJitter) {
    const url = new URL(connection.url);
    this.#basePath = url.pathname.replace(/\/+$/, '');
    this.address = `${url.origin}${this.#basePath}`;
    this.name = connection.name ?? this.address;
    this.#timeouts = { ...defaultTimeouts, ...connection.timeouts };
    this.limits = { ...defaultServerLimits, ...connection.limits };
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
    const authorized = () => telling(this.name, () => this.#authorized(call));
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
    if (value === undefined) throw malformedAnswer(this.name, call.path, 'it says that there is nothing');
    return value;
  }

  /**
   * As {@link callJson}, and GETs a short text right behind the call on the same connection. Orthanc does what comes on a
   * connection one after the other, so the text tells what is so after the call, and costs no time of the way. A proxy may
   * ask for both at once, so what it tells may also be what was so before. `behind` is `undefined` if it did not come, for
   * whatever reason: then it is to be asked for as usual.
   */
  async callJsonAndAsk<T>(
    call: OrthancCall,
    schema: z.ZodType<T>,
    path: string,
  ): Promise<{ readonly value: T; readonly behind: Promise<string | undefined> }> {
    let behind: Promise<string | undefined> = Promise.resolve(undefined);
    const askBehind: OrthancCall['askBehind'] = (connection, credentials) => {
      behind = this.#textBehind(connection, path, credentials, call.signal);
    };
    const value = await this.callJson(this.#inVain < mostInVain ? { ...call, askBehind } : call, schema);
    return { value, behind };
  }

  /** GETs text; @returns `undefined` where there is none (404). */
  async findText(path: string, options: CallOptions = {}): Promise<string | undefined> {
    return this.#repeated({ method: 'GET', path, accept: [404], ...options }, async (answer) =>
      answer.status === 404 ? discarded(answer) : answer.text(mostBytes.text, this.#timeouts.queryMs),
    );
  }

  /** GETs bytes that fit into memory, such as a value of metadata; @returns `undefined` where there are none (404). */
  async findBytes(path: string, options: CallOptions = {}): Promise<Uint8Array | undefined> {
    return this.#repeated({ method: 'GET', path, accept: [404], ...options }, async (answer) =>
      answer.status === 404 ? discarded(answer) : answer.content(mostBytes.resource, this.#timeouts.queryMs),
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
      const longest = call.longest ?? (call.long ? mostBytes.listing : mostBytes.resource);
      const text = await answer.text(longest, this.#timeoutOf(call));
      // The connection is free only then: what is asked for before opens another, for which Orthanc takes another thread, and
      // each of its threads keeps the memory that a long answer took.
      if (text.length > longAnswer) await setImmediate();
      if (call.onReceived !== undefined) {
        call.onReceived();
        // What is asked for now is sent before the reading of a long answer holds all up.
        await setImmediate();
      }
      const read = readJson(text, schema, jsonBoundsOf(longest));
      if (read.ok) return read.value;
      throw malformedAnswer(this.name, call.path, read.problem, read.cause);
    });
  }

  /** A short body of an answer is repeated with its call. */
  #repeated<T>(call: OrthancCall, read: (answer: OrthancAnswer) => Promise<T>): Promise<T> {
    const once = async () => {
      const answer = await this.#authorized(call);
      return read(answer).catch((error: unknown) => {
        throw call.signal?.aborted ? abortedError(call.signal) : asBadAs(call, error);
      });
    };
    const repeatable = call.repeatable ?? call.method === 'GET';
    const told = () => telling(this.name, once);
    return repeatable ? withRetries(told, this.#retryPolicy, call.signal) : told();
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
    const { method, path, body, signal, askBehind } = call;
    const follow: FollowedRequest & { readonly blocking?: false } =
      askBehind === undefined ? {} : { follow: (connection) => askBehind(connection, credentials), blocking: false };
    try {
      const answer = await this.#pool.request({
        ...follow,
        method,
        path: this.#basePath + path,
        headers: { ...call.headers, ...lengthOf(call), ...credentials },
        body: isStreamed(body) ? Readable.from(body, { highWaterMark: 1 }) : (body ?? null),
        headersTimeout: this.#timeoutOf(call),
        onInfo: this.#interimAnswers(),
        ...(signal === undefined ? {} : { signal }),
      });
      return openAnswer(this.name, path, answer, this.limits);
    } catch (error) {
      if (signal?.aborted) throw abortedError(signal);
      throw error instanceof MirrorError ? error : errorOfTransport(this.name, error, new URL(this.address).protocol);
    }
  }

  async #textBehind(
    connection: Client,
    path: string,
    credentials: AuthorizationHeaders,
    signal: AbortSignal | undefined,
  ): Promise<string | undefined> {
    try {
      const received = await connection.request({
        method: 'GET',
        path: this.#basePath + path,
        headers: credentials,
        headersTimeout: behindMs,
        onInfo: this.#interimAnswers(),
        ...(signal === undefined ? {} : { signal }),
      });
      const answer = openAnswer(this.name, path, received, this.limits);
      this.#inVain = answer.status === 200 ? 0 : this.#inVain + 1;
      return await (answer.status === 200 ? answer.text(mostBytes.text, behindMs) : discarded(answer));
    } catch (error) {
      // There are proxies that lose what comes behind a request: waiting for them once is enough.
      if (codeOf(error) === 'UND_ERR_HEADERS_TIMEOUT') this.#inVain = mostInVain;
      return undefined;
    }
  }

  #timeoutOf({ long }: OrthancCall): number {
    return long ? this.#timeouts.longMs : this.#timeouts.queryMs;
  }

  /** Each interim answer starts the waiting for the real one anew. */
  #interimAnswers(): () => void {
    let count = 0;
    return () => {
      count += 1;
      if (count <= mostInterimAnswers) return;
      const what = `sends more than ${mostInterimAnswers} interim answers (1xx) and no real one`;
      throw new MirrorError('unreachable', `${this.name} ${what}`, { store: this.name });
    };
  }

  async #checked(call: OrthancCall, answer: OrthancAnswer): Promise<OrthancAnswer> {
    const { status } = answer;
    if ((status >= 200 && status < 300) || call.accept?.includes(status)) return answer;
    const retryAfterMs = parseRetryAfter(answer.header('retry-after'), Date.now());
    const orthancError = await errorNameIn(answer, this.#timeouts.queryMs);
    const { method, path } = call;
    const withCredentials = Object.keys(await this.#authorizer.headers()).length > 0;
    const refused = { name: this.name, method, path, status, retryAfterMs, orthancError, withCredentials };
    throw errorOfStatus(refused, call.statusCodes);
  }
}

export type JsonOptions = Pick<OrthancCall, 'signal' | 'statusCodes' | 'long' | 'ifMalformed' | 'onReceived'>;
export type ChangeOptions = Pick<OrthancCall, 'signal' | 'statusCodes' | 'headers'>;

/** What an answer of another form means depends on what was asked for. */
function asBadAs({ ifMalformed }: OrthancCall, error: unknown): unknown {
  if (ifMalformed === undefined || !isMirrorError(error, 'answer-malformed')) return error;
  return new MirrorError('answer-malformed', error.message, {
    disposition: ifMalformed,
    store: error.store,
    cause: error.cause,
  });
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
async function errorNameIn(answer: OrthancAnswer, withinMs: number): Promise<string | undefined> {
  // Too long, cut, too slow, or no JSON: the status alone tells.
  const text = await answer.text(mostBytes.text, withinMs).catch(() => '');
  const read = readJson(text, orthancErrorSchema, jsonBoundsOf(mostBytes.text));
  return read.ok ? read.value.OrthancError : undefined;
}
