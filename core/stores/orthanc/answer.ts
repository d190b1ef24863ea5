/** Reading the body of an answer, completely or not at all. */
import type { Readable } from 'node:stream';
import { isMirrorError, type MirrorError } from '../../errors.ts';
import { abortedError } from '../aborted.ts';
import { codeOf, errorOfTransport, malformedAnswer, shortBody } from './failures.ts';

/** Reads a body into memory; @returns `undefined`, and drops the rest, if it is longer than `mostBytes`. */
export async function collect(body: Readable, mostBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    sizeBytes += chunk.length;
    if (sizeBytes > mostBytes) return undefined; // leaving the loop destroys the body
  }
  return Buffer.concat(chunks);
}

/** Reads a text. Throws `answer-malformed` if it is longer than `mostBytes`, and for a broken connection as it is told. */
export async function collectText(name: string, path: string, body: Readable, mostBytes: number): Promise<string> {
  const bytes = await collect(body, mostBytes).catch((error: unknown) => {
    throw errorOfBody(name, error);
  });
  if (bytes === undefined) throw malformedAnswer(name, path, `it is longer than ${mostBytes} bytes`);
  return bytes.toString('utf8');
}

/**
 * Yields a body in its chunks. Ends normally only after `sizeBytes` bytes, if known. Throws `body-short` for a clean
 * end before that, `unreachable` for a broken connection, or why the signal was aborted.
 */
export async function* wholeBody(
  name: string,
  body: Readable,
  sizeBytes: number | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  let readBytes = 0;
  try {
    for await (const chunk of body) {
      readBytes += chunk.length;
      yield chunk;
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
