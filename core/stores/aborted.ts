/** Turning an AbortSignal into the error of the call that it ended. */
import { isMirrorError, MirrorError } from '../errors.ts';

/** @returns the error of a call whose signal was aborted: the signal's own reason where that is a MirrorError. */
export function abortedError(signal: AbortSignal): MirrorError {
  const reason: unknown = signal.reason;
  return isMirrorError(reason) ? reason : new MirrorError('interrupted', 'stopped before the end', { cause: reason });
}

/** Throws {@link abortedError} if the signal was aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw abortedError(signal);
  }
}

/**
 * Yields what `source` yields, but throws as soon as the signal is aborted, even while `source` does not answer.
 * Leaves a source that does not answer to whoever owns it.
 *
 * @param release called when the signal is aborted before the first byte: a source that never began does not end by itself
 */
export async function* untilAborted<T>(
  source: AsyncIterable<T>,
  signal: AbortSignal | undefined,
  release: () => void = () => undefined,
): AsyncGenerator<T> {
  if (signal?.aborted) release();
  throwIfAborted(signal);
  if (signal === undefined) {
    yield* source;
    return;
  }
  // One promise per chunk: racing against a single long-lived one would keep every chunk in memory until the end.
  let rejectPending: (error: MirrorError) => void = () => undefined;
  const onAbort = () => rejectPending(abortedError(signal));
  signal.addEventListener('abort', onAbort, { once: true });
  const iterator = source[Symbol.asyncIterator]();
  let ended = false;
  try {
    while (true) {
      throwIfAborted(signal);
      const next = await new Promise<IteratorResult<T>>((resolve, reject) => {
        rejectPending = reject;
        iterator.next().then(resolve, reject);
      });
      if (next.done) {
        ended = true;
        return;
      }
      yield next.value;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    if (!ended) {
      // Not awaited: a generator that waits for its own source answers `return` only after that source did.
      iterator.return?.()?.catch(() => undefined);
    }
  }
}
