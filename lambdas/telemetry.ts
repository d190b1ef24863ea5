/** Log of the functions; for their metrics see `metrics-emitter.ts`. What may appear in a log line is listed here; nothing else is ever logged. */
import { Logger } from '@aws-lambda-powertools/logger';
import type { Answered } from '../core/cloud/queue/deliveries.ts';
import type { Verdict } from '../core/cloud/queue/verdict.ts';
import { isMirrorError, MirrorError } from '../core/errors.ts';
import type { SidecarFinding } from '../core/sidecars/sidecar-state.ts';
import type { LambdaDelivery } from './sqs-event.ts';

export const logger = new Logger();

/** All that a log line may hold beside its fixed message: ids, hashes, numbers, configured names and codes. */
const allowedFields = [
  'mirror',
  'id',
  'messageId',
  'destination',
  'outcome',
  'verdict',
  'code',
  // Message of a MirrorError, which holds neither patient data nor a secret.
  'reason',
  // Class of an error that is none of ours: its message is not logged, because nobody vouches for it.
  'errorName',
  'receiveCount',
  'waitMs',
  'announced',
  'compared',
  'conflicts',
  'comparing',
  'compareReason',
  'leaseHeld',
  // Key of a record or sidecar of an archive: ids, hashes, numbers and a time.
  'archiveKey',
  // Of requests to the webhook.
  'status',
  'accepted',
  'deletionsAnnounced',
  // Of what was read back.
  'sound',
  'damaged',
  'unverified',
  'complete',
  // Of shards.
  'done',
  'left',
  // Of an object of the inbox, whose key is never logged.
  'stored',
  'alreadyThere',
  'notDicom',
  'refused',
  // Of what was measured.
  'missing',
  'oldestPendingSeconds',
  // Who looked at what of an archive: a line of its log, with ids and the name that AWS gives the caller.
  'entry',
  // Of sidecars that were restored: values that stay although they differ, instances that are lost.
  'kept',
  'lost',
  // Names of stores.
  'paused',
  'followed',
] as const;
type LogFields = { readonly [Field in (typeof allowedFields)[number]]?: string | number | boolean | undefined };

/** Logs a line. Fields that are not allowed do not get through, even if the compiler was deceived. */
export function log(level: 'info' | 'warn' | 'error', message: string, fields: LogFields): void {
  const allowed = allowedFields.map((field): [string, unknown] => [field, fields[field]]);
  logger[level](message, Object.fromEntries(allowed.filter(([, value]) => value !== undefined)));
}

/** Logs what is wrong with a sidecar of an archive: once in a while of a function, however often it is read. */
export function logFinding(mirror: string, { id, error }: SidecarFinding): void {
  log('warn', 'sidecar', { mirror, id, ...errorFields(error) });
}

/** What became of a delivery, in the words of the log: `message done`, `notification dead-lettered`. */
export const wordOfVerdict = {
  done: 'done',
  return: 'returned',
  renew: 'renewed',
  'dead-letter': 'dead-lettered',
} as const satisfies Record<Verdict['kind'], string>;

/** The fields that tell what became of a delivery. */
export function answeredFields(
  { messageId, receiveCount }: LambdaDelivery,
  { verdict, error }: Omit<Answered, 'message'>,
): LogFields {
  return {
    messageId,
    receiveCount,
    verdict: verdict.kind,
    waitMs: 'waitMs' in verdict ? Math.round(verdict.waitMs) : undefined,
    ...(error === undefined ? {} : errorFields(error)),
  };
}

/** The fields that tell about an error, without its own words unless they are ours. */
export function errorFields(error: unknown): LogFields {
  if (isMirrorError(error)) {
    return { code: error.code, reason: error.message, errorName: nameOf(error.cause) };
  }
  return { errorName: nameOf(error) };
}

/**
 * What an invocation that failed throws: the Lambda runtime logs the words of an error, so only those that are ours
 * get there.
 */
export function publicError(error: unknown): Error {
  return isMirrorError(error)
    ? new MirrorError(error.code, error.message)
    : new Error(`unexpected ${nameOf(error) ?? 'error'}; its words are not logged because they may hold patient data`);
}

function nameOf(error: unknown): string | undefined {
  return error instanceof Error ? error.name : undefined;
}
