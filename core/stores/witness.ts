import type { CallOptions } from '../call-options.ts';
import type { MirrorError } from '../errors.ts';
import type { InstanceId } from '../identifiers.ts';
import type { ChangeFeed } from './change-feed.ts';

/**
 * What a server tells about itself that proves, without a listing, that it lost nothing: how many instances it holds, and
 * in its feed each one that came and is still there.
 */
export interface Witness extends ChangeFeed {
  /** How many instances it holds now. */
  countInstances(options?: CallOptions): Promise<number>;
  /** The error of an instance that it took and does not hold any more, with the likely reason. */
  lostInstance(id: InstanceId, options?: CallOptions): Promise<MirrorError>;
}
