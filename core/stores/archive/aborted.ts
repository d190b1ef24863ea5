/** Turning an AbortSignal into the error of the call that it ended. */
import { isMirrorError, MirrorError } from '../../errors.ts';

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
 */
export async function* untilAborted<T>(source: AsyncIterable<T>, signal: AbortSignal | undefined): AsyncGenerator<T> {
  throwIfAborted(signal);
  if (signal === undefined) {
    yield* source;
    return;
  }
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  aborted.catch(() => undefined);
  const onAbort = () => reject(abortedError(signal));
  signal.addEventListener('abort', onAbort, { once: true });
  const iterator = source[Symbol.asyncIterator]();
  let ended = false;
  try {
    while (true) {
      const next = await Promise.race([iterator.next(), aborted]);
      if (next.done) {
        ended = true;
        return;
      }
      throwIfAborted(signal);
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
