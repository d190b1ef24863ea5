/** The answer of a server: its status and headers, and a body that is read within bounds, completely or not at all. */
import type { Readable } from 'node:stream';
import { isMirrorError, MirrorError } from '../../errors.ts';
import { abortedError } from '../aborted.ts';
import { mostBytes, Pace, type ServerLimits } from './bounds.ts';
import { codeOf, errorOfTransport, malformedAnswer, shortBody } from './failures.ts';

/** An answer whose body is still to be read: to its end, or given up by `cancel` or `discard`. */
export interface OrthancAnswer {
  readonly status: number;
  header(name: string): string | undefined;
  /** How many bytes the body has; `undefined` where the server does not tell. */
  readonly sizeBytes: number | undefined;
  /**
   * The body in its chunks, once. Ends normally only after `sizeBytes` bytes, if known. Throws `body-short` for a clean
   * end before that, `unreachable` for a broken connection or one that is too slow, or why the signal was aborted.
   */
  bytes(signal?: AbortSignal): AsyncGenerator<Uint8Array>;
  /**
   * The body, read into memory. Throws `answer-malformed` if it is longer than `longest`, `unreachable` if it
   * is not there `withinMs` and the time that so many bytes take at the least rate, and for a broken connection as
   * {@link bytes} does.
   */
  content(longest: number, withinMs: number): Promise<Uint8Array>;
  /** The same as a text. */
  text(longest: number, withinMs: number): Promise<string>;
  /** Gives up reading, and the connection with it. Idempotent; harmless after the end. */
  cancel(): void;
  /** Reads a short rest to keep the connection, or drops it. Idempotent. */
  discard(): Promise<void>;
}

/** What undici gives of an answer. */
export interface ReceivedAnswer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readable;
}

/** How long the rest of an answer may take that nobody wants. */
const discardMs = 1000;

/** The answer of the server `name` to a request for `path`. Throws `answer-malformed` for a size that cannot be. */
export function openAnswer(name: string, path: string, received: ReceivedAnswer, limits: ServerLimits): OrthancAnswer {
  const { body, headers, statusCode: status } = received;
  // A connection that breaks before or after somebody reads must not end the process.
  body.on('error', () => undefined);
  const header = (wanted: string) => {
    const value = headers[wanted];
    return Array.isArray(value) ? value[0] : value;
  };
  const length = header('content-length');
  const sizeBytes = length === undefined ? undefined : Number(length);
  if (sizeBytes !== undefined && !Number.isSafeInteger(sizeBytes)) {
    body.destroy();
    throw malformedAnswer(name, path, 'it announces a length that cannot be');
  }
  const content = async (longest: number, withinMs: number) => {
    const bytes = await collect(name, body, { ...limits, longest, withinMs });
    if (bytes === undefined) throw malformedAnswer(name, path, `it is longer than ${longest} bytes`);
    return bytes;
  };
  return {
    status,
    header,
    sizeBytes,
    bytes: (signal) => wholeBody(name, body, sizeBytes, limits, signal),
    content,
    text: async (longest, withinMs) => (await content(longest, withinMs)).toString('utf8'),
    cancel: () => {
      body.destroy();
    },
    discard: async () => {
      const rest = { longest: mostBytes.text, withinMs: discardMs, leastBytesPerSecond: Number.POSITIVE_INFINITY };
      await collect(name, body, rest).catch(() => undefined);
    },
  };
}

interface CollectBounds extends Pick<ServerLimits, 'leastBytesPerSecond'> {
  readonly longest: number;
  readonly withinMs: number;
}

/** Reads a body into memory; @returns `undefined`, and drops the rest, if it is longer than `longest`. */
async function collect(name: string, body: Readable, bounds: CollectBounds): Promise<Buffer | undefined> {
  const { longest, withinMs, leastBytesPerSecond } = bounds;
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  const startedAtMs = performance.now();
  const look = () => {
    const leftMs = withinMs + (sizeBytes * 1000) / leastBytesPerSecond - (performance.now() - startedAtMs);
    if (leftMs > 0) timer = setTimeout(look, Math.min(leftMs, withinMs));
    else
      body.destroy(
        new MirrorError('unreachable', `${name} did not send the whole of an answer in time`, { store: name }),
      );
  };
  let timer = setTimeout(look, withinMs);
  try {
    for await (const chunk of body) {
      chunks.push(chunk);
      sizeBytes += chunk.length;
      if (sizeBytes > longest) return undefined; // leaving the loop destroys the body
    }
    return Buffer.concat(chunks);
  } catch (error) {
    throw errorOfBody(name, error);
  } finally {
    clearTimeout(timer);
  }
}

async function* wholeBody(
  name: string,
  body: Readable,
  sizeBytes: number | undefined,
  limits: ServerLimits,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const pace = new Pace(name, limits);
  let readBytes = 0;
  try {
    let askedAtMs = performance.now();
    for await (const chunk of body) {
      pace.passed(chunk.length, performance.now() - askedAtMs);
      readBytes += chunk.length;
      yield chunk;
      askedAtMs = performance.now();
    }
  } catch (error) {
    if (signal?.aborted) throw abortedError(signal);
    throw errorOfBody(name, error);
  }
  if (sizeBytes !== undefined && readBytes !== sizeBytes) throw shortBody(name);
}

/** A server that closes in the middle of an answer closes in order; one that dies resets. */
function errorOfBody(name: string, error: unknown): MirrorError {
  if (isMirrorError(error)) return error;
  return codeOf(error) === 'UND_ERR_SOCKET' ? shortBody(name, error) : errorOfTransport(name, error);
}
