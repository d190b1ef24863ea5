import { setTimeout as delay } from 'node:timers/promises';
import { isMirrorError, type MirrorError } from '../../errors.ts';

/**
 * Decides how long to wait before the next try: milliseconds, or `undefined` to give up.
 * `attempt` counts the tries made, from 1; `random` is in [0, 1).
 */
export type RetryPolicy = (error: MirrorError, attempt: number, random: number) => number | undefined;

const mostAttempts = 4;
const firstCeilingMs = 250;
const longestPauseMs = 10_000;

/**
 * Up to four tries with full jitter (a pause between nothing and a ceiling that doubles), so that many clients do not
 * come back together. Waits as long as the server asks, up to ten seconds; longer is for the caller's queue.
 */
export const fullJitter: RetryPolicy = (error, attempt, random) => {
  if (error.disposition !== 'retry' || attempt >= mostAttempts) return undefined;
  const { retryAfterMs = 0 } = error;
  if (retryAfterMs > longestPauseMs) return undefined;
  return Math.min(longestPauseMs, retryAfterMs + random * firstCeilingMs * 2 ** (attempt - 1));
};

/** A try that fails after so long is made again once, not more: who stalls would stall again. */
const longTryMs = 30_000;
const mostLongTries = 2;

/** Tries until it works or the policy gives up; then throws the last error. An abort ends the pause at once. */
export async function withRetries<T>(
  tryOnce: () => Promise<T>,
  policy: RetryPolicy,
  signal: AbortSignal | undefined,
): Promise<T> {
  let longTries = 0;
  for (let attempt = 1; ; attempt += 1) {
    const startedAtMs = performance.now();
    try {
      return await tryOnce();
    } catch (error) {
      if (!isMirrorError(error) || signal?.aborted) throw error;
      if (performance.now() - startedAtMs >= longTryMs) longTries += 1;
      if (longTries >= mostLongTries) throw error;
      const pauseMs = policy(error, attempt, Math.random());
      if (pauseMs === undefined) throw error;
      // Aborted while waiting: the next try says so in the terms of all other calls.
      await delay(pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }
}
