/**
 * The exit codes, a contract with scripts and schedulers. Pure functions: what happened in, the code out.
 */
import { type ErrorCode, isMirrorError, type MirrorError } from '../core/errors.ts';

/** What each exit code promises. */
export const exitCodes = {
  /** All done and equal. */
  ok: 0,
  /** A defect of this program. */
  internal: 1,
  /** Wrong usage or configuration; nothing was done. */
  usage: 2,
  /** Some instances were rejected or are in conflict; running again gives the same. */
  rejected: 3,
  /** check, verify or audit found differences. */
  different: 4,
  /** Some instances failed and can be retried: run again. */
  failed: 5,
  /** The deletion guard stopped deletions. */
  deletionGuard: 6,
  /** A server refused us, is full or is unreachable. */
  refused: 7,
  /** Some instances lie in a cold storage class: have them restored there, then run again. */
  cold: 8,
  /** Stopped by a signal; running again resumes. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** The same in words, for reports. */
export const exitCodeMeanings: Readonly<Record<ExitCode, string>> = {
  0: 'all done and equal',
  1: 'a defect of this program',
  2: 'wrong usage or configuration; nothing was done',
  3: 'some instances were rejected or are in conflict',
  4: 'differences were found',
  5: 'some instances failed and can be retried',
  6: 'the deletion guard stopped deletions',
  7: 'a server refused us, is full or is unreachable',
  8: 'some instances lie in a cold storage class',
  130: 'interrupted',
};

/** What became of the instances of a command, as far as the exit code depends on it. */
export interface Outcome {
  readonly conflicting: number;
  readonly rejected: number;
  /** Instances that may succeed when the command is run again. */
  readonly failed: number;
  /** Of these, those that lie in a cold storage class: running again alone does not help. */
  readonly cold?: number;
  /** Whether the work was stopped by a signal before its end. */
  readonly interrupted?: boolean;
  /** The error that ended the work, or the service of one destination, before everything was done. */
  readonly stoppedBy?: MirrorError | undefined;
  /** Differences found by a command that only looks. */
  readonly differences?: number;
}

/** The exit code of a command that came to its end: the first that holds of interrupted, stopped, failed, cold, rejected, different. */
export function exitCodeOf(outcome: Outcome): ExitCode {
  if (outcome.interrupted) return exitCodes.interrupted;
  if (outcome.stoppedBy !== undefined) return exitCodeOfError(outcome.stoppedBy);
  const { cold = 0 } = outcome;
  if (outcome.failed > cold) return exitCodes.failed;
  if (cold > 0) return exitCodes.cold;
  if (outcome.rejected > 0 || outcome.conflicting > 0) return exitCodes.rejected;
  if ((outcome.differences ?? 0) > 0) return exitCodes.different;
  return exitCodes.ok;
}

/** The exit code of a command that ended with an error. */
export function exitCodeOfError(error: unknown): ExitCode {
  return isMirrorError(error) ? exitCodeOfMirrorError(error) : exitCodes.internal;
}

/** Nothing is done before somebody says something else. */
const usageCodes: readonly ErrorCode[] = [
  'configuration',
  'unknown-mirror',
  'archive-format',
  'other-source',
  'nothing-matches',
];

function exitCodeOfMirrorError({ code, disposition }: MirrorError): ExitCode {
  if (usageCodes.includes(code)) return exitCodes.usage;
  if (code === 'deletion-guard') return exitCodes.deletionGuard;
  if (code === 'interrupted') return exitCodes.interrupted;
  if (code === 'unreachable' || disposition === 'halt') return exitCodes.refused;
  if (disposition === 'wait') return exitCodes.cold;
  return disposition === 'retry' ? exitCodes.failed : exitCodes.rejected;
}
