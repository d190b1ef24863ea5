/** How the queues of a stack are called: for the stack that makes them, and for functions and commands that use them. Pure. */

/**
 * The lanes in which instances are copied. What is new (told by the change feed or a hook) never waits behind what is old
 * (found by a comparison, sent again, restored), and neither waits behind large instances, which get an invocation each.
 */
export const transferLanes = ['new', 'backlog', 'large'] as const;
export type TransferLane = (typeof transferLanes)[number];

/**
 * What a queue of a mirror is for. Each mirror has a queue of its own in each lane: one whose servers hang uses up its own
 * tries and its own invocations, and nobody else waits for it.
 */
export type Lane = TransferLane | 'inbox';

/** A queue that all mirrors share. */
export type SharedQueue = 'dead-letters' | 'inbox-dead-letters' | 'failed-invocations';

/** Where what cannot be done in a lane is put, with the reason. */
export const deadLetterQueues = {
  new: 'dead-letters',
  backlog: 'dead-letters',
  large: 'dead-letters',
  inbox: 'inbox-dead-letters',
} as const satisfies Record<Lane, SharedQueue>;

/** A queue of one mirror. */
export interface MirrorQueue {
  readonly mirror: string;
  readonly lane: Lane;
}

/** SQS takes no longer names. Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html */
export const longestQueueName = 80;

/**
 * @param stack name of the stack, or the address that its output `QueuesUrl` tells, which ends with it
 * @returns name or address of the queue: an underscore is in no name of a stack or mirror
 */
export function mirrorQueue(stack: string, { mirror, lane }: MirrorQueue): string {
  return `${stack}_${mirror}_${lane}`;
}

/** The same for a queue that all mirrors share. */
export function sharedQueue(stack: string, queue: SharedQueue): string {
  return `${stack}_${queue}`;
}

/** @returns which mirror's queue an ARN or address names; `undefined` if it is none of a mirror */
export function parseMirrorQueue(arn: string): MirrorQueue | undefined {
  const [, mirror, lane] = /_([a-z0-9-]+)_([a-z-]+)$/.exec(arn) ?? [];
  return mirror !== undefined && isLane(lane) ? { mirror, lane } : undefined;
}

function isLane(text: string | undefined): text is Lane {
  return text !== undefined && Object.hasOwn(deadLetterQueues, text);
}
