/** Whether a destination that was out of reach can be used by a watch, and what is made ready before. */

import type { CallOptions } from '../../core/call-options.ts';
import type { OpenMirror } from '../../core/config/open.ts';
import { archiveSourceOf } from '../../core/config/open-archive.ts';
import type { Destination } from '../../core/copy/outcome.ts';
import { isMirrorError, type MirrorError } from '../../core/errors.ts';
import type { MirrorRun } from '../../core/mirror/mirror-run.ts';
import { whyAway } from '../../core/mirror/pause/store-away.ts';
import { preflight, refusalOf } from '../../core/sidecars/preflight/preflight.ts';
import { Archive } from '../../core/stores/archive/archive.ts';
import { isOrthancStore } from '../../core/stores/orthanc/orthanc-store.ts';
import type { RunChoices } from './options.ts';

/**
 * An archive must be the one that it was, or be made if it could not be opened before; a target, which may have been
 * configured otherwise meanwhile, is looked at as at the beginning.
 */
export function admissionTo(mirror: OpenMirror, options: RunChoices): MirrorRun['admit'] {
  return async (destination, call) => {
    try {
      return await admit(destination, mirror, options, call);
    } catch (error) {
      if (isMirrorError(error) && call.signal?.aborted !== true) return error;
      throw error;
    }
  };
}

async function admit(
  { store }: Destination,
  { source }: OpenMirror,
  { force = false, deletions }: RunChoices,
  call: CallOptions,
): Promise<MirrorError | undefined> {
  if (store instanceof Archive) {
    const createFor = store.isOpen ? undefined : await archiveSourceOf(source)(call);
    await store.prove({ createFor, ...call });
  }
  const away = await whyAway(store, call);
  if (away !== undefined || !isOrthancStore(store)) return away;
  const findings = await preflight(source, store, { ...call, propagatesDeletions: deletions === 'propagate' });
  return refusalOf(findings, { force });
}
