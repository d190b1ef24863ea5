/** Requests and answers without a server: what a listener of node:http and a function in the cloud have in common. */
import type { OrthancId } from '../../identifiers.ts';

export interface WebRequest {
  readonly method: string;
  /** As it came, still percent-encoded, without the query; begins with a slash. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** What our addresses begin with as the client knows them, for links in answers: `http://127.0.0.1:8043`. */
  readonly origin: string;
  /** Reads the body. Throws {@link WebError} 413 if it is larger than a question can be. */
  readonly readBody: () => Promise<Buffer>;
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
}

export interface WebResponse {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /**
   * A stream that throws is a broken answer: the listener ends the connection, so that the client sees it cut. What is
   * not read to its end is ended by `return`.
   */
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
  /** For the access log. */
  readonly access?: Access;
}

/** What a request looked at: names of actions, ids of Orthanc; no patient data. */
export interface Access {
  readonly action: string;
  readonly study?: OrthancId | undefined;
  readonly id?: OrthancId | undefined;
}

/** A request that cannot be answered. The message is told to the client: it holds no patient data. */
export class WebError extends Error {
  override readonly name = 'WebError';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

/** Something that was asked for and is not there. */
export function notFound(what: string): WebError {
  return new WebError(404, `${what} is not in the archive at this moment`);
}

export const nothing = new Uint8Array(0);

/** An answer in JSON. */
export function jsonResponse(value: unknown, contentType = 'application/json'): WebResponse {
  const body = Buffer.from(JSON.stringify(value));
  return { status: 200, headers: { 'content-type': contentType, 'content-length': String(body.length) }, body };
}

/** An answer in plain text. */
export function textResponse(
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): WebResponse {
  const body = Buffer.from(text);
  const ownHeaders = { 'content-type': 'text/plain; charset=utf-8', 'content-length': String(body.length) };
  return { status, headers: { ...ownHeaders, ...headers }, body };
}

/** Sends a client on to an address, which must be told to nobody else. */
export function redirect(address: string): WebResponse {
  return { status: 307, headers: { location: address, 'content-length': '0' }, body: nothing };
}

/** Ends the body of an answer that is not sent, so that nothing stays open. */
export async function discard({ body }: WebResponse): Promise<void> {
  if (body instanceof Uint8Array) return;
  const iterator = body[Symbol.asyncIterator]();
  // A generator that never began does not end what was opened for it.
  await iterator.next().catch(() => undefined);
  await iterator.return?.();
}

/** A list in JSON, item by item, so that a long one takes no memory. */
export async function* jsonList(items: AsyncIterable<unknown>): AsyncGenerator<Uint8Array> {
  let separator = '[';
  let text = '';
  for await (const item of items) {
    text += separator + JSON.stringify(item);
    separator = ',\n';
    if (text.length > 64 << 10) {
      yield Buffer.from(text);
      text = '';
    }
  }
  yield Buffer.from(`${text}${separator === '[' ? '[' : ''}]`);
}
