/** Turns what the copy tells of an instance into the lines of the report for the files that held it. */

import { type CopyResult, type DestinationOutcome, worstKind } from '../copy/outcome.ts';
import { isMirrorError } from '../errors.ts';
import type { FoundInstance } from './found-instances.ts';
import type { FileOutcome, ReportLine } from './report.ts';

/** @param instances the files with these bytes; the first was copied, the others need not be */
export function linesOf(result: CopyResult, instances: readonly FoundInstance[]): readonly ReportLine[] {
  const kind = worstKind(result.outcomes);
  const error = result.outcomes.find((outcome) => outcome.kind === kind)?.error;
  const outcome = fileOutcomeOf(kind);
  return instances.map(({ at, id, md5, sizeBytes, note }, position) => ({
    ...at,
    outcome: outcome === 'stored' && position > 0 ? 'already-there' : outcome,
    id,
    md5,
    sizeBytes,
    ...(error === undefined ? {} : { reason: error.message, code: error.code }),
    ...(note === undefined ? {} : { note }),
  }));
}

function fileOutcomeOf(kind: DestinationOutcome['kind']): FileOutcome {
  switch (kind) {
    case 'copied':
      return 'stored';
    case 'already-equal':
      return 'already-there';
    case 'conflict':
    case 'rejected':
      return 'refused';
    case 'vanished':
    case 'failed':
      return 'failed';
  }
}

/**
 * A server computes ids itself, and may read a PatientID that is not ASCII in another encoding. Where it stored an
 * instance under another id, looks for it under those that it may have used.
 *
 * @returns the result with such outcomes set right, and the id that a server uses, if it is another one
 */
export async function settleOtherIds(
  result: CopyResult,
  instance: FoundInstance,
): Promise<{ readonly result: CopyResult; readonly usedId: string | undefined }> {
  let usedId: string | undefined;
  const outcomes: DestinationOutcome[] = [];
  for (const outcome of result.outcomes) {
    const heldAs = outcome.error?.code === 'wrong-id' ? await idAt(outcome.destination.store, instance) : undefined;
    usedId ??= heldAs;
    outcomes.push(heldAs === undefined ? outcome : { destination: outcome.destination, kind: 'copied' });
  }
  return { result: { ...result, outcomes }, usedId };
}

/** The id under which a destination holds exactly these bytes, other than the expected one; `undefined` if none. */
export async function idAt(
  store: DestinationOutcome['destination']['store'],
  { otherIds, md5 }: Pick<FoundInstance, 'otherIds' | 'md5'>,
): Promise<string | undefined> {
  for (const id of otherIds) {
    try {
      if ((await store.lookup(id)).some((entry) => entry.md5 === md5)) {
        return id;
      }
    } catch (error) {
      if (!isMirrorError(error)) {
        throw error;
      }
      // The destination cannot be asked: nothing is known, and the copy will meet the same error.
      return undefined;
    }
  }
  return undefined;
}
