/** How the source of a mirror is read: no more than the filter selects, no faster than the configuration allows. */

import type { CallOptions } from '../call-options.ts';
import { ByteRate } from '../copy/byte-rate.ts';
import { limitReads } from '../copy/limit-reads.ts';
import type { InstanceId } from '../identifiers.ts';
import type { OrthancStore } from '../stores/orthanc/orthanc-store.ts';
import type { Store } from '../stores/store.ts';
import { wrapped } from '../stores/wrapped.ts';
import type { Filter } from './filters/filter-schema.ts';
import { Selection } from './filters/select-instances.ts';

/** What of a source is read, and how fast; nothing: all of it, as fast as it can. */
export interface SourceLimits {
  readonly filter?: Filter | undefined;
  readonly megabitsPerSecond?: number | undefined;
}

export interface SourceReader {
  /** Lists what the filter selects, and reads at the configured rate. */
  readonly reader: Store;
  /** Whether an instance that was announced is to be mirrored; absent without a filter: all are. */
  readonly selects: ((id: InstanceId, options?: CallOptions) => Promise<boolean>) | undefined;
}

/** @param processes how many share the rate */
export function sourceReader(
  source: OrthancStore,
  { filter, megabitsPerSecond }: SourceLimits,
  processes = 1,
): SourceReader {
  const selection = filter === undefined ? undefined : new Selection(source, filter);
  const selected = selection === undefined ? source : wrapped(source, { inventory: selection.inventory });
  const reader =
    megabitsPerSecond === undefined
      ? selected
      : limitReads(selected, new ByteRate({ bytesPerSecond: (megabitsPerSecond * 1_000_000) / 8 / processes }));
  return { reader, selects: selection && ((id, options) => selection.selects(id, options)) };
}
