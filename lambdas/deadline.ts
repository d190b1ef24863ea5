import type { Context } from 'aws-lambda';
import { MirrorError } from '../core/errors.ts';

/** Time to tell the queue what becomes of unfinished work, before the function is ended from outside. */
const usualMarginMs = 8_000;

/**
 * A signal that aborts, with a `deadline` error, shortly before the Lambda service ends the invocation.
 * Dispose of it when the work is done, so that no timer outlives the invocation.
 */
export function deadlineSignal(
  context: Context,
  marginMs = usualMarginMs,
): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  const timer = setTimeout(
    () => controller.abort(new MirrorError('deadline', 'The time of the function was over before the work was done.')),
    Math.max(0, context.getRemainingTimeInMillis() - marginMs),
  );
  return { signal: controller.signal, [Symbol.dispose]: () => clearTimeout(timer) };
}
