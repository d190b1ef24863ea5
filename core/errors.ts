/**
 * One error class for everything that the outside world can do to us. The disposition is decided once, where the
 * error is met; nobody looks at the text of a message to find out what to do.
 */

/**
 * What is to be done with the work that met the error.
 *
 * - `retry`: the same work may succeed later.
 * - `skip`: there is nothing left to do.
 * - `reject`: it will not succeed by repeating; it is recorded with its reason.
 * - `halt`: nothing of this mirror can succeed until somebody acts.
 * - `wait`: it will succeed after somebody asked for it and hours have passed; until then, repeating is of no use.
 */
export type Disposition = 'retry' | 'skip' | 'reject' | 'halt' | 'wait';

/** Every code with its usual disposition. Codes are stable: they appear in JSON output, metrics and dead letters. */
const usualDispositions = {
  // The outside is not there, or busy.
  unreachable: 'retry',
  busy: 'retry',
  'server-error': 'retry',
  'body-short': 'retry',
  'hash-mismatch': 'retry',
  'changed-meanwhile': 'retry',
  'not-held': 'retry',
  'instances-pending': 'retry',
  // Where only small instances are worked on.
  'too-large': 'retry',
  deadline: 'retry',
  interrupted: 'retry',
  // In a cold storage class, from which bytes come within hours, and only if they are asked for.
  cold: 'wait',
  // Nothing to do any more.
  vanished: 'skip',
  // What a user asked for is not there: nothing was done.
  'nothing-matches': 'halt',
  // This instance cannot be copied as it is.
  refused: 'reject',
  'filtered-out': 'reject',
  'wrong-id': 'reject',
  conflict: 'reject',
  'source-corrupt': 'reject',
  'hash-wrong': 'reject',
  'malformed-message': 'reject',
  'unknown-mirror': 'reject',
  'job-refused': 'reject',
  'not-dicom': 'reject',
  'history-full': 'reject',
  'history-damaged': 'reject',
  'answer-malformed': 'reject',
  'sidecar-damaged': 'reject',
  // A part of a host backup that nobody with its passphrase wrote.
  'not-authentic': 'reject',
  // Nothing can be copied before somebody acts.
  unauthorized: 'halt',
  forbidden: 'halt',
  'read-only': 'halt',
  full: 'halt',
  'tls-untrusted': 'halt',
  'preflight-refused': 'halt',
  'deletion-guard': 'halt',
  'archive-format': 'halt',
  'other-source': 'halt',
  'not-orthanc': 'halt',
  configuration: 'halt',
  'lease-lost': 'halt',
  paused: 'halt',
} as const satisfies Record<string, Disposition>;

export type ErrorCode = keyof typeof usualDispositions;

/** Whether a text, such as an attribute of a dead letter, is one of our codes. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(usualDispositions, text);
}

/**
 * A next step that one takes in another way on the command line than in a configuration or in the cloud. The message says
 * what is wrong and what is wanted, in words of the field and of the configuration; whoever shows it adds how to do it there
 * (the command line in `cli/next-steps.ts`).
 */
export const advices = [
  'give-certificate-authority',
  'give-client-certificate',
  'give-endpoint',
  'give-master-key',
  'name-other-servers',
  'name-other-stores',
  'name-source',
  'name-storage-folder',
  'choose-backup',
  'choose-folder',
  'choose-work-folder',
  'repair-archive',
  'repair-target',
  'replace-version',
  'accept-risk',
  'accept-without-pixel-data',
  'allow-more-removals',
  'stop-server',
  'succeed-source',
] as const;
export type Advice = (typeof advices)[number];

export interface MirrorErrorOptions {
  /** Replaces the usual disposition of the code. */
  readonly disposition?: Disposition;
  /** What was thrown below, kept for a developer; never printed to a user because it may hold patient data. */
  readonly cause?: unknown;
  /** The server asked to wait this long before the next try. */
  readonly retryAfterMs?: number;
  /** Name of the store that met it, where a store did: it says nothing of the others. */
  readonly store?: string | undefined;
  readonly advice?: Advice | undefined;
}

/**
 * An error of known meaning. The message says what happened and what to do, in one line, and holds neither patient
 * data nor a secret: ids, hashes, status codes and the configured names of stores only.
 */
export class MirrorError extends Error {
  override readonly name = 'MirrorError';
  readonly code: ErrorCode;
  readonly disposition: Disposition;
  readonly retryAfterMs: number | undefined;
  readonly store: string | undefined;
  readonly advice: Advice | undefined;

  constructor(code: ErrorCode, message: string, options: MirrorErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.disposition = options.disposition ?? usualDispositions[code];
    this.retryAfterMs = options.retryAfterMs;
    this.store = options.store;
    this.advice = options.advice;
  }
}

/** @returns whether `error` is a {@link MirrorError}, optionally of one of the given codes. */
export function isMirrorError(error: unknown, ...codes: readonly ErrorCode[]): error is MirrorError {
  return error instanceof MirrorError && (codes.length === 0 || codes.includes(error.code));
}
