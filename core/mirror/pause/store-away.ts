/** Tells a store that is away from an instance that it cannot take. */

import type { CallOptions } from '../../call-options.ts';
import { type ErrorCode, isMirrorError, MirrorError } from '../../errors.ts';
import type { InstanceId } from '../../identifiers.ts';
import type { Store } from '../../stores/store.ts';

/** An id that no resource has; asking for it tells whether a store answers. */
const unusedId = '00000000-00000000-00000000-00000000-00000000' as InstanceId;

/** What a server that is away looks like, or the proxy before it; a single instance can look the same. */
const codesOfAbsence: readonly ErrorCode[] = ['unreachable', 'busy', 'server-error'];

/** @returns whether an error may mean that nothing at all would get through now. */
export function looksAway({ disposition, code }: MirrorError): boolean {
  return disposition === 'halt' || (disposition === 'retry' && codesOfAbsence.includes(code));
}

/** A store that takes a connection and says nothing for so long is away as well. */
const answerWithinMs = 20_000;

/** Asks a store for something harmless. @returns why it does not answer, or `undefined` if it does */
export async function whyAway(store: Store, options: CallOptions): Promise<MirrorError | undefined> {
  const late = AbortSignal.timeout(answerWithinMs);
  try {
    await store.lookup(unusedId, {
      signal: options.signal === undefined ? late : AbortSignal.any([options.signal, late]),
    });
    return undefined;
  } catch (error) {
    if (options.signal?.aborted === true) throw error;
    if (late.aborted) {
      const what = `does not answer within ${answerWithinMs / 1000} s`;
      return new MirrorError('unreachable', `${store.name} ${what}`, { cause: error, store: store.name });
    }
    if (isMirrorError(error)) return looksAway(error) ? error : undefined;
    throw error;
  }
}

/** @returns the error as one that costs the message nothing: it comes back, however often that was. */
export function asHalt({ code, message, cause, store, advice }: MirrorError, retryAfterMs: number): MirrorError {
  return new MirrorError(code, message, { disposition: 'halt', retryAfterMs, cause, store, advice });
}

/**
 * @param stores that may be to blame
 * @returns the error, {@link asHalt} if it looks as if a store was away and one of them does not answer
 */
export async function haltIfAway(
  error: MirrorError,
  stores: readonly Store[],
  retryAfterMs: number,
): Promise<MirrorError> {
  if (!looksAway(error)) return error;
  const reasons = await Promise.all(stores.map((store) => whyAway(store, {})));
  return reasons.some((reason) => reason !== undefined) ? asHalt(error, retryAfterMs) : error;
}
