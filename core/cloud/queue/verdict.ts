/** What becomes of a delivered message whose work failed. Pure. */
import type { Disposition, ErrorCode, MirrorError } from '../../errors.ts';
import { type BackOff, waitBeforeTryMs } from './back-off.ts';

export interface DeliveryLimits {
  /** After so many deliveries the queue itself would move the message away, without a reason. */
  readonly maxReceiveCount: number;
  readonly backOff: BackOff;
}

export type Verdict =
  /** Nothing is left to do. */
  | { readonly kind: 'done' }
  /** It is delivered again after a while, and its number of deliveries grows. */
  | { readonly kind: 'return'; readonly waitMs: number }
  /** It is delivered again after a while as if it were new: whatever stands in its way is not its own fault. */
  | { readonly kind: 'renew'; readonly waitMs: number }
  /** It becomes a dead letter with its reason. */
  | { readonly kind: 'dead-letter'; readonly code: ErrorCode; readonly reason: string };

/**
 * Decides about the delivery number `receiveCount` (1 is the first) of a message whose work met `error`.
 *
 * The last delivery is ours to use: what still fails then becomes a dead letter here, because the queue would do it without
 * a reason. What failed because of a halted mirror never becomes a dead letter.
 * @param random at least 0, less than 1
 */
export function verdictOn(error: MirrorError, receiveCount: number, limits: DeliveryLimits, random: number): Verdict {
  const isLast = receiveCount >= limits.maxReceiveCount;
  const waitMs = Math.max(error.retryAfterMs ?? 0, waitBeforeTryMs(receiveCount, limits.backOff, random));
  switch (error.disposition) {
    case 'skip':
      return { kind: 'done' };
    case 'reject':
    // Longer than a queue keeps a message from others.
    case 'wait':
      return { kind: 'dead-letter', code: error.code, reason: error.message };
    case 'retry':
      // A document that waits for its instances is announced again by the next comparison.
      if (isLast && error.code === 'instances-pending') return { kind: 'done' };
      return isLast
        ? { kind: 'dead-letter', code: error.code, reason: `Given up after ${receiveCount} tries: ${error.message}` }
        : { kind: 'return', waitMs };
    case 'halt':
      return { kind: isLast ? 'renew' : 'return', waitMs };
  }
}

/** The order in which dispositions decide. */
const decidingOrder: readonly Disposition[] = ['halt', 'retry', 'wait', 'reject', 'skip'];

/**
 * The error that decides when one instance met several at its destinations: one that may still pass by repeating
 * goes before one that was rejected, so that nothing becomes a dead letter while another destination still waits for it.
 */
export function decidingError(errors: readonly MirrorError[]): MirrorError | undefined {
  const rank = ({ disposition }: MirrorError) => decidingOrder.indexOf(disposition);
  return errors.toSorted((one, other) => rank(one) - rank(other))[0];
}
