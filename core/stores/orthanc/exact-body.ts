import { MirrorError } from '../../errors.ts';
import type { InstanceBytes } from '../store.ts';
import type { Pace } from './bounds.ts';

/** A body whose failure is remembered, because the connection that it breaks tells only that it broke. */
export interface ExactBody {
  readonly body: InstanceBytes;
  /** What the body threw, if it did. */
  failure(): unknown;
}

/**
 * Holds a body to its size: a stream that ends early throws `body-short`, one that goes on throws `hash-mismatch`, both
 * before the last announced byte is sent, so that a receiver never sees a complete body of other bytes. A receiver that
 * takes the body too slowly for `pace` ends it with `unreachable`.
 */
export function exactBody(body: InstanceBytes, sizeBytes: number, pace: Pace): ExactBody {
  if (body instanceof Uint8Array) {
    if (body.length !== sizeBytes) throw wrongSize(body.length, sizeBytes);
    return { body, failure: () => undefined };
  }
  let failure: unknown;
  return {
    body: exactly(body, sizeBytes, pace, (error) => {
      failure = error;
    }),
    failure: () => failure,
  };
}

/** One chunk is held back until the next is there: the last one is sent only when the body has ended in order. */
async function* exactly(
  body: AsyncIterable<Uint8Array>,
  sizeBytes: number,
  pace: Pace,
  failed: (error: unknown) => void,
): AsyncGenerator<Uint8Array> {
  let readBytes = 0;
  let held: Uint8Array | undefined;
  for await (const chunk of reportFailure(body, failed)) {
    readBytes += chunk.length;
    if (readBytes > sizeBytes) break;
    if (held !== undefined) {
      const givenAtMs = performance.now();
      yield held;
      pace.passed(held.length, performance.now() - givenAtMs);
    }
    held = chunk;
  }
  if (readBytes !== sizeBytes) {
    const error = wrongSize(readBytes, sizeBytes);
    failed(error);
    throw error;
  }
  if (held !== undefined) yield held;
}

/** Reports only what `body` itself throws: whoever reads may throw the failure of a connection into this generator. */
async function* reportFailure(
  body: AsyncIterable<Uint8Array>,
  failed: (error: unknown) => void,
): AsyncGenerator<Uint8Array> {
  const iterator = body[Symbol.asyncIterator]();
  let ended = false;
  try {
    for (;;) {
      const next = await iterator.next().catch((error: unknown) => {
        ended = true;
        failed(error);
        throw error;
      });
      if (next.done) {
        ended = true;
        return;
      }
      yield next.value;
    }
  } finally {
    if (!ended) await iterator.return?.();
  }
}

function wrongSize(readBytes: number, sizeBytes: number): MirrorError {
  return readBytes < sizeBytes
    ? new MirrorError('body-short', `the body of an upload ended after ${readBytes} of ${sizeBytes} bytes`)
    : new MirrorError('hash-mismatch', `the body of an upload is longer than its ${sizeBytes} bytes`);
}
