/** Works on a message that a queue delivered, and tells the queue what becomes of it. */
import type { MirrorQueue } from '../../config/queue-names.ts';
import { isMirrorError, MirrorError } from '../../errors.ts';
import { parseMessage, type QueueMessage } from './message.ts';
import { type DeliveryLimits, type Verdict, verdictOn } from './verdict.ts';

/** One delivery of a message. */
export interface Delivery {
  readonly body: string;
  /** Names this delivery towards the queue. */
  readonly receiptHandle: string;
  /** How often the message was delivered, this time included. */
  readonly receiveCount: number;
}

/** Deliveries that come together, all from one queue. */
export interface Batch<Received extends Delivery = Delivery> {
  readonly queue: MirrorQueue;
  readonly deliveries: readonly Received[];
}

/** Why a message becomes a dead letter, with what the queue knew about it. */
export interface DeadLetterReason {
  readonly code: string;
  /** What happened and what to do; holds neither patient data nor a secret. */
  readonly reason: string;
  readonly receiveCount: number;
}

/** What one who works on deliveries can ask the queue for. */
export interface DeliveryQueue {
  /** Delivers this message again after `waitMs`, unless it is acknowledged before. */
  postpone(delivery: Delivery, waitMs: number): Promise<void>;
  /** Sends the same body as a new message, delivered after `waitMs`. */
  sendAnew(delivery: Delivery, waitMs: number): Promise<void>;
  /** Puts the message into the dead-letter queue. */
  deadLetter(delivery: Delivery, reason: DeadLetterReason): Promise<void>;
}

/** What was decided about a delivery, for the log. */
export interface Answered {
  readonly message: QueueMessage | undefined;
  readonly verdict: Verdict;
  readonly error: MirrorError | undefined;
}

/**
 * Works on one delivery. Resolves when the queue knows what becomes of the message: it is to be acknowledged unless
 * the verdict is `return`. Throws what the queue throws, and then it must not be acknowledged.
 * @param work does what the message says; what it throws decides about the message
 */
export async function answerDelivery(
  delivery: Delivery,
  work: (message: QueueMessage) => Promise<void>,
  queue: DeliveryQueue,
  limits: DeliveryLimits,
): Promise<Answered> {
  let message: QueueMessage | undefined;
  const attempt = async (): Promise<void> => {
    message = parseMessage(delivery.body);
    await work(message);
  };
  const answered = await answerAttempt(delivery, attempt, queue, limits);
  return { message, ...answered };
}

/** The same for a queue with messages of another kind: `attempt` reads the message and works on it. */
export async function answerAttempt(
  delivery: Delivery,
  attempt: () => Promise<void>,
  queue: DeliveryQueue,
  limits: DeliveryLimits,
): Promise<Omit<Answered, 'message'>> {
  try {
    await attempt();
    return { verdict: { kind: 'done' }, error: undefined };
  } catch (thrown) {
    const error = isMirrorError(thrown) ? thrown : unexpected(thrown);
    const verdict = verdictOn(error, delivery.receiveCount, limits, Math.random());
    await carryOut(verdict, delivery, queue);
    return { verdict, error };
  }
}

/** A defect of ours: its own message stays in `cause`, because nobody vouches for what it says. */
function unexpected(cause: unknown): MirrorError {
  return new MirrorError('server-error', 'An unexpected error stopped the work; see the log of the function.', {
    cause,
  });
}

async function carryOut(verdict: Verdict, delivery: Delivery, queue: DeliveryQueue): Promise<void> {
  switch (verdict.kind) {
    case 'done':
      return;
    case 'return':
      return queue.postpone(delivery, verdict.waitMs);
    case 'renew':
      return queue.sendAnew(delivery, verdict.waitMs);
    case 'dead-letter':
      return queue.deadLetter(delivery, { ...verdict, receiveCount: delivery.receiveCount });
  }
}
