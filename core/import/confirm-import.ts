/** After an import: makes sure that the server still holds what it took, and corrects what was told of what it lost. */

import type { CallOptions } from '../call-options.ts';
import { type Destination, worstKind } from '../copy/outcome.ts';
import { isMirrorError } from '../errors.ts';
import type { Presence } from '../mirror/presence.ts';
import { fileOutcomeOf } from './outcome-lines.ts';
import type { ImportSummary, LostLine } from './report.ts';

export interface ConfirmOptions extends CallOptions {
  /** Was begun before the import, and was told of each instance. */
  readonly presence: Presence;
  readonly destinations: readonly Destination[];
  readonly onLost: (line: LostLine) => Promise<void>;
}

/** @returns the summary as it is true now; `stoppedBy` tells why nothing is proven, if the server cannot be asked. */
export async function confirmImport(
  told: ImportSummary,
  { presence, destinations, onLost, signal }: ConfirmOptions,
): Promise<ImportSummary> {
  const counts = { ...told.counts };
  try {
    for (const destination of destinations) {
      for await (const lost of presence.lostAt(destination, async () => new Set(), { signal })) {
        const { id, error } = lost;
        counts[fileOutcomeOf(worstKind([...lost.told.values()].map((kind) => ({ kind }))))] -= 1;
        counts.failed += 1;
        await onLost({ outcome: 'failed', id, reason: error.message, code: error.code });
      }
    }
  } catch (error) {
    if (!isMirrorError(error)) throw error;
    return { ...told, counts, stoppedBy: error };
  }
  return { ...told, counts };
}
