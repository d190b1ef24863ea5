/** The body of an answer of S3. */
import type { Readable } from 'node:stream';
import { MirrorError } from '../../errors.ts';
import { untilAborted } from '../aborted.ts';
import type { OpenObject } from './object-storage.ts';
import { s3Error } from './s3-errors.ts';

/** @returns the body of an answer that promised `bodyBytes` bytes. `name` is that of the storage, for messages. */
export function s3Body(
  name: string,
  stream: Readable,
  bodyBytes: number,
  signal: AbortSignal | undefined,
): Pick<OpenObject, 'body' | 'cancel'> {
  // A connection that breaks while nobody reads must not end the process; who reads later is told.
  stream.on('error', () => undefined);
  const cancel = () => void stream.destroy();
  return { body: readWhole(name, untilAborted(stream, signal, cancel), bodyBytes), cancel };
}

async function* readWhole(name: string, chunks: AsyncIterable<unknown>, bodyBytes: number): AsyncGenerator<Uint8Array> {
  let readBytes = 0;
  try {
    for await (const chunk of chunks) {
      if (!(chunk instanceof Uint8Array)) {
        throw new TypeError('a body yields bytes');
      }
      readBytes += chunk.length;
      yield chunk;
    }
  } catch (error) {
    throw s3Error(name, error);
  }
  if (readBytes !== bodyBytes) {
    throw new MirrorError('body-short', `${name}: the storage sent ${readBytes} of ${bodyBytes} bytes`);
  }
}
