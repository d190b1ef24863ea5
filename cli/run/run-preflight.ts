import type { OpenMirror } from '../../core/config/open.ts';
import { isMirrorError } from '../../core/errors.ts';
import { preflight, refusalOf } from '../../core/sidecars/preflight/preflight.ts';
import { isOrthancStore } from '../../core/stores/orthanc/orthanc-store.ts';
import type { Terminal } from '../terminal.ts';
import type { RunChoices } from './options.ts';

/**
 * Looks at every target before anything is written, and tells what it found. Throws `preflight-refused` if a target
 * would spoil the mirror. A target that does not answer is the run's own matter.
 */
export async function lookAtTargets(
  { source, destinations }: OpenMirror,
  { force = false, deletions }: RunChoices,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  for (const { store } of destinations) {
    if (!isOrthancStore(store)) continue;
    try {
      const findings = await preflight(source, store, { signal, propagatesDeletions: deletions === 'propagate' });
      for (const { severity, message } of findings) terminal.say(`${severity}: ${message}`);
      const refusal = refusalOf(findings, { force });
      if (refusal !== undefined) throw refusal;
    } catch (error) {
      if (!isMirrorError(error) || isMirrorError(error, 'preflight-refused')) throw error;
    }
  }
}
