import type { CallOptions } from '../../call-options.ts';
import {
  type CopyResult,
  conflictError,
  type Destination,
  type DestinationOutcome,
  outcomeOfError,
} from '../../copy/outcome.ts';
import { isMirrorError, MirrorError } from '../../errors.ts';
import type { InstanceId } from '../../identifiers.ts';
import type { Limitations } from '../../sidecars/limitations.ts';
import { studyServerOf } from '../../sidecars/study-server.ts';
import type { Archive } from '../../stores/archive/archive.ts';
import { isOrthancStore } from '../../stores/orthanc/orthanc-store.ts';
import type { Store } from '../../stores/store.ts';
import { replaceInstance } from './replace-instance.ts';

export interface SettleOptions extends CallOptions {
  readonly source: Store;
  /** Without one nothing is replaced: there is no place to save the target's version in. */
  readonly archive: Archive | undefined;
  /** The source is a view of that archive, which therefore holds the version already. */
  readonly sourceIsArchive?: boolean | undefined;
  readonly limitations: Limitations;
  /** Is told of each instance that was replaced, and where the version that was there is saved. */
  readonly onReplaced?:
    | ((id: InstanceId, destination: Destination, savedUnder: string | undefined) => void)
    | undefined;
}

/** Settles conflicts by the policy `replace`: each target that holds other bytes gets the source's. */
export function replaceConflicts(options: SettleOptions): (result: CopyResult) => Promise<CopyResult> {
  return async (result) => {
    const outcomes: DestinationOutcome[] = [];
    for (const outcome of result.outcomes) {
      outcomes.push(outcome.kind === 'conflict' ? await replaceAt(result, outcome, options) : outcome);
    }
    return { ...result, outcomes };
  };
}

async function replaceAt(
  { id }: CopyResult,
  { destination }: DestinationOutcome,
  options: SettleOptions,
): Promise<DestinationOutcome> {
  const { store } = destination;
  if (!isOrthancStore(store)) return { destination, kind: 'conflict', error: conflictError(destination, id) };
  try {
    const targetServer = await studyServerOf(store, options);
    const { kind, savedUnder } = await replaceInstance(id, { ...options, target: store, targetServer });
    if (kind === 'replaced') options.onReplaced?.(id, destination, savedUnder);
    return { destination, kind: kind === 'replaced' ? 'copied' : 'already-equal' };
  } catch (error) {
    if (isMirrorError(error) || options.signal?.aborted !== true)
      return outcomeOfError(destination, error, 'destination');
    const stopped = new MirrorError('interrupted', `stopped before instance ${id} was replaced`, { cause: error });
    return outcomeOfError(destination, stopped, 'destination');
  }
}
