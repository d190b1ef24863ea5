/** Turns what the copy tells of an instance into the lines of the report for the files that held it. */

import { type CopyResult, type DestinationOutcome, worstKind } from '../copy/outcome.ts';
import type { FoundInstance } from './found-instances.ts';
import type { FileOutcome, ReportLine } from './report.ts';

/** @param instances the files with these bytes; the first was copied, the others need not be */
export function linesOf(result: CopyResult, instances: readonly FoundInstance[]): readonly ReportLine[] {
  const kind = worstKind(result.outcomes);
  const error = result.outcomes.find((outcome) => outcome.kind === kind)?.error;
  const outcome = fileOutcomeOf(kind);
  const beside = result.outcomes.find(({ isKeptBeside }) => isKeptBeside === true);
  return instances.map(({ at, id, md5, sizeBytes, note }, position) => ({
    ...at,
    outcome: outcome === 'stored' && position > 0 ? 'already-there' : outcome,
    id,
    md5,
    sizeBytes,
    ...(error === undefined ? {} : { reason: error.message, code: error.code }),
    ...(beside === undefined ? {} : { isKeptBeside: true, note: keptBeside(beside) }),
    ...(note === undefined ? {} : { note }),
  }));
}

function keptBeside({ destination }: DestinationOutcome): string {
  return `kept beside, not current: ${destination.store.name} goes by what its source has, or had, under this id`;
}

/** What is told of a file whose instance ended so. */
export function fileOutcomeOf(kind: DestinationOutcome['kind']): FileOutcome {
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
